"""Holds the evidence against the policy: one check a line, the worst of them is the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from synthhealth.report.attack_parts import AttackRow, AuditRow, Structure
from synthhealth.report.judge_attacks import attack_checks, audit_check
from synthhealth.report.judge_guarantee import guarantee_checks
from synthhealth.report.parts import Check, Header, PolicyFacts, PopulationTotal, Promise, Verdict
from synthhealth.report.policy import PolicyFile, TierName

Whole = Literal["pass", "review", "fail"]
_OUTCOMES: tuple[Whole, ...] = ("pass", "review", "fail")
_RANK = {"pass": 0, "not_measured": 1, "review": 1, "fail": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a verdict rests on; all of it stands in the release edition, so that anyone can judge again."""

    header: Header
    promise: Promise
    population: PopulationTotal | None
    attacks: tuple[AttackRow, ...]
    audit: AuditRow | None
    structure: tuple[Structure, ...]
    policy_recorded: str


def judge(policy: PolicyFile, grounds: Grounds) -> Verdict:
    """The verdict and every check behind it.

    What was not measured counts as review; a policy without an owner, or past its date, never gives a pass.

    Privacy: free; reads rounded results and public numbers only.
    """
    tier = effective_tier(grounds.header)
    limits = policy.policy.tier(tier)
    checks = (
        *guarantee_checks(policy.policy, limits, grounds.promise, grounds.population, stamp=grounds.header.stamp),
        *attack_checks(policy.policy, limits, grounds.attacks),
        audit_check(policy.policy, grounds.audit, grounds.promise),
        *_structure_checks(grounds.structure),
        *_policy_checks(policy, grounds),
    )
    outcome = _worst(checks)
    return Verdict(
        outcome=outcome,
        sentence=_sentence(outcome, policy),
        reasons=_reasons(checks, outcome),
        policy=_facts(policy, grounds.policy_recorded),
        checks=checks,
    )


def effective_tier(header: Header) -> TierName:
    """The tier whose thresholds apply: the public one where the recipient could pass the data on."""
    if header.tier.name in ("controlled", "named") and not header.tier.onward_sharing_limited:
        return "public"
    return header.tier.name


def _worst(checks: tuple[Check, ...]) -> Whole:
    rank = max(_RANK[check.outcome] for check in checks)
    return _OUTCOMES[rank]


def _sentence(outcome: str, policy: PolicyFile) -> str:
    name = f"{policy.policy.id} {policy.policy.version}"
    return {
        "pass": f"meets policy {name}",
        "review": f"review under policy {name}",
        "fail": f"fails policy {name}",
    }[outcome]


def _reasons(checks: tuple[Check, ...], outcome: str) -> tuple[str, ...]:
    """The reasons to print first: those of the worst outcome, or why it passes."""
    if outcome == "pass":
        return tuple(f"{c.title}: {c.observed}" for c in checks if c.id in ("epsilon", "delta", "membership"))
    worst = [c for c in checks if _RANK[c.outcome] == _RANK[outcome]]
    measured_first = sorted(worst, key=lambda c: c.outcome == "not_measured")
    return tuple(f"{c.title}: {c.reason if c.reason != '' else c.observed}" for c in measured_first)


def _structure_checks(rows: tuple[Structure, ...]) -> tuple[Check, ...]:
    checks = []
    for row in rows:
        found = len(row.columns) > 0
        worst: Whole = "fail" if row.id == "identifiers" else "review"
        checks.append(
            Check(
                id=f"structure.{row.id}",
                group="structure",
                title=row.title[0].upper() + row.title[1:],
                observed=", ".join(row.columns) if found else "none",
                required="none",
                outcome=worst if found else "pass",
                reason=f"{', '.join(row.columns)} must be judged by a person" if found else "",
                source="45 CFR 164.514(b)(2)(i)",
            )
        )
    return tuple(checks)


def _policy_checks(policy: PolicyFile, grounds: Grounds) -> tuple[Check, ...]:
    return (_owner(policy), _in_date(policy, grounds.header.created_on), _recorded(policy, grounds.policy_recorded))


def _owner(policy: PolicyFile) -> Check:
    named = policy.policy.owner.strip() != ""
    return Check(
        id="policy.owner",
        group="policy",
        title="Policy has a named owner",
        observed=policy.policy.owner if named else "nobody",
        required="a named person",
        outcome="pass" if named else "review",
        reason="" if named else "nobody answers for these thresholds yet",
    )


def _in_date(policy: PolicyFile, created_on: str) -> Check:
    valid = date.fromisoformat(created_on) <= policy.policy.valid_until
    return Check(
        id="policy.date",
        group="policy",
        title="Policy in date",
        observed=f"valid until {policy.policy.valid_until.isoformat()}",
        required=f"on {created_on} or later",
        outcome="pass" if valid else "review",
        reason="" if valid else "the policy had run out on the day of the report",
    )


def _recorded(policy: PolicyFile, recorded: str) -> Check:
    outcome: Whole = "review" if recorded == "" else "pass" if recorded == policy.sha256 else "fail"
    reason = {
        "pass": "",
        "review": "nobody recorded the policy before the run",
        "fail": "the policy was changed after it had been recorded for this run",
    }[outcome]
    return Check(
        id="policy.recorded",
        group="policy",
        title="Policy recorded before the run",
        observed="nothing recorded" if recorded == "" else recorded[:12],
        required=policy.sha256[:12],
        outcome=outcome,
        reason=reason,
    )


def _facts(policy: PolicyFile, recorded: str) -> PolicyFacts:
    return PolicyFacts(
        id=policy.policy.id,
        version=policy.policy.version,
        owner=policy.policy.owner,
        valid_until=policy.policy.valid_until.isoformat(),
        sha256=policy.sha256,
        recorded_before_run=recorded == policy.sha256,
        recorded_sha256=recorded,
    )
