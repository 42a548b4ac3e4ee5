"""Builds the documents: the open half of the evidence first, both editions from it, exact findings only inside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from evaluation.finding import Finding, Scope
from privacy.schema import Schema
from synthhealth.report.account import Account, priced_population
from synthhealth.report.attack_parts import AttackRow, AuditRow
from synthhealth.report.canonical import sha256
from synthhealth.report.disclosure import attack_rows, audit_row, measured
from synthhealth.report.document import Change, Common, InnerFinding, InternalDocument, OpenQuality, ReleaseDocument
from synthhealth.report.evidence import (
    Artefact,
    Commitment,
    EngineFacts,
    Evidence,
    Recipient,
    TrainingPractices,
)
from synthhealth.report.judge import Grounds, effective_tier, judge
from synthhealth.report.odds import advantage, family_epsilon, posterior, right_in_100, tpr_ceiling
from synthhealth.report.parts import (
    EarlierRelease,
    FamilyPoint,
    Header,
    LedgerPart,
    Lineage,
    Odds,
    OpenNumber,
    PopulationTotal,
    PosteriorPoint,
    Practices,
    ProfilePoint,
    Promise,
    ReleasedFile,
    Setting,
    Software,
    Tier,
    TprPoint,
)
from synthhealth.report.policy import PolicyFile
from synthhealth.report.structure import structure
from synthhealth.report.texts import Measured, clauses, hazards, texts

FPRS = (0.001, 0.01, 0.1)
PRIORS = (0.5, 0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEvidence:
    """The evidence without any exact number from real rows; all that the release edition is made from."""

    schema: Schema
    ledger_json: bytes
    engine: EngineFacts
    practices: TrainingPractices
    policy: PolicyFile
    policy_recorded: str
    recipient: Recipient
    release_name: str
    created_on: date
    versions: tuple[tuple[str, str], ...]
    files: tuple[Artefact, ...]
    attacks: tuple[AttackRow, ...]
    audit: AuditRow | None
    quality: tuple[OpenQuality, ...]
    population: PopulationTotal | None
    commitment: Commitment | None
    rehearsal: bool
    attack_authority: str
    approved_by: str
    together: tuple[EarlierRelease, ...]
    measured: frozenset[Measured]
    changes: tuple[tuple[str, str], ...]


def disclose(evidence: Evidence, account: Account) -> OpenEvidence:
    """The open half: findings shrink to rounded attack rows and to the numbers that were paid for or are public.

    Privacy: the attack rows and the audit are outside the guarantee, as the document says.
    """
    step = evidence.policy.policy.disclosure.step
    profile = account.profile if evidence.engine.private else ()
    return OpenEvidence(
        schema=evidence.schema,
        ledger_json=evidence.ledger_json,
        engine=evidence.engine,
        practices=evidence.practices,
        policy=evidence.policy,
        policy_recorded=evidence.policy_recorded,
        recipient=evidence.recipient,
        release_name=evidence.release_name,
        created_on=evidence.created_on,
        versions=evidence.versions,
        files=evidence.files,
        attacks=attack_rows(evidence.findings, step=step, profile=profile),
        audit=None if evidence.audit is None else audit_row(evidence.audit, step=step),
        quality=tuple(_quality(f) for f in evidence.findings if f.scope is not Scope.INTERNAL_EXACT),
        population=None if evidence.population is None else priced_population(evidence.population),
        commitment=evidence.commitment,
        rehearsal=evidence.rehearsal,
        attack_authority=evidence.attack_authority,
        approved_by=evidence.approved_by,
        together=evidence.together,
        measured=measured(evidence.findings, private=evidence.engine.private),
        changes=evidence.changes,
    )


def release_document(open_evidence: OpenEvidence, account: Account) -> ReleaseDocument:
    """What may leave, from the open half alone.

    Privacy: public and paid numbers, and rounded attack results that say so.
    """
    return ReleaseDocument(common=_common(open_evidence, account), quality=open_evidence.quality)


def internal_document(evidence: Evidence, release: ReleaseDocument) -> InternalDocument:
    """What must not leave: the same chapters and every finding in full.

    Privacy: internal only.
    """
    return InternalDocument(
        common=release.common,
        findings=tuple(InnerFinding(scope=f.scope.value, finding=f) for f in evidence.findings),
        portrait=evidence.portrait,
    )


def _quality(finding: Finding) -> OpenQuality:
    interval = finding.headline.interval
    return OpenQuality(
        title=finding.title,
        subject=finding.subject,
        value=0.0 if finding.headline.value is None else finding.headline.value,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        scope="public" if finding.scope is Scope.PUBLIC else "dp_charged",
    )


def _common(given: OpenEvidence, account: Account) -> Common:
    fixed = texts()
    header, promise, population = _header(given), _promise(given, account), given.population
    shape = structure(given.schema)
    grounds = Grounds(
        header=header,
        promise=promise,
        population=population,
        attacks=given.attacks,
        audit=given.audit,
        structure=shape,
        policy_recorded=given.policy_recorded,
    )
    verdict = judge(given.policy, grounds)
    missing = frozenset(check.id for check in verdict.checks if check.outcome == "not_measured")
    return Common(
        legal=fixed.legal,
        header=header,
        verdict=verdict,
        promise=promise,
        population=population,
        ledger=_ledger(given, account),
        odds=odds_of(promise, population) if given.engine.private else None,
        unprotected=fixed.public_inputs(given.approved_by),
        attacks=given.attacks,
        attack_authority=given.attack_authority,
        together=given.together,
        audit=given.audit,
        structure=shape,
        not_fit_for=fixed.not_fit_for,
        lineage=_lineage(given),
        hazards=hazards(given.engine.name, given.measured),
        assumptions=fixed.assumption,
        clauses=clauses(missing),
        sign_off=fixed.boxes(given.policy.policy.roles(effective_tier(header))),
        terms=fixed.term,
        triggers=fixed.triggers,
        changes=tuple(Change(on=on, what=what) for on, what in given.changes),
    )


def files_fingerprint(files: tuple[tuple[str, str], ...]) -> str:
    """SHA-256 over the sorted lines "hash  path" of the released files."""
    return sha256("".join(f"{digest}  {path}\n" for path, digest in sorted(files)).encode())


def report_id(fingerprint: str, created_on: str, ledger_json: bytes) -> str:
    """The report's name: 16 hex digits that follow from the files, the day and the ledger."""
    return sha256((fingerprint + created_on + sha256(ledger_json)).encode())[:16]


def _header(given: OpenEvidence) -> Header:
    months = given.policy.policy.expiry.months
    software = dict(given.versions)
    fingerprint = files_fingerprint(tuple((f.path, f.sha256) for f in given.files))
    return Header(
        report_id=report_id(fingerprint, given.created_on.isoformat(), given.ledger_json),
        release=given.release_name,
        purpose=given.recipient.purpose,
        tier=Tier(
            name=given.recipient.tier,
            recipient=given.recipient.name,
            onward_sharing_limited=given.recipient.onward_sharing_limited,
        ),
        created_on=given.created_on.isoformat(),
        expires_on=min(_months_later(given.created_on, months), given.policy.policy.valid_until).isoformat(),
        software=f"synthhealth {software['synthhealth']}" if "synthhealth" in software else "synthhealth",
        fingerprint=fingerprint,
        stamp="REHEARSAL" if given.rehearsal else "",
    )


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    # The 28th exists in every month; a report must never hold longer than its policy says.
    return date(year, month + 1, min(day.day, 28))


def _promise(given: OpenEvidence, account: Account) -> Promise:
    unit = given.schema.privacy_unit
    seen = given.practices
    private = given.engine.private
    promised = account.promised(private=private)
    return Promise(
        applies=private,
        unit="none" if promised is None else promised.unit,
        neighbours="none" if promised is None else promised.neighbours.replace("_", "/") + " one",
        max_records=unit.max_records,
        window=f"{unit.window[0]:g} to {unit.window[1]:g} {given.schema.time_unit}",
        cohort_size=account.file.cohort_size,
        epsilon=_open(account.epsilon) if private else None,
        delta=_open(account.delta) if private else None,
        replace_one_epsilon=_open(account.replace_one_epsilon) if private else None,
        delta_times_n=_open(account.delta * account.file.cohort_size) if private else None,
        profile=tuple(ProfilePoint(epsilon=e, delta=d) for e, d in account.profile) if private else (),
        accountants=account.accountants if private else (),
        practices=Practices(
            poisson_sampling=seen.poisson_sampling,
            rate_is_public=seen.rate_is_public,
            steps_are_public=seen.steps_are_public,
            normaliser_is_public=seen.normaliser_is_public,
            lattice_noise=seen.lattice_noise,
            noise_seed_kept=seen.noise_seed_kept,
            domains_are_public=seen.domains_are_public,
        ),
        not_promised=texts().not_promised,
    )


def _open(value: float) -> OpenNumber:
    return OpenNumber(value=float(f"{value:.6g}"), scope="public")


def _ledger(given: OpenEvidence, account: Account) -> LedgerPart:
    lines = account.lines()
    return LedgerPart(run_id=account.file.run_id, lines=lines, count=len(lines), file_sha256=sha256(given.ledger_json))


def odds_of(promise: Promise, population: PopulationTotal | None) -> Odds:
    """The odds after all releases that are known of, from the profile as it is printed.

    A reader gets the same counts from the printed profile.
    """
    whole = promise.profile if population is None else population.profile
    profile = tuple((p.epsilon, p.delta) for p in whole)
    if population is not None:
        epsilon, delta = population.epsilon, population.delta
    else:
        epsilon = math.inf if promise.epsilon is None else promise.epsilon.value
        delta = 1.0 if promise.delta is None else promise.delta.value
    return Odds(
        covers="this release" if population is None else "all releases about the population",
        advantage=advantage(profile),
        right_in_100=right_in_100(profile),
        tpr=tuple(TprPoint(fpr=fpr, tpr=tpr_ceiling(profile, fpr)) for fpr in FPRS),
        posterior=tuple(
            PosteriorPoint(prior=prior, fpr=fpr, posterior=posterior(profile, prior=prior, fpr=fpr))
            for prior in PRIORS
            for fpr in FPRS
        ),
        family=tuple(FamilyPoint(patients=k, epsilon=family_epsilon(epsilon, k)) for k in (2, 4)),
        pair_advantage=advantage(((epsilon, delta),)),
    )


def _lineage(given: OpenEvidence) -> Lineage:
    files = sorted(given.files, key=lambda f: f.path)
    return Lineage(
        engine=given.engine.name,
        private=given.engine.private,
        settings=tuple(Setting(name=name, value=value) for name, value in given.engine.settings),
        software=tuple(Software(name=name, version=version) for name, version in given.versions),
        files=tuple(ReleasedFile(path=f.path, sha256=f.sha256, bytes=f.bytes) for f in files),
        schema_name=given.schema.name,
        schema_sha256=given.schema.sha256,
        commitment="" if given.commitment is None else given.commitment.hmac_sha256,
        commitment_key_holder="" if given.commitment is None else given.commitment.key_holder,
    )
