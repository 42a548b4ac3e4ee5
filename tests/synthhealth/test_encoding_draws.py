"""Lab records as draws: against a plain loop over records, with ties, gaps and empty cohorts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from privacy.cohort import Cohort
from synthhealth.encoding.draws import Draws, places
from synthhealth.encoding.layout import Layout

Ints = NDArray[np.int64]


@st.composite
def columns(draw: st.DrawFn) -> tuple[int, int, dict[str, Ints]]:
    """Patients, tests, and records in any order with many ties."""
    patients, tests = draw(st.integers(0, 5)), draw(st.integers(1, 4))
    count = draw(st.integers(0, 40)) if patients else 0
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return (
        patients,
        tests,
        {
            "owner": rng.integers(0, max(patients, 1), count),
            "step": rng.integers(0, 6, count),
            "test": rng.integers(0, tests, count),
            "cell": np.arange(count),
        },
    )


def draws_of(case: tuple[int, int, dict[str, Ints]]) -> Draws:
    patients, tests, records = case
    return Draws.of_records(patients=patients, tests=tests, **records)


def by_hand(records: dict[str, Ints]) -> dict[tuple[int, int], dict[int, int]]:
    """(patient, step) -> test -> the first cell, in a plain loop."""
    found: dict[tuple[int, int], dict[int, int]] = {}
    for owner, step, test, cell in zip(*(records[name].tolist() for name in records), strict=True):
        found.setdefault((owner, step), {}).setdefault(test, cell)
    return {key: dict(sorted(found[key].items())) for key in sorted(found)}


@given(columns())
def test_draws_are_those_of_a_plain_loop(case: tuple[int, int, dict[str, Ints]]):
    draws, hand = draws_of(case), by_hand(case[2])
    assert list(zip(draws.owner.tolist(), draws.step.tolist(), strict=True)) == list(hand)
    told = [
        (d, t, c) for d, (_, held) in enumerate(hand.items()) for t, c in held.items()
    ]  # records by draw and test, the first of each kept
    assert list(zip(draws.draw.tolist(), draws.test.tolist(), draws.cell.tolist(), strict=True)) == told
    assert draws.bits.shape == (len(hand), case[1])
    assert [set(np.flatnonzero(row)) for row in draws.bits] == [set(held) for held in hand.values()]


@given(columns())
def test_counts_and_places_are_those_of_a_plain_loop(case: tuple[int, int, dict[str, Ints]]):
    draws, hand = draws_of(case), by_hand(case[2])
    seen = [0] * case[0]
    index = []
    for owner, _ in hand:
        index.append(seen[owner])
        seen[owner] += 1
    assert draws.index.tolist() == index
    assert draws.per_patient().tolist() == seen
    assert draws.record_owner.tolist() == [owner for (owner, _), held in hand.items() for _ in held]


@given(columns())
def test_what_came_before_is_that_of_a_plain_loop(case: tuple[int, int, dict[str, Ints]]):
    draws, hand = draws_of(case), by_hand(case[2])
    previous: dict[int, set[int]] = {}
    ever: dict[int, set[int]] = {}
    for row, ((owner, _), held) in enumerate(hand.items()):
        assert set(np.flatnonzero(draws.previous_bits()[row])) == previous.get(owner, set())
        assert set(np.flatnonzero(draws.ever_bits()[row])) == ever.get(owner, set())
        previous[owner] = set(held)
        ever[owner] = ever.get(owner, set()) | set(held)


@given(columns())
def test_sums_are_over_each_patients_own_draws(case: tuple[int, int, dict[str, Ints]]):
    draws = draws_of(case)
    values = np.column_stack([draws.step + 1.0, draws.bits.sum(axis=1)])
    wanted = [values[draws.owner == patient].sum(axis=0).tolist() for patient in range(case[0])]
    assert draws.sums(values).tolist() == wanted


@given(columns(), st.integers(0, 2**32 - 1))
def test_order_matters_for_ties_alone(case: tuple[int, int, dict[str, Ints]], seed: int):
    patients, tests, records = case
    shuffled = np.random.default_rng(seed).permutation(len(records["owner"]))
    other = Draws.of_records(patients=patients, tests=tests, **{name: of[shuffled] for name, of in records.items()})
    draws = draws_of(case)
    for name in ("owner", "step", "index", "bits", "draw", "test"):
        assert np.array_equal(getattr(draws, name), getattr(other, name))
    first = {}
    for at in shuffled.tolist():
        first.setdefault(tuple(int(records[name][at]) for name in ("owner", "step", "test")), at)
    assert other.cell.tolist() == [
        first[owner, step, test]
        for owner, step, test in zip(
            other.record_owner.tolist(), other.step[other.draw].tolist(), other.test.tolist(), strict=True
        )
    ]


def test_the_six_patients(six_patients: Cohort):
    layout = Layout.of(six_patients.schema)
    draws = Draws.of(six_patients, layout)
    assert draws.patients == 6
    assert draws.per_patient().tolist() == [2, 2, 3, 1, 1, 0]
    # c has two potassiums in its first hour: the first is kept, beside the glucose
    of_c = draws.record_owner == 2
    assert draws.test[of_c].tolist() == [0, 1, 0, 0, 2]
    potassium = layout.tests[0].cell(np.array([6.0, 5.5, 5.0]))
    assert draws.cell[of_c & (draws.test == 0)].tolist() == potassium.tolist()
    assert draws.step[draws.owner == 2].tolist() == [0, 12, 24]


@pytest.mark.parametrize("patients", [0, 1, 3])
def test_nobody_has_no_draws(patients: int):
    nothing = np.zeros(0, dtype=np.int64)
    draws = Draws.of_records(patients=patients, owner=nothing, step=nothing, test=nothing, cell=nothing, tests=2)
    assert draws.per_patient().tolist() == [0] * patients
    for bits in (draws.bits, draws.previous_bits(), draws.ever_bits()):
        assert bits.shape == (0, 2)
    assert draws.record_owner.shape == (0,)


def test_places_start_anew_with_each_owner():
    assert places(np.array([3, 3, 5, 5, 5, 9])).tolist() == [0, 1, 0, 1, 2, 0]
    assert places(np.zeros(0, dtype=np.int64)).tolist() == []
