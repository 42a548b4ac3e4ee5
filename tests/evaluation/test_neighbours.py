"""Nearest neighbours are those of a full comparison, and copies lie at exactly zero."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.neighbours import nearest


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 12), st.integers(1, 25), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_neighbours_are_those_of_a_full_comparison(n: int, m: int, d: int, k: int, seed: int):
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(n, d)).astype(np.float32)
    points = rng.normal(size=(m, d)).astype(np.float32)
    found = nearest(queries, points, k)
    full = np.sqrt(((queries[:, None, :].astype(np.float64) - points[None]) ** 2).sum(axis=2))
    assert found.distance.shape == (n, min(k, m))
    np.testing.assert_allclose(found.distance, np.sort(full, axis=1)[:, :k], rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(full, found.index, axis=1), found.distance, rtol=1e-5)


def test_copies_lie_at_exactly_zero_far_from_the_origin():
    rng = np.random.default_rng(0)
    points = (1000 + rng.normal(size=(500, 30))).astype(np.float32)
    found = nearest(points[:100], points, 2)
    assert (found.nearest == 0).all()
    assert (found.index[:, 0] == np.arange(100)).all()
    assert (found.kth(2) > 1).all()


def test_a_small_change_is_not_lost_in_rounding():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(400, 50)).astype(np.float32)
    moved = points.copy()
    moved[:, 0] += np.float32(1e-3)
    found = nearest(moved, points, 1)
    np.testing.assert_allclose(found.nearest, 1e-3, rtol=1e-3)


def test_fewer_points_than_neighbours_give_what_there_is():
    found = nearest(np.zeros((3, 2), dtype=np.float32), np.ones((2, 2), dtype=np.float32), 20)
    assert found.distance.shape == (3, 2)
    assert found.kth(20) == pytest.approx(np.sqrt(2))
    assert found.mean(5) == pytest.approx(np.sqrt(2))


def test_no_points_are_refused():
    with pytest.raises(ValueError, match="no points"):
        nearest(np.zeros((3, 2), dtype=np.float32), np.zeros((0, 2), dtype=np.float32), 1)


def test_take_keeps_queries():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(20, 3)).astype(np.float32)
    found = nearest(points, points, 4)
    part = found.take(np.array([3, 7]))
    assert (part.index == found.index[[3, 7]]).all()
    assert (part.nearest == 0).all()
