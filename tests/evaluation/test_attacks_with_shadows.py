"""Attacks that train models of their own: they learn from labels, count what they trained, and keep the contract."""

from __future__ import annotations

import numpy as np
import pytest
from lab_cohorts import lab_cohort

from evaluation.attacks.ground import ground_of
from evaluation.attacks.planted import jittered, renamed
from evaluation.attacks.shadows import ATTACKS, train_shadows
from evaluation.attacks.suite import SUITE, examine
from evaluation.attacks.white_box import (
    Loss,
    Shadows,
    lira_scores,
    memoriser,
    rmia_scores,
    shadow_losses,
    white_box,
)
from evaluation.exhibit import Exhibit
from evaluation.finding import Finding, Verdict
from privacy.cohort import Cohort
from privacy.errors import ConfigError, DataError

CHEAP = tuple(call for call in SUITE if call.attacks[0].test in ("exact-duplicates", "dcr", "labs-sum"))
TRAIN, HOLDOUT, REFERENCE, FRESH = (lab_cohort(600, 20 + seed) for seed in range(4))


def _noisy_copy(cohort: Cohort, seed: int) -> Cohort:
    return jittered(cohort, 0.4, np.random.default_rng(seed))


def _blind(cohort: Cohort, seed: int) -> Cohort:
    return renamed(lab_cohort(len(cohort), 1000 + seed))


def _by_test(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {one.test: one for one in findings}


def _examined(synthetic: Cohort, generator) -> dict[str, Finding]:  # noqa: ANN001 - a function of cohorts
    exhibit = Exhibit(train=TRAIN, holdout=HOLDOUT, reference=REFERENCE, synthetic=synthetic)
    return _by_test(examine(exhibit, CHEAP, train_shadow=generator))


@pytest.fixture(scope="module")
def on_noisy_copy() -> dict[str, Finding]:
    return _examined(_noisy_copy(TRAIN, 5), _noisy_copy)


def test_shadow_models_find_a_noisy_copy(on_noisy_copy: dict[str, Finding]):
    for one in ATTACKS:
        assert on_noisy_copy[one.test].verdict is Verdict.LEAK


def test_labels_teach_more_than_ranks(on_noisy_copy: dict[str, Finding]):
    taught, untaught = on_noisy_copy["ensemble-shadow"].headline.value, on_noisy_copy["ensemble"].headline.value
    assert taught is not None
    assert untaught is not None
    assert taught > untaught - 0.01


def test_shadow_attacks_say_how_many_models_they_trained(on_noisy_copy: dict[str, Finding]):
    for one in ATTACKS:
        counts = [e.value for e in on_noisy_copy[one.test].others if e.name == "shadow models trained"]
        assert counts == [2.0]


def test_a_generator_without_memory_gives_no_leak():
    findings = _examined(_blind(TRAIN, 7), _blind)
    for one in ATTACKS:
        assert findings[one.test].verdict in (Verdict.NO_LEAK_DETECTED, Verdict.NO_POWER)


def test_an_overfitted_generator_is_a_control_of_its_own():
    exhibit = Exhibit(train=TRAIN, holdout=HOLDOUT, reference=REFERENCE, synthetic=renamed(FRESH))
    for overfit, holds in ((_noisy_copy, True), (_blind, False)):
        findings = _by_test(examine(exhibit, CHEAP, train_overfit=overfit))
        controls = {one.name: one for one in findings["suite"].controls}
        assert controls["POS-overfit"].holds is holds
        assert ("no power against this kind of model" in findings["suite"].detection_limit) is not holds


def test_a_generator_that_refuses_leaves_the_other_attacks_standing():
    def refuses(_cohort: Cohort, _seed: int) -> Cohort:
        raise DataError("too few patients")

    findings = _examined(renamed(TRAIN), refuses)
    assert {findings[one.test].verdict for one in ATTACKS} == {Verdict.INCONCLUSIVE}
    assert "DataError" in findings[ATTACKS[0].test].reason
    assert findings["dcr"].verdict is Verdict.LEAK


def test_shadows_never_learn_from_a_target():
    seen: list[set[str]] = []

    def watching(cohort: Cohort, seed: int) -> Cohort:
        seen.append(set(cohort.ids))
        return _blind(cohort, seed)

    ground = ground_of(Exhibit.of(TRAIN, HOLDOUT, HOLDOUT, reference=REFERENCE), quick=True, seed=0)
    train_shadows(ground, watching, CHEAP[:1], count=2)
    assert len(seen) == 2
    assert all(ids <= set(REFERENCE.ids) for ids in seen)
    assert seen[0] != seen[1]


def _dull(_cohort: Cohort, _seed: int) -> Loss:
    return lambda asked: asked.numbers("age") / 50


def test_white_box_finds_a_model_that_learns_by_heart_and_no_other():
    ground = ground_of(Exhibit.of(TRAIN, HOLDOUT, HOLDOUT, reference=REFERENCE), quick=True, seed=0)
    learner = memoriser(ground)
    for loss, maker, expected in (
        (learner(TRAIN, 0), learner, Verdict.LEAK),
        (_dull(TRAIN, 0), _dull, Verdict.NO_LEAK_DETECTED),
    ):
        findings = white_box(TRAIN, HOLDOUT, loss, maker, reference=REFERENCE)
        assert [one.test for one in findings] == ["rmia", "lira"]
        assert {one.verdict for one in findings} == {expected}
        assert {one.name for one in findings[0].controls} == {"NEG-permuted", "NEG-fresh", "POS-memoriser"}
        assert any(one.name == "shadow models trained" and one.value == 4 for one in findings[0].others)


def test_no_power_against_a_kind_of_model_whose_overfit_goes_unnoticed():
    findings = white_box(TRAIN, HOLDOUT, _dull(TRAIN, 0), _dull, reference=REFERENCE, shadows=2, overfit=_dull)
    assert {one.verdict for one in findings} == {Verdict.NO_POWER}


def test_a_loss_that_is_no_number_is_inconclusive():
    def broken(_cohort: Cohort, _seed: int) -> Loss:
        return lambda asked: np.full(len(asked), np.nan)

    findings = white_box(TRAIN, HOLDOUT, broken(TRAIN, 0), broken, reference=REFERENCE, shadows=2)
    assert {one.verdict for one in findings} == {Verdict.INCONCLUSIVE}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_shadows_come_in_pairs(count: int):
    with pytest.raises(ConfigError, match="even number"):
        white_box(TRAIN, HOLDOUT, _dull(TRAIN, 0), _dull, shadows=count)


def test_each_target_is_in_one_of_a_pair_and_out_of_the_other():
    ground = ground_of(Exhibit.of(TRAIN, HOLDOUT, HOLDOUT, reference=REFERENCE), quick=True, seed=3)
    shadows = shadow_losses(ground, _dull, 4)
    assert shadows.loss.shape == shadows.inside.shape == (4, 1200)
    assert (shadows.inside[0] != shadows.inside[1]).all()
    assert (shadows.inside[2] != shadows.inside[3]).all()
    assert 0.4 < (shadows.inside[0] == shadows.inside[2]).mean() < 0.6


def test_scores_by_hand():
    shadows = Shadows(
        loss=np.array([[1.0, 4.0], [3.0, 2.0], [1.2, 4.2], [3.2, 2.2]]),
        inside=np.array([[True, False], [False, True], [True, False], [False, True]]),
    )
    loss = np.array([1.1, 4.1])
    out = -np.log((np.exp(-3.0) + np.exp(-3.2)) / 2)
    assert rmia_scores(loss, shadows)[0] == pytest.approx(out - 1.1)
    scores = lira_scores(loss, shadows)
    assert scores[0] > 0 > scores[1]
    assert scores[0] == pytest.approx(-scores[1])
