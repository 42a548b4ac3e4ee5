"""One contract for every attack: a copy is a leak, fresh patients are none, a coin has no power, a crash is no pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lab_cohorts import lab_cohort

from evaluation.attacks.calls import Call, Measure
from evaluation.attacks.ensemble import ENSEMBLE
from evaluation.attacks.membership import membership_reading
from evaluation.attacks.planted import joined, redrawn_labs, renamed
from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.shadows import ATTACKS as SHADOW_ATTACKS
from evaluation.attacks.stage import Stage
from evaluation.attacks.suite import SUITE, attack, examine
from evaluation.attacks.verdict import FAMILY_ALPHA
from evaluation.attacks.whole import WHOLE
from evaluation.embedding import Metric, embed
from evaluation.exhibit import Exhibit
from evaluation.finding import Family, Finding, ThreatModel, Verdict
from evaluation.neighbours import nearest
from synthhealth.findings_file import read_findings, write_findings

N = 900
EVERY = (*(one.test for call in SUITE for one in call.attacks), ENSEMBLE.test)
BESIDE = (*(one.test for one in SHADOW_ATTACKS), WHOLE.test)
# by their nature these notice a full copy only among many more patients, and then say NO POWER here
BLUNT = ("dpi-20", "knn-density-5", "knn-density-20", "autoencoder")
TRAIN, HOLDOUT, REFERENCE, FRESH = (lab_cohort(N, seed) for seed in range(4))
SOMEONE = ThreatModel(name="someone", sees="something", knows="something", wants="something")


def _attack(**changes: object) -> Attack:
    plain = Attack(test="mine", title="Mine", family=Family.MEMBERSHIP, threat=SOMEONE, citation="none")
    return replace(plain, **changes)


def _by_test(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {one.test: one for one in findings}


@pytest.fixture(scope="module")
def on_copy() -> dict[str, Finding]:
    return _by_test(attack(TRAIN, HOLDOUT, renamed(TRAIN), reference=REFERENCE))


@pytest.fixture(scope="module")
def on_fresh() -> dict[str, Finding]:
    return _by_test(attack(TRAIN, HOLDOUT, renamed(FRESH), reference=REFERENCE))


def test_every_attack_gives_one_finding(on_copy: dict[str, Finding]):
    assert tuple(on_copy) == (*EVERY, *BESIDE)


@pytest.mark.parametrize("test", [one.test for one in SHADOW_ATTACKS])
def test_attacks_that_were_not_run_are_named(on_fresh: dict[str, Finding], test: str):
    assert on_fresh[test].verdict is Verdict.NOT_MEASURABLE
    assert "shadow" in on_fresh[test].reason


def test_the_suite_as_a_whole_says_what_its_attacks_say(on_copy: dict[str, Finding], on_fresh: dict[str, Finding]):
    assert on_copy[WHOLE.test].verdict is Verdict.LEAK
    assert "exact-duplicates" in on_copy[WHOLE.test].reason
    assert on_fresh[WHOLE.test].verdict is Verdict.NO_LEAK_DETECTED
    assert "POS-2 %" in on_fresh[WHOLE.test].detection_limit
    assert on_fresh[WHOLE.test].headline.interval is not None
    assert {one.name: one.holds for one in on_fresh[WHOLE.test].controls}["POS-2 %"]


@pytest.mark.parametrize("test", EVERY)
def test_a_full_copy_is_a_leak(on_copy: dict[str, Finding], test: str):
    finding = on_copy[test]
    if test in BLUNT and finding.verdict is Verdict.NO_POWER:
        assert not next(one for one in finding.controls if one.name == "POS-copy").holds
    else:
        assert finding.verdict is Verdict.LEAK


@pytest.mark.parametrize("test", EVERY)
def test_fresh_patients_are_no_leak(on_fresh: dict[str, Finding], test: str):
    allowed = {Verdict.NO_LEAK_DETECTED} | ({Verdict.NO_POWER} if test in BLUNT else set())
    assert on_fresh[test].verdict in allowed


@pytest.mark.parametrize("test", EVERY)
def test_a_finding_is_evidence_only_with_all_that_belongs_to_it(on_fresh: dict[str, Finding], test: str):
    finding = on_fresh[test]
    names = [one.name for one in finding.controls]
    assert names[:4] == ["NEG-permuted", "NEG-fresh", "POS-copy", "POS-2 %"]
    assert finding.headline.value is not None
    assert finding.headline.interval is not None
    assert finding.headline.interval.low <= finding.headline.value <= finding.headline.interval.high
    assert finding.baseline is not None
    assert finding.threat is not None
    assert "2 %" in finding.detection_limit
    assert finding.citation
    assert finding.seconds > 0
    assert finding.n > 0
    assert finding.p_value is not None
    assert finding.p_adjusted is not None
    assert finding.p_value <= finding.p_adjusted


@pytest.mark.parametrize("test", ["dcr", "nndr", "knn-density-1"])
def test_distance_attacks_rank_a_full_copy_perfectly(on_copy: dict[str, Finding], test: str):
    value = on_copy[test].headline.value
    assert value is not None
    assert value >= 0.99


def test_two_percent_of_copies_are_seen_at_the_tail_and_not_in_the_mean(on_fresh: dict[str, Finding]):
    control = {one.name: one for one in on_fresh["dcr"].controls}["POS-2 %"]
    assert control.estimate.value == pytest.approx(0.51, abs=0.03)
    assert any(one.holds for finding in on_fresh.values() for one in finding.controls if one.name == "POS-2 %")


def test_more_noise_is_harder_to_find(on_fresh: dict[str, Finding]):
    dose = {one.name: one.estimate.value for one in on_fresh["dcr"].controls}
    assert dose["POS-copy"] >= dose["POS-jitter 0.03 sd"] > dose["POS-jitter 0.3 sd"] > 0.55


def test_what_this_many_patients_cannot_show_is_said(on_fresh: dict[str, Finding]):
    others = {one.name: one for one in on_fresh["dcr"].others}
    assert others["TPR at 10 % FPR"].interval is not None
    assert others["TPR at 0.1 % FPR"].value is None
    assert "not resolvable at this n" in others["TPR at 0.1 % FPR"].note


def test_curves_show_floor_and_copy_beside_the_release(on_fresh: dict[str, Finding]):
    curves = {one.name: one for one in on_fresh["dcr"].curves}
    assert {"ROC", "ROC, POS-copy", "ROC, NEG-fresh", "distance, train", "distance, holdout (floor)"} <= set(curves)
    assert all(len(one.x) == len(one.y) > 10 for one in curves.values())
    assert curves["ROC"].x[-1] == curves["ROC"].y[-1] == 1
    assert curves["ROC, POS-copy"].y[0] > 0.99


def test_copies_of_two_percent_are_a_leak():
    few = TRAIN.take(np.arange(18))
    calls = tuple(call for call in SUITE if any(one.test in ("dcr", "exact-duplicates") for one in call.attacks))
    exhibit = Exhibit(train=TRAIN, holdout=HOLDOUT, reference=REFERENCE, synthetic=joined(FRESH, few))
    found = [one.test for one in examine(exhibit, calls) if one.verdict is Verdict.LEAK]
    assert "exact-duplicates" in found
    assert {"dcr", "nndr", "knn-density-1"} & set(found)


def test_a_filter_that_keeps_its_distance_from_train_is_a_leak():
    train, holdout, reference, fresh = (lab_cohort(1500, seed) for seed in range(30, 34))
    metric = Metric.of(embed(reference))
    distance = nearest(metric(embed(fresh)).points, metric(embed(train)).points, 1).nearest
    kept = fresh.take(np.flatnonzero(distance > np.quantile(distance, 0.4)))
    calls = tuple(call for call in SUITE if call.attacks[0].test == "dcr")
    exhibit = Exhibit(train=train, holdout=holdout, reference=reference, synthetic=renamed(kept))
    finding = _by_test(examine(exhibit, calls))["dcr"]
    assert finding.verdict is Verdict.LEAK
    assert finding.headline.value is not None
    assert finding.headline.value < 0.5


def test_findings_come_back_from_disk_as_they_were(on_fresh: dict[str, Finding], tmp_path: Path):
    findings = tuple(on_fresh.values())
    write_findings(tmp_path / "findings.json", findings)
    assert read_findings(tmp_path / "findings.json") == findings


def test_labs_redrawn_across_patients_are_a_leak():
    mixed_up = redrawn_labs(TRAIN, np.random.default_rng(0))
    shuffled = replace(mixed_up, patients=renamed(FRESH).patients)
    calls = tuple(call for call in SUITE if call.attacks[0].test == "labs-sum")
    exhibit = Exhibit(train=TRAIN, holdout=HOLDOUT, reference=REFERENCE, synthetic=shuffled)
    found = [one.test for one in examine(exhibit, calls) if one.verdict is Verdict.LEAK]
    assert {"labs-sum", "labs-mean"} <= set(found)


def _examined(call: Call, *, drift: float = 0.0) -> Finding:
    holdout = lab_cohort(300, 11, shift=drift)
    exhibit = Exhibit(
        train=lab_cohort(300, 10),
        holdout=holdout,
        reference=lab_cohort(300, 12),
        synthetic=renamed(lab_cohort(300, 13)),
    )
    return examine(exhibit, (call,))[0]


def _coin(stage: Stage) -> tuple[Reading, ...]:
    return (membership_reading(_attack(), stage.rng("coin").random(len(stage.targets)), stage),)


def _oracle(stage: Stage) -> tuple[Reading, ...]:
    noise = stage.rng("oracle").random(len(stage.targets))
    return (membership_reading(_attack(), stage.member + 0.1 * noise, stage),)


def _nearness(stage: Stage) -> tuple[Reading, ...]:
    return (membership_reading(_attack(), -stage.near.nearest, stage),)


def _crash(stage: Stage) -> tuple[Reading, ...]:
    raise np.linalg.LinAlgError(f"singular, {len(stage.targets)}")


def _crash_on_controls(stage: Stage) -> tuple[Reading, ...]:
    return _nearness(stage) if stage.name == "release" else _crash(stage)


def _not_a_number(stage: Stage) -> tuple[Reading, ...]:
    return (membership_reading(_attack(), np.full(len(stage.targets), np.nan), stage),)


def _nothing_to_do(_stage: Stage) -> tuple[Reading, ...]:
    raise NotMeasurableError("no labs")


def test_a_coin_has_no_power():
    assert _examined(Call(attacks=(_attack(),), measure=_coin)).verdict is Verdict.NO_POWER


def test_a_signal_on_fresh_patients_makes_the_attack_invalid():
    finding = _examined(Call(attacks=(_attack(),), measure=_oracle))
    assert finding.verdict is Verdict.INVALID
    assert "NEG-fresh" in finding.reason


def test_a_holdout_from_another_population_makes_a_distance_attack_invalid():
    assert _examined(Call(attacks=(_attack(),), measure=_nearness), drift=1.5).verdict is Verdict.INVALID


@pytest.mark.parametrize("measure", [_crash, _crash_on_controls, _not_a_number])
def test_a_crash_is_inconclusive_with_its_reason(measure: Measure):
    finding = _examined(Call(attacks=(_attack(),), measure=measure))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "Error" in finding.reason


def test_nothing_to_work_on_is_not_measurable():
    finding = _examined(Call(attacks=(_attack(),), measure=_nothing_to_do))
    assert finding.verdict is Verdict.NOT_MEASURABLE
    assert finding.reason == "no labs"


def test_an_attack_that_asks_too_much_of_a_copy_has_no_power():
    call = Call(attacks=(_attack(copy_auc=1.1),), measure=_asks_too_much)
    assert _examined(call).verdict is Verdict.NO_POWER


def _asks_too_much(stage: Stage) -> tuple[Reading, ...]:
    return (membership_reading(_attack(copy_auc=1.1), -stage.near.nearest, stage),)


def test_twenty_patients_are_not_measurable():
    findings = attack(lab_cohort(20, 0), lab_cohort(20, 1), lab_cohort(20, 2))
    assert {one.verdict for one in findings} == {Verdict.NOT_MEASURABLE}
    assert tuple(one.test for one in findings) == (*EVERY, *BESIDE)
    assert all("20" in one.reason for one in findings)


def test_the_seed_repeats_an_evaluation_and_progress_is_told():
    told: list[tuple[str, int, int]] = []
    exhibit = Exhibit(
        train=lab_cohort(200, 0), holdout=lab_cohort(200, 1), reference=lab_cohort(200, 2), synthetic=lab_cohort(200, 3)
    )
    calls = tuple(call for call in SUITE if call.attacks[0].test in ("exact-duplicates", "singling-out"))
    first = examine(exhibit, calls, seed=5, progress=lambda *what: told.append(what))
    again = examine(exhibit, calls, seed=5)
    assert [replace(one, seconds=0) for one in first] == [replace(one, seconds=0) for one in again]
    assert told[-1][1] == told[-1][2]
    assert len(told) > 3


def test_the_family_errs_rarely():
    assert FAMILY_ALPHA == 0.01
