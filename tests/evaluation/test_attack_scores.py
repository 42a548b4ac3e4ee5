"""What each attack scores: who is copied scores high, who is not scores like anybody, and knowledge is no leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lab_cohorts import lab_cohort
from numpy.typing import NDArray

from evaluation.attacks import attribute_inference, autoencoder, column_errors, distances, inference, linkability
from evaluation.attacks.calls import Call, Combination, outcomes_of
from evaluation.attacks.ensemble import ENSEMBLE, ensemble
from evaluation.attacks.ground import ground_of
from evaluation.attacks.membership import membership_reading
from evaluation.attacks.planted import joined, renamed
from evaluation.attacks.reading import NotMeasurableError, Reading
from evaluation.attacks.secrets import secrets
from evaluation.attacks.stage import NEAREST, Ground, Stage
from evaluation.attacks.suite import SUITE
from evaluation.attacks.verdict import Failure
from evaluation.exhibit import Exhibit
from evaluation.finding import Verdict
from evaluation.neighbours import Neighbours
from privacy.cohort import Cohort

N = 400
COPIED = 40


@pytest.fixture(scope="module")
def ground() -> Ground:
    train, holdout, reference = (lab_cohort(N, 500 + place) for place in range(3))
    return ground_of(Exhibit.of(train, holdout, holdout, reference=reference), quick=True, seed=0)


@pytest.fixture(scope="module")
def few(ground: Ground) -> Stage:
    """A stage on which the first 40 members are copied, and nobody else."""
    copies = ground.targets.cohort.take(np.arange(COPIED))
    return ground.stage("few", joined(lab_cohort(N, 510), copies))


def _scores(reading: Reading) -> NDArray[np.float64]:
    assert reading.scores is not None
    return reading.scores


def test_stages_hold_members_first_and_their_nearest_neighbours(ground: Ground, few: Stage):
    assert few.member.tolist() == [True] * N + [False] * N
    assert few.near.distance.shape == few.near_reference.distance.shape == (2 * N, NEAREST)
    assert (few.near.nearest[:COPIED] == 0).all()
    assert np.count_nonzero(few.near.nearest[COPIED:] == 0) < 5
    part = ground.stage("part", few.synthetic.cohort, np.array([3, N + 5]))
    assert part.member.tolist() == [True, False]
    assert (part.near.distance == few.near.distance[[3, N + 5]]).all()
    assert (part.outlier == few.outlier[[3, N + 5]]).all()


def test_groups_are_tenths_that_know_no_membership(ground: Ground):
    for group in (ground.outlier, ground.rare):
        assert 0.02 < group.mean() < 0.15
        assert abs(group[:N].mean() - group[N:].mean()) < 0.06
    ward = ground.targets.cohort.codes("ward")
    assert (ward[ground.rare] == 3).mean() > 3 * (ward == 3).mean()


def test_large_cohorts_are_sampled_before_they_are_scored(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evaluation.attacks.ground._MOST_SCORED", {True: 120, False: 150})
    train, holdout, reference = lab_cohort(300, 1), lab_cohort(200, 2), lab_cohort(100, 3)
    exhibit = Exhibit.of(train, holdout, holdout, reference=reference)
    assert ground_of(exhibit, quick=True, seed=0).member.tolist() == [True] * 120 + [False] * 120
    assert len(ground_of(exhibit, quick=False, seed=0).member) == 300


def test_every_distance_ranks_the_copied_first(few: Stage):
    for reading in distances.measure(few):
        if reading.attack.test in ("dcr", "nndr", "knn-density-1"):
            top = np.argsort(-_scores(reading), kind="stable")[:COPIED]
            assert np.count_nonzero(top < COPIED) >= COPIED - 3
        if reading.attack.test in ("dpi-20", "knn-density-5"):
            assert _scores(reading)[:COPIED].mean() > _scores(reading)[COPIED:].mean()


def _neighbours(rows: list[list[float]]) -> Neighbours:
    return Neighbours(index=np.zeros((len(rows), len(rows[0])), dtype=np.int64), distance=np.array(rows))


def test_the_plagiarism_index_counts_both_samples_as_of_one_size(few: Stage):
    ours = _neighbours([[float(place) for place in range(0, 40, 2)]] * 2)
    theirs = _neighbours([[float(place) for place in range(1, 41, 2)], [100.0 + place for place in range(20)]])
    stage = replace(few, near=ours, near_reference=theirs)
    index = distances.plagiarism_index(stage)
    synthetic, reference = 1 / len(few.synthetic), 1 / len(few.reference)
    assert index[0] == pytest.approx(synthetic / (synthetic + reference), abs=1e-3)
    assert index[1] == 1


def test_curves_of_distances_are_densities(few: Stage):
    for curve in distances.distance_curves(few):
        width = curve.x[1] - curve.x[0]
        assert 0.9 < sum(curve.y) * width <= 1.0001


def test_trees_reproduce_a_copied_patient(few: Stage):
    errors = column_errors.column_log_errors(few, few.synthetic)
    assert errors.shape == (2 * N, 6)
    assert errors[:COPIED].mean() < errors[COPIED:N].mean() - 2
    assert errors[COPIED:N].mean() == pytest.approx(errors[N:].mean(), abs=0.2)


def test_a_quick_stage_predicts_eight_sources_at_most(few: Stage):
    sources = column_errors._chosen(few)
    assert sources[:4] == ["age", "weight", "ward", "died"]
    assert set(sources[4:]) == {"Na", "CRP"}


def test_the_autoencoder_rebuilds_a_copied_patient_better(few: Stage):
    loss = autoencoder.loss(few, few.synthetic)
    assert loss[:COPIED].mean() < loss[COPIED:].mean() - 0.1
    assert np.abs(loss - autoencoder.loss(few, few.synthetic)).max() == 0


def test_linkability_finds_copies_and_knows_its_chance(few: Stage):
    (reading,) = linkability.measure(few)
    hit = _scores(reading)
    assert hit[:COPIED].mean() > 0.95
    assert hit[N:].mean() < 0.15
    chance = 1 - (1 - 5 / len(few.synthetic)) ** 5
    assert reading.baseline.value == pytest.approx(chance)


def test_inference_reads_the_secret_off_the_copy(few: Stage):
    (reading,) = inference.measure(few)
    hit = _scores(reading)
    assert hit[:COPIED].mean() > 0.95
    assert hit[COPIED:N].mean() == pytest.approx(hit[N:].mean(), abs=0.08)
    assert reading.baseline.value is not None
    assert reading.baseline.value < hit[N:].mean()


def test_the_most_similar_patient_is_sought_without_the_secret(few: Stage):
    secret = secrets(few)[0]
    closest = inference.most_similar(few, secret)
    assert (closest[:COPIED] == np.arange(N, N + COPIED)).mean() > 0.9


def _telling(n: int, seed: int) -> Cohort:
    """Patients of whom ward tells who dies: knowledge about the population."""
    cohort = lab_cohort(n, seed)
    dead = np.isin(cohort.codes("ward"), (1, 2)).astype(int)
    patients = cohort.patients.assign(died=cohort.patients["died"].cat.set_categories([0, 1]))
    patients["died"] = patients["died"].cat.rename_categories([0, 1])
    patients["died"] = type(patients["died"].array).from_codes(dead, dtype=cohort.patients["died"].dtype)
    return replace(cohort, patients=patients)


def test_what_everybody_knows_is_no_leak():
    train, holdout, reference, synthetic = (_telling(N, 600 + place) for place in range(4))
    telling = ground_of(Exhibit.of(train, holdout, holdout, reference=reference), quick=True, seed=0)
    (reading,) = attribute_inference.measure(telling.stage("release", renamed(synthetic)))
    rates = {one.name: one.value for one in reading.others}
    assert rates["success on train"] is not None
    assert rates["success on train"] > 0.4
    assert reading.headline.value == pytest.approx(0, abs=0.03)
    assert reading.headline.interval is not None
    assert reading.headline.interval.holds(0)
    assert reading.p_value > 0.01


def test_what_only_members_show_is_an_excess(ground: Ground):
    members = ground.targets.cohort.take(np.flatnonzero(ground.member))
    (reading,) = attribute_inference.measure(ground.stage("copy", renamed(members)))
    assert reading.headline.value is not None
    assert reading.headline.value > 0.3
    assert reading.p_value < 1e-10


def test_the_ensemble_needs_two_attacks_and_uses_them_all(few: Stage):
    readings = distances.measure(few)
    (together,) = ensemble(readings, few)
    assert np.mean(np.argsort(-_scores(together))[:COPIED] < COPIED) > 0.5
    with pytest.raises(NotMeasurableError, match="fewer than two"):
        ensemble(readings[:1], few)


def test_no_reading_looks_at_labels_before_it_scores(few: Stage):
    swapped = replace(few, member=~few.member)
    for call in SUITE:
        if call.attacks[0].test in ("exact-duplicates", "dcr", "labs-sum", "mia-ept", "autoencoder", "linkability"):
            for one, two in zip(call.measure(few), call.measure(swapped), strict=True):
                assert (_scores(one) == _scores(two)).all()


def _gives(stage: Stage) -> tuple[Reading, ...]:
    return (membership_reading(distances.DCR, stage.rng("x").random(len(stage.targets)), stage),)


def _raises(_stage: Stage) -> tuple[Reading, ...]:
    raise KeyError("patient 17")


def test_a_crash_keeps_its_kind_and_no_text_of_a_stranger(few: Stage):
    calls = (
        Call(attacks=(distances.NNDR,), measure=_raises),
        Call(attacks=(distances.DCR,), measure=_gives),
    )
    outcomes = outcomes_of(few, calls, (Combination(attacks=(ENSEMBLE,), combine=ensemble),))
    broken = outcomes["nndr"]
    assert isinstance(broken, Failure)
    assert broken.verdict is Verdict.INCONCLUSIVE
    assert "KeyError" in broken.reason
    assert "17" not in broken.reason
    fine = outcomes["dcr"]
    assert isinstance(fine, Reading)
    assert fine.seconds > 0
    alone = outcomes["ensemble"]
    assert isinstance(alone, Failure)
    assert alone.verdict is Verdict.NOT_MEASURABLE


def test_an_error_that_is_a_bug_is_not_swallowed(few: Stage):
    def bug(_stage: Stage) -> tuple[Reading, ...]:
        raise AttributeError("no such field")

    with pytest.raises(AttributeError):
        outcomes_of(few, (Call(attacks=(distances.DCR,), measure=bug),))
