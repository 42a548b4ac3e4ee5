"""Scores of predictions against scikit-learn, and what a redraw of patients does to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, brier_score_loss, mean_absolute_error, r2_score, roc_auc_score

from evaluation.fidelity.histograms import Floats
from evaluation.resampling import REPEATS, Redraws, estimate, known, redrawn_weights
from evaluation.utility.scores import (
    absolute_error,
    auroc,
    average_precision,
    brier,
    calibration_error,
    calibration_points,
    explained,
    rank_correlation,
)

PAIRS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10)), min_size=4, max_size=60).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


def columns(pairs: list[tuple[int, int]]) -> tuple[Floats, Floats]:
    return np.array([float(y) for y, _ in pairs]), np.array([s / 10 for _, s in pairs])


@given(PAIRS, st.integers(0, 2**32 - 1))
def test_class_scores_are_scikit_learns_with_weights(pairs: list[tuple[int, int]], seed: int):
    y, score = columns(pairs)
    weights = np.random.default_rng(seed).integers(1, 4, (3, len(y))).astype(float)
    for ours, theirs in (
        (auroc, roc_auc_score),
        (average_precision, average_precision_score),
        (brier, brier_score_loss),
    ):
        expected = [theirs(y, score, sample_weight=row) for row in weights]
        np.testing.assert_allclose(ours(y, score, weights), expected, atol=1e-9)


def test_a_patient_not_drawn_is_a_patient_not_there():
    y, score = np.array([0.0, 1.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.3, 0.4, 0.8, 0.2])
    weights = np.array([[1.0, 1.0, 1.0, 1.0, 0.0]])
    assert auroc(y, score, weights)[0] == pytest.approx(roc_auc_score(y[:4], score[:4]))
    assert np.isnan(auroc(y, score, np.array([[0.0, 1.0, 0.0, 1.0, 1.0]]))[0])


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=40))
def test_number_scores_are_scikit_learns(pairs: list[tuple[int, int]]):
    y = np.array([float(a) for a, _ in pairs])
    score = np.array([float(b) for _, b in pairs])
    ones = np.ones((1, len(y)))
    assert absolute_error(y, score, ones)[0] == pytest.approx(mean_absolute_error(y, score))
    if y.std() > 0:
        assert explained(y, score, ones)[0] == pytest.approx(r2_score(y, score))
        if score.std() > 0:
            assert rank_correlation(y, score, ones)[0] == pytest.approx(spearmanr(y, score).statistic)


def test_calibration_by_hand():
    y = np.tile([0.0, 1.0], 10)
    ones = np.ones((1, 20))
    assert calibration_error(y, np.full(20, 0.5), ones)[0] == pytest.approx(0)
    assert calibration_error(y, np.full(20, 0.9), ones)[0] == pytest.approx(0.4)
    assert calibration_points(y, np.full(20, 0.9)) == ((pytest.approx(0.9),), (0.5,))
    predicted, observed = calibration_points(y, np.linspace(0, 1, 20))
    assert len(predicted) == 10
    assert observed == (0.5,) * 10


def test_patients_are_dealt_evenly_and_row_zero_is_the_cohort():
    redraws = Redraws.of(103, np.random.default_rng(0))
    sizes = np.bincount(redraws.group)
    assert redraws.groups == 50
    assert sizes.max() - sizes.min() <= 1
    assert (redraws.weights[0] == 1).all()
    assert (redraws.weights.sum(axis=1) == 50).all()
    assert Redraws.of(3, np.random.default_rng(0)).groups == 3
    assert redrawn_weights(7, np.random.default_rng(0)).shape == (REPEATS + 1, 7)


def test_groups_of_patients_give_the_standard_error_of_a_mean():
    chance = np.random.default_rng(5)
    values = chance.normal(0, 1, 5000)
    errors = []
    for _ in range(20):
        redraws = Redraws.of(len(values), chance)
        top = np.bincount(redraws.group, values)
        size = np.bincount(redraws.group)
        errors.append(((redraws.weights @ top) / (redraws.weights @ size))[1:].std(ddof=1))
    assert np.mean(errors) == pytest.approx(1 / np.sqrt(5000), rel=0.1)


def test_an_estimate_is_cut_to_its_range_and_needs_redraws():
    found = estimate("x", np.array([0.01, 0.0, 0.1, 0.2]))
    assert found.interval is not None
    assert found.interval.low == 0
    assert found.value == 0.01
    assert estimate("x", np.array([np.nan, 1.0, 2.0])).value is None
    assert estimate("x", np.array([1.0])).note == "not enough data"
    point = known("x", 0.5).interval
    assert point is not None
    assert point.low == point.high == 0.5
