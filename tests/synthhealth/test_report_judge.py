from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import lru_cache

import pytest
from report_evidence import OWNED, attack, attacks, estimate, evidence

from evaluation.finding import Estimate, Family, Finding, Verdict
from privacy.errors import CheckError
from synthhealth.report.account import Account
from synthhealth.report.assemble import disclose, release_document
from synthhealth.report.evidence import Artefact, Audit, EngineFacts, Evidence, Recipient, TrainingPractices
from synthhealth.report.judge_attacks import patients_to_decide
from synthhealth.report.parts import Check
from synthhealth.report.parts import Verdict as Judged
from synthhealth.report.policy import PolicyFile
from synthhealth.report.structure import structure


@lru_cache(maxsize=1)
def account() -> Account:
    return Account.read(evidence().ledger_json)


def judged(given: Evidence) -> Judged:
    return release_document(disclose(given, account()), account()).common.verdict


def check(verdict: Judged, name: str) -> Check:
    return next(c for c in verdict.checks if c.id == name)


def alone() -> Evidence:
    """Evidence that passes: nothing spent before, a generous owner, every attack quiet."""
    loose = OWNED.content.replace(b"epsilon_pass = 3.0", b"epsilon_pass = 4.0").replace(
        b"delta_times_n = 0.01", b"delta_times_n = 0.1"
    )
    return replace(evidence(policy=PolicyFile.parse(loose)), population=None)


def without(kept: Callable[[Finding], bool]) -> tuple[Finding, ...]:
    return tuple(f for f in attacks() if kept(f))


def swapped(title: str, new: Finding) -> tuple[Finding, ...]:
    return tuple(new if f.title == title else f for f in attacks())


def test_quiet_evidence_meets_the_policy():
    verdict = judged(alone())
    assert verdict.outcome == "pass"
    assert verdict.sentence == "meets policy default 1.0"
    assert {c.outcome for c in verdict.checks} == {"pass"}


def test_words_of_the_verdict():
    assert judged(evidence()).sentence == "review under policy default 1.0"
    assert judged(replace(alone(), rehearsal=True)).sentence == "fails policy default 1.0"


def test_total_epsilon_is_the_populations():
    verdict = judged(evidence())
    assert check(verdict, "epsilon").outcome == "review"
    assert float(check(verdict, "epsilon").observed) > account().epsilon


def test_default_policy_caps_at_review():
    verdict = judged(replace(evidence(policy=PolicyFile.default()), population=None))
    assert check(verdict, "policy.owner").outcome == "review"
    assert verdict.outcome == "review"


@pytest.mark.parametrize(
    ("change", "name", "outcome"),
    [
        ({"policy_recorded": ""}, "policy.recorded", "review"),
        ({"policy_recorded": "0" * 64}, "policy.recorded", "fail"),
        ({"created_on": date(2028, 1, 1)}, "policy.date", "review"),
        ({"rehearsal": True}, "rehearsal", "fail"),
        ({"engine": EngineFacts(name="vae-nonprivate", private=False)}, "private engine", "fail"),
        ({"practices": TrainingPractices()}, "practice.lattice_noise", "not_measured"),
        ({"audit": None}, "audit", "not_measured"),
        ({"findings": ()}, "membership", "not_measured"),
        ({"findings": ()}, "controls", "not_measured"),
        ({"recipient": Recipient(tier="public")}, "epsilon", "review"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_one_change_one_outcome(change: dict[str, object], name: str, outcome: str):
    verdict = judged(replace(alone(), **change))  # type: ignore[arg-type]
    assert check(verdict, name).outcome == outcome
    assert verdict.outcome == ("fail" if outcome == "fail" else "review")
    assert len(verdict.reasons) >= 1


@pytest.mark.parametrize(
    ("practice", "bad"),
    [
        ("poisson_sampling", False),
        ("rate_is_public", False),
        ("steps_are_public", False),
        ("normaliser_is_public", False),
        ("lattice_noise", False),
        ("noise_seed_kept", True),
        ("domains_are_public", False),
    ],
)
def test_each_practice_is_required(practice: str, *, bad: bool):
    given = alone()
    broken = replace(given.practices, **{practice: bad})
    verdict = judged(replace(given, practices=broken))
    assert [c.id for c in verdict.checks if c.outcome == "fail"] == [f"practice.{practice}"]


def audit(lower: float, ceiling: float, *, falsified: bool = False, caught: bool = True) -> Audit:
    return Audit(
        epsilon_lower=lower, epsilon_ceiling=ceiling, profile_falsified=falsified, planted_caught=caught, canaries=500
    )


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (audit(0.6, 6.0), "pass"),
        (audit(5.0, 6.0), "fail"),
        (audit(0.6, 6.0, falsified=True), "fail"),
        (audit(0.6, 2.0), "review"),
        (audit(0.6, 6.0, caught=False), "review"),
    ],
)
def test_audit(found: Audit, outcome: str):
    assert check(judged(replace(alone(), audit=found)), "audit").outcome == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.48, 0.55, "pass"), (0.48, 0.5501, "review"), (0.6499, 0.7, "review"), (0.65, 0.7, "fail")],
)
def test_membership_limits(low: float, high: float, outcome: str):
    new = attack(Family.MEMBERSHIP, "m", estimate("AUC", low, (low + high) / 2, high), verdict=Verdict.NO_LEAK_DETECTED)
    verdict = judged(replace(alone(), findings=(*without(lambda f: f.headline.name != "AUC"), new)))
    assert check(verdict, "membership").outcome == outcome


def test_an_undecided_auc_says_how_many_patients_would_decide():
    new = attack(Family.MEMBERSHIP, "m", estimate("AUC", 0.42, 0.5, 0.58), verdict=Verdict.NO_LEAK_DETECTED)
    verdict = judged(replace(alone(), findings=(*attacks(), new)))
    assert "260 patients an arm" in check(verdict, "membership").reason
    assert patients_to_decide(0.65) == 30
    assert patients_to_decide(0.5) == 0


@pytest.mark.parametrize("family", [Family.SINGLING_OUT, Family.LINKABILITY, Family.INFERENCE])
@pytest.mark.parametrize(("low", "high", "outcome"), [(0, 0.09, "pass"), (0.01, 0.2, "review"), (0.1, 0.3, "fail")])
def test_excess_limits(family: Family, low: float, high: float, outcome: str):
    new = attack(family, "x", estimate("residual risk", low, high / 2, high), verdict=Verdict.NO_LEAK_DETECTED)
    verdict = judged(replace(alone(), findings=(*without(lambda f: f.family is not family), new)))
    assert check(verdict, family.value).outcome == outcome


def test_internal_recipients_get_worst_group_and_excess_reported_only():
    loud = attack(Family.LINKABILITY, "x", estimate("residual risk", 0.2, 0.3, 0.4), verdict=Verdict.NO_LEAK_DETECTED)
    findings = (*without(lambda f: f.family is not Family.LINKABILITY), loud)
    verdict = judged(replace(alone(), findings=findings, recipient=Recipient(tier="internal")))
    assert check(verdict, "linkability").outcome == "pass"
    assert check(verdict, "linkability").required == "reported"


@pytest.mark.parametrize(
    ("word", "low", "outcome"),
    [(Verdict.LEAK, 0.001, "fail"), (Verdict.NO_LEAK_DETECTED, 0.011, "review"), (Verdict.NO_LEAK_DETECTED, 0, "pass")],
)
def test_copies(word: Verdict, low: float, outcome: str):
    new = attack(Family.COPIES, "c", estimate("residual risk", low, 0.02, 0.03), verdict=word)
    verdict = judged(replace(alone(), findings=swapped("Copied runs of three records", new)))
    assert check(verdict, "copies").outcome == outcome


@pytest.mark.parametrize("word", [Verdict.INVALID, Verdict.INCONCLUSIVE])
def test_a_false_alarm_or_a_crash_is_never_a_pass(word: Verdict):
    new = attack(Family.DISTANCE, "broken", Estimate(name="AUC", value=None), verdict=word)
    verdict = judged(replace(alone(), findings=(*attacks(), new)))
    assert check(verdict, "controls").outcome == "review"
    assert "broken" in check(verdict, "controls").reason


def test_an_attack_without_power_counts_where_no_other_of_its_kind_has_any():
    weak = attack(Family.DISTANCE, "weak", estimate("AUC", 0.4, 0.5, 0.6), verdict=Verdict.NO_POWER)
    assert check(judged(replace(alone(), findings=(*attacks(), weak))), "controls").outcome == "pass"
    blind = attack(Family.LINKABILITY, "blind", estimate("residual risk", 0, 0, 0.01), verdict=Verdict.NO_POWER)
    findings = swapped("Linkability", blind)
    verdict = judged(replace(alone(), findings=findings))
    assert check(verdict, "controls").outcome == "review"
    assert check(verdict, "linkability").outcome == "not_measured"


@pytest.mark.parametrize(("word", "outcome"), [(Verdict.LEAK, "fail"), (Verdict.NO_LEAK_DETECTED, "review")])
def test_an_attack_above_the_ceiling_is_a_bug(word: Verdict, outcome: str):
    new = attack(
        Family.MEMBERSHIP,
        "too good",
        estimate("AUC", 0.5, 0.52, 0.54),
        estimate("TPR at 1 % FPR", 0.2, 0.25, 0.3),
        verdict=word,
    )
    verdict = judged(replace(alone(), findings=(*attacks(), new)))
    assert check(verdict, "ceiling").outcome == outcome


def test_a_leak_below_the_ceiling_is_for_a_person():
    new = attack(Family.MEMBERSHIP, "found", estimate("AUC", 0.5, 0.52, 0.54), verdict=Verdict.LEAK)
    verdict = judged(replace(alone(), findings=(*attacks(), new)))
    assert check(verdict, "ceiling").outcome == "review"


def test_onward_sharing_falls_back_to_the_public_tier():
    given = replace(alone(), recipient=Recipient(tier="named", name="x", onward_sharing_limited=False))
    assert "at most 1 passes" in check(judged(given), "epsilon").required
    limited = replace(given, recipient=Recipient(tier="named", name="x"))
    assert "at most 4 passes" in check(judged(limited), "epsilon").required


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("patient_name", "identifiers"),
        ("MRN", "identifiers"),
        ("e-mail", "identifiers"),
        ("zip", "places"),
        ("city", "places"),
    ],
)
def test_columns_named_like_identifiers_are_found(column: str, kind: str):
    schema = evidence().schema
    more = schema.model_copy(update={"columns": {**schema.columns, column: schema.columns["sex"]}})
    found = {row.id: row.columns for row in structure(more)}
    assert found[kind] == (column,)


@pytest.mark.parametrize("column", ["filename_count", "renamed", "stage", "ethnicity", "username_length", "capacity"])
def test_harmless_names_are_not_accused(column: str):
    schema = evidence().schema
    more = schema.model_copy(update={"columns": {column: schema.columns["sex"]}})
    assert all(row.columns == () for row in structure(more))


def test_high_ages_and_dates_are_for_a_person():
    schema = evidence().schema
    age = schema.columns["age"]
    older = age.model_copy(update={"high": 110.0})
    day = age.model_copy(update={"kind": "date", "low": 0.0, "high": 900.0})
    changed = schema.model_copy(update={"columns": {"age": older, "admitted": day}})
    found = {row.id: row.columns for row in structure(changed)}
    assert (found["high ages"], found["dates"]) == (("age",), ("admitted",))
    verdict = judged(replace(alone(), schema=changed))
    assert check(verdict, "structure.dates").outcome == "review"


def test_files_must_be_hashed_and_inside():
    for bad in (Artefact(path="/etc/x", sha256="a" * 64, bytes=1), Artefact(path="x", sha256="a", bytes=1)):
        with pytest.raises(CheckError, match="SHA-256"):
            evidence(files=(bad,))
