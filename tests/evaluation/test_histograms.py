"""Cells and distances between counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.fidelity.distances import (
    exact_distances,
    kolmogorov_smirnov,
    kullback_leibler,
    rate_difference,
    wasserstein_cells,
)
from evaluation.fidelity.histograms import Floats, counts, place, place_within, quantile_edges, total_variation

TABLES = arrays(np.float64, 6, elements=st.integers(0, 50).map(float))


def test_a_value_on_an_edge_belongs_to_the_class_that_begins_there():
    edges = np.array([0.0, 1.0, 2.0, 4.0])
    assert place(np.array([-5.0, 0.0, 0.99, 1.0, 3.9, 4.0, 99.0]), edges).tolist() == [0, 0, 0, 1, 2, 2, 2]


def test_quantile_edges_merge_ties_and_know_nothing_of_missing():
    assert quantile_edges(np.array([1.0, 1.0, 1.0, 4.0, 9.0, np.nan]), 2).tolist() == [1.0, 9.0]
    assert len(quantile_edges(np.array([np.nan]), 4)) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-10, 10)), max_size=40))
def test_places_within_groups_are_the_places_of_each_group(items: list[tuple[int, float]]):
    group = np.array([g for g, _ in items], dtype=np.int64)
    value = np.array([v for _, v in items], dtype=np.float64)
    edges = [np.linspace(-10, 10, bins) for bins in (2, 3, 5, 9)]
    together = place_within(value, group, edges)
    for number, edge in enumerate(edges):
        assert together[group == number].tolist() == place(value[group == number], edge).tolist()


def test_few_values_get_a_class_each():
    edges = quantile_edges(np.array([0.0, 1.0, 0.0, 3.0]), 8)
    assert place(np.array([0.0, 1.0, 3.0, 3.0]), edges).tolist() == [0, 1, 2, 2]


def test_counts_by_row_and_cell():
    table = counts(np.array([0, 1, 1]), np.array([2, 0, 0]), (2, 3))
    assert table.tolist() == [[0, 0, 1], [2, 0, 0]]


@given(TABLES, TABLES, TABLES)
def test_total_variation_is_a_metric_of_shares(a: Floats, b: Floats, c: Floats):
    ab, bc, ac = (float(total_variation(*pair)) for pair in ((a, b), (b, c), (a, c)))
    assert 0 <= ab <= 1 + 1e-12
    assert ab == pytest.approx(float(total_variation(b, a)))
    assert ac <= ab + bc + 1e-9
    assert float(total_variation(a, 3 * a)) == pytest.approx(0, abs=1e-12)


def test_total_variation_by_hand_and_of_nothing():
    assert float(total_variation(np.array([1.0, 1.0]), np.array([1.0, 3.0]))) == 0.25
    assert float(total_variation(np.zeros(2), np.array([1.0, 3.0]))) == 1.0
    assert float(total_variation(np.zeros(2), np.zeros(2))) == 0.0


@given(TABLES, TABLES)
def test_kullback_leibler_is_never_negative_and_zero_for_equal_tables(a: Floats, b: Floats):
    assert float(kullback_leibler(a, b)) >= -1e-12
    assert float(kullback_leibler(a, a)) == pytest.approx(0, abs=1e-12)


def test_kolmogorov_smirnov_and_wasserstein_of_cells_by_hand():
    left, right = np.array([2.0, 0.0, 2.0]), np.array([0.0, 4.0, 0.0])
    assert float(kolmogorov_smirnov(left, right)) == 0.5
    assert float(wasserstein_cells(left, right, np.array([0.0, 10.0, 20.0]))) == 10.0


def test_exact_distances_of_a_shift():
    left = np.arange(100.0)
    steepest, moved = exact_distances(left, left + 10)
    assert steepest == pytest.approx(0.10)
    assert moved == pytest.approx(10 / left.std())
    assert np.isnan(exact_distances(left, np.array([np.nan]))).all()


def test_rate_difference_is_of_the_first_cell():
    assert float(rate_difference(np.array([1.0, 3.0]), np.array([1.0, 1.0]))) == 0.25
    assert np.isnan(float(rate_difference(np.array([1.0, 3.0]), np.zeros(2))))
