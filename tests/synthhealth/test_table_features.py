"""Scores of levels: orthonormal under the shares they were made from, in the order of the ranks, bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from synthhealth.generators.table.features import CAP, LEAST_DEGREE, MAX_CONTRASTS, MOST_DEGREE, Scores, score_count

Floats = NDArray[np.float64]


@st.composite
def shares(draw: st.DrawFn, *, least: float = 1e-4, most: int = 14) -> Floats:
    """Positive shares of up to `most` levels, as a teacher hands them over."""
    levels = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drawn = rng.gamma(draw(st.sampled_from([0.1, 1.0, 9.0])), 1, levels)
    kept = np.maximum(drawn / max(drawn.sum(), 1e-12), least)
    return np.asarray(kept / kept.sum())


DEGREES = st.integers(LEAST_DEGREE, MOST_DEGREE)


@given(shares(least=0.05), st.booleans(), st.booleans(), DEGREES)
def test_scores_are_orthonormal_under_the_shares(
    table: Floats,
    ordered: bool,  # noqa: FBT001  # drawn
    missing: bool,  # noqa: FBT001  # drawn
    degree: int,
):
    scores = Scores.of(table, ordered=ordered, missing=missing and len(table) > 1, degree=degree)
    if (np.abs(scores.table) >= CAP - 1e-9).any():
        return
    weighed = table[:, None] * scores.table
    assert np.allclose(weighed.sum(axis=0), 0, atol=1e-9)
    gram = weighed.T @ scores.table
    assert np.allclose(gram, np.diag(np.diag(gram)), atol=1e-8)
    assert (np.diag(gram) <= 1 + 1e-8).all()
    # what is hardly left after the scores before it is not blown up to full length
    plain = int(missing and len(table) > 1) + min(1, scores.count)
    assert np.allclose(np.diag(gram)[:plain], 1, atol=1e-8)


@given(shares(), st.booleans(), st.booleans(), DEGREES)
def test_scores_are_bounded_and_never_more_than_the_levels_can_tell(
    table: Floats,
    ordered: bool,  # noqa: FBT001  # drawn
    missing: bool,  # noqa: FBT001  # drawn
    degree: int,
):
    missing = missing and len(table) > 1
    scores = Scores.of(table, ordered=ordered, missing=missing, degree=degree)
    assert scores.count == score_count(len(table), ordered=ordered, missing=missing, degree=degree)
    assert np.isfinite(scores.table).all()
    assert np.abs(scores.table).max(initial=0) <= CAP
    assert scores.table.shape == (len(table), scores.count)
    assert len(scores.sort) == scores.count <= min(len(table) - 1, MAX_CONTRASTS + 1)
    # a second moment is what a patient adds: it is 1 where nothing was capped, and never more
    assert (table @ scores.table**2 <= 1 + 1e-9).all()


@given(shares(), st.booleans())
def test_the_linear_score_rises_with_the_rank(table: Floats, missing: bool):  # noqa: FBT001  # drawn
    missing = missing and len(table) > 2
    known = len(table) - missing
    scores = Scores.of(table, ordered=True, missing=missing)
    if known < 2 or 1 not in scores.sort:
        return
    linear = scores.table[:known, list(scores.sort).index(1)]
    assert (np.diff(linear) >= -1e-9).all()


def test_sorts_say_what_a_score_stands_for():
    even = np.full(5, 0.2)
    assert Scores.of(even, ordered=True, missing=False).sort.tolist() == [1, 2]
    assert Scores.of(even, ordered=True, missing=True).sort.tolist() == [0, 1, 2]
    assert Scores.of(even, ordered=True, missing=False, degree=6).sort.tolist() == [1, 2, 4, 5]
    assert Scores.of(even, ordered=False, missing=True).sort.tolist() == [0, 3, 3, 3]
    assert Scores.of(np.array([0.3, 0.7]), ordered=False, missing=False).sort.tolist() == [1]
    assert Scores.of(np.array([0.3, 0.3, 0.4]), ordered=False, missing=True).sort.tolist() == [0, 1]


def test_missing_tells_the_known_from_the_unknown():
    scores = Scores.of(np.array([0.3, 0.3, 0.2, 0.2]), ordered=True, missing=True)
    told = scores.table[:, 0]
    assert told[0] == told[1] == told[2] < 0 < told[3]
    assert told[3] == pytest.approx(2.0)  # (1 - p) / sqrt(p (1 - p)) at p = 0.2
    # what is said of the known levels says nothing of missing
    assert np.allclose(scores.table[3, 1:], 0, atol=1e-9)


def test_a_level_alone_has_nothing_to_tell():
    assert Scores.of(np.array([1.0]), ordered=False, missing=False).table.shape == (1, 0)


def test_many_codes_keep_the_contrasts_of_the_frequent_ones():
    table = np.arange(1, 31, dtype=float)
    scores = Scores.of(table / table.sum(), ordered=False, missing=False)
    assert scores.count == MAX_CONTRASTS
    assert np.unique(scores.table[:17].round(9), axis=0).shape[0] == 1


def test_further_scores_tell_a_frequent_level_from_its_neighbours():
    table = np.array([0.4, 0.15, 0.15, 0.1, 0.1, 0.1])
    plain, finer = (Scores.of(table, ordered=True, missing=False, degree=degree) for degree in (2, 4))
    assert np.array_equal(finer.table[:, :2], plain.table)
    zero = np.array([1.0, 0, 0, 0, 0, 0]) - 0.4
    left = [zero - score.table @ (score.table.T @ (table * zero)) for score in (plain, finer)]
    assert table @ left[0] ** 2 > 0.005
    assert table @ left[1] ** 2 < 0.1 * (table @ left[0] ** 2)
