"""Intervals hold their level, AUC is what counting pairs gives, Holm corrects as the textbook does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from evaluation.finding import Interval
from evaluation.intervals import (
    auc_interval,
    auc_parts,
    bootstrap_mean,
    clopper_pearson,
    difference,
    effective,
    holm,
    newcombe,
    wilson,
)

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_proportion_intervals_hold_the_rate_and_stay_in_the_unit_range(pair: tuple[int, int]):
    hits, trials = pair
    for interval in (wilson(hits, trials), clopper_pearson(hits, trials)):
        assert 0 <= interval.low <= hits / trials <= interval.high <= 1


def test_wilson_is_the_textbook_value():
    interval = wilson(10, 100)
    assert interval.low == pytest.approx(0.0552, abs=1e-4)
    assert interval.high == pytest.approx(0.1744, abs=1e-4)


def test_clopper_pearson_is_the_textbook_value():
    interval = clopper_pearson(0, 30)
    assert interval.low == 0
    assert interval.high == pytest.approx(1 - 0.025 ** (1 / 30))


@pytest.mark.parametrize("rate", [0.003, 0.05, 0.5])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(rate: float):
    trials = 200
    covered = sum(
        binom.pmf(hits, trials, rate) for hits in range(trials + 1) if clopper_pearson(hits, trials).holds(rate)
    )
    assert covered >= 0.95


def test_nothing_tried_is_known_to_be_anything():
    assert wilson(0, 0).low == 0
    assert wilson(0, 0).high == 1
    assert clopper_pearson(0, 0).high == 1
    assert newcombe(0, 0, 3, 10).low == -1


def test_newcombe_is_the_published_value():
    interval = newcombe(56, 70, 48, 80)  # Newcombe 1998, table II, row (a), method 10
    assert interval.low == pytest.approx(0.0524, abs=1e-4)
    assert interval.high == pytest.approx(0.3339, abs=1e-4)


def test_averages_over_guesses_count_as_more_trials_than_one_guess():
    rng = np.random.default_rng(8)
    yes_or_no = (rng.random(400) < 0.3).astype(float)
    assert effective(yes_or_no) == pytest.approx((yes_or_no.sum(), 400))
    averages = (rng.random((400, 4)) < 0.3).mean(axis=1)
    successes, trials = effective(averages)
    assert trials == pytest.approx(1600, rel=0.15)
    assert successes / trials == pytest.approx(averages.mean())
    assert effective(np.full(5, 0.5))[1] > 1e9
    assert effective(np.empty(0)) == (0, 0)


def test_difference_adds_half_widths_in_squares():
    one, two = Interval(low=0.4, high=0.6), Interval(low=0.1, high=0.3)
    interval = difference(0.5, one, 0.2, two, method="x")
    assert interval.low == pytest.approx(0.3 - np.hypot(0.1, 0.1))
    assert interval.high == pytest.approx(0.3 + np.hypot(0.1, 0.1))


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=30),
    st.lists(st.integers(0, 6), min_size=2, max_size=30),
)
def test_auc_counts_pairs_and_ties_by_half(members: list[int], others: list[int]):
    a, b = np.array(members, dtype=float), np.array(others, dtype=float)
    pairs = (a[:, None] > b[None, :]) + 0.5 * (a[:, None] == b[None, :])
    auc, variance = auc_parts(a, b)
    assert auc == pytest.approx(pairs.mean())
    by_hand = pairs.mean(axis=1).var(ddof=1) / len(a) + pairs.mean(axis=0).var(ddof=1) / len(b)
    assert variance == pytest.approx(by_hand, abs=1e-12)


def test_auc_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        auc, variance = auc_parts(rng.normal(size=60), rng.normal(size=40))
        covered += auc_interval(auc, variance, 40).holds(0.5)
    assert 0.91 <= covered / 400 <= 0.98


def test_a_perfect_ranking_still_has_an_interval():
    interval = auc_interval(1.0, 0.0, 50)
    assert interval.low < 0.95
    assert interval.high == 1


def test_bootstrap_redraws_patients():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=300)
    interval = bootstrap_mean(values, rng)
    half = 1.96 * values.std() / np.sqrt(300)
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)
    assert bootstrap_mean(np.empty(0), rng).high == np.inf


def test_holm_is_the_textbook_value():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_no_correction_and_bonferroni_and_keeps_order(p_values: list[float]):
    adjusted = holm(p_values)
    for raw, one in zip(p_values, adjusted, strict=True):
        assert raw <= one <= min(1, len(p_values) * raw) or one == max(adjusted)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
