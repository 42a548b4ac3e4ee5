"""Gaps between draws: counted as a plain loop counts them, drawn by their table, never past the room that is left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from synthhealth.encoding.draws import Draws
from synthhealth.generators.events.gaps import GapHead, gap_rows

STEPS = st.sampled_from([1, 2, 3, 10, 48, 336, 20_000])


def draws_at(steps: list[list[int]]) -> Draws:
    """Draws of one test at these steps, a list a patient."""
    owner = np.repeat(np.arange(len(steps)), [len(one) for one in steps])
    step = np.array([at for one in steps for at in one], dtype=np.int64)
    nothing = np.zeros(len(owner), dtype=np.int64)
    return Draws.of_records(patients=len(steps), owner=owner, step=step, test=nothing, cell=nothing, tests=1)


def class_of(value: float, edges: np.ndarray) -> int:
    found = [k for k in range(len(edges) - 1) if edges[k] <= value < edges[k + 1]]
    return found[0] if found else (0 if value < edges[0] else len(edges) - 2)


@given(STEPS)
def test_cuts_are_public_rise_and_reach_over_the_window(steps: int):
    gaps, paces = GapHead.edges(steps)
    assert gaps[0] == 1
    assert gaps[-1] > steps - 1
    assert (np.diff(gaps) >= 1).all()
    assert (np.diff(paces) > 0).all()
    assert paces[-1] == np.inf


@settings(max_examples=40)
@given(STEPS, st.data())
def test_rows_count_the_gaps_of_a_plain_loop(steps: int, data: st.DataObject):
    some = st.lists(st.integers(0, steps - 1), max_size=min(8, steps), unique=True).map(sorted)
    patients = data.draw(st.lists(some, min_size=1, max_size=4))
    rows = gap_rows(draws_at(patients), steps).toarray()
    gaps, paces = GapHead.edges(steps)
    wanted = np.zeros((len(patients), len(paces) - 1, len(gaps) - 1))
    for patient, at in enumerate(patients):
        for k in range(len(at) - 2):  # the last gap is told by the last step
            pace = (at[-1] - at[k]) / (len(at) - 1 - k)
            wanted[patient, class_of(pace, paces), class_of(at[k + 1] - at[k], gaps)] += 1
    assert np.array_equal(rows.reshape(wanted.shape), wanted)


def test_a_patient_with_two_draws_or_fewer_has_no_gap_to_learn():
    assert gap_rows(draws_at([[], [3], [3, 9]]), 48).nnz == 0


@settings(max_examples=40)
@given(STEPS, st.integers(0, 2**32 - 1), st.sampled_from([-40.0, 0.0, 3.0]))
def test_a_head_made_of_anything_gives_chances(steps: int, seed: int, middle: float):
    gaps, paces = (len(edges) - 1 for edges in GapHead.edges(steps))
    table = np.random.default_rng(seed).normal(middle, 20.0, gaps * paces)
    head = GapHead.of(table if middle else np.zeros_like(table), steps)
    assert head.chances.shape == (paces, gaps)
    assert (head.chances > 0).all()
    assert np.allclose(head.chances.sum(axis=1), 1)


@settings(max_examples=40)
@given(STEPS, st.integers(0, 2**32 - 1))
def test_every_draw_still_to_come_keeps_a_step_of_its_own(steps: int, seed: int):
    rng = np.random.default_rng(seed)
    gaps, paces = (len(edges) - 1 for edges in GapHead.edges(steps))
    head = GapHead.of(rng.gamma(0.3, 30.0, gaps * paces), steps)
    to_come = rng.integers(2, 12, 200)
    left = to_come + rng.integers(0, max(steps - 12, 1), 200)
    gap = head.draw(left.astype(np.float64), to_come.astype(np.float64), rng)
    assert (gap >= 1).all()
    assert (left - gap >= to_come - 1).all()


def test_gaps_follow_their_table():
    rng = np.random.default_rng(3)
    gaps, paces = GapHead.edges(100)
    head = GapHead.of(rng.gamma(1.0, 30.0, (len(gaps) - 1) * (len(paces) - 1)), 100)
    n, pace = 20_000, 4
    inside = float(np.sqrt(paces[pace] * paces[pace + 1]))
    drawn = head.draw(np.full(n, inside * 1_000), np.full(n, 1_000.0), rng)
    counts = np.histogram(drawn, bins=np.append(gaps[:-1], gaps[-1]))[0]
    expected = n * head.chances[pace]
    # the widest gaps may not fit; all others come as often as the table says
    fit = gaps[1:] < inside * 1_000 - 1_000
    assert fit.sum() > 8
    statistic = ((counts - expected)[fit] ** 2 / expected[fit]).sum()
    assert chi2.sf(statistic, int(fit.sum())) > 1e-6


def test_a_head_of_real_gaps_has_their_rhythm():
    patients = [list(range(start, 100, 8)) for start in (0, 1, 2, 5)] * 30
    head = GapHead.of(np.asarray(gap_rows(draws_at(patients), 100).sum(axis=0)).ravel(), 100)
    gaps, _ = GapHead.edges(100)
    pace = class_of(8.0, GapHead.edges(100)[1])
    assert head.chances[pace, class_of(8.0, gaps)] == pytest.approx(1.0, abs=0.02)
