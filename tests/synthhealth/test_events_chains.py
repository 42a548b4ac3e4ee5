"""What draws say in bins, against a plain loop; and that every row made of a cohort is its own patient's alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt_parts import book_of
from numpy.typing import NDArray
from odd_worlds import ODD_SCHEMAS, odd_cohort
from strategies import cohorts, schemas

from privacy.cohort import Cohort
from synthhealth.encoding.draws import Draws
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains, Summaries, summary_slots
from synthhealth.generators.events.gaps import gap_rows
from synthhealth.generators.events.panel_moments import panel_rows
from synthhealth.generators.events.value_moments import moment_rows
from synthhealth.generators.events.values import ValueHead

Floats = NDArray[np.float64]


@st.composite
def lab_cohorts(draw: st.DrawFn, *, least: int = 1) -> tuple[Cohort, Codebook]:
    """A cohort in a schema with tests, and a codebook for it."""
    schema = draw(schemas().filter(lambda one: len(one.tests) > 0))
    cohort = draw(cohorts(schema, min_patients=least, max_records=40))
    return cohort, book_of(schema, np.random.default_rng(draw(st.integers(0, 2**32 - 1))))


@settings(max_examples=25)
@given(lab_cohorts())
def test_chains_are_those_of_a_plain_loop(case: tuple[Cohort, Codebook]):
    cohort, book = case
    draws = Draws.of(cohort, book.layout)
    chains = Chains.of(draws, book.tests)
    last: dict[tuple[int, int], int] = {}
    for r, (owner, test, cell) in enumerate(
        zip(draws.record_owner.tolist(), draws.test.tolist(), draws.cell.tolist(), strict=True)
    ):
        bins = book.tests[test]
        mine = next(b for b in range(bins.count) if bins.edges[b] <= cell < bins.edges[b + 1])
        assert chains.bin[r] == mine
        assert chains.last[r] == last.get((owner, test), VALUE_BINS)
        last[owner, test] = mine


@settings(max_examples=25)
@given(lab_cohorts())
def test_levels_are_classes_of_the_mean_bin(case: tuple[Cohort, Codebook]):
    cohort, book = case
    draws = Draws.of(cohort, book.layout)
    chains = Chains.of(draws, book.tests)
    assert chains.level.shape == (len(cohort), len(book.tests))
    for patient in range(len(cohort)):
        for t, bins in enumerate(book.tests):
            mine = chains.bin[(draws.record_owner == patient) & (draws.test == t)]
            if len(mine) == 0:
                assert chains.level[patient, t] == LEVELS
            else:
                share = (mine.mean() + 0.5) / bins.count
                assert abs(chains.level[patient, t] - min(int(share * LEVELS), LEVELS - 1)) <= (
                    1 if abs(share * LEVELS - round(share * LEVELS)) < 1e-9 else 0
                )


@settings(max_examples=25)
@given(lab_cohorts())
def test_summaries_are_those_of_a_plain_loop(case: tuple[Cohort, Codebook]):
    cohort, book = case
    draws = Draws.of(cohort, book.layout)
    slots = summary_slots(book.layout)
    cells = Summaries.of(draws, slots).cells
    assert cells.shape == (len(cohort), 4)
    for patient in range(len(cohort)):
        steps = draws.step[draws.owner == patient]
        records = int((draws.record_owner == patient).sum())
        numbers = [len(steps), steps.min(initial=10**9), steps.max(initial=0), records / max(len(steps), 1)]
        for j, (slot, number) in enumerate(zip(slots, numbers, strict=True)):
            assert slot.grid is not None
            if j > 0 and len(steps) == 0:
                assert cells[patient, j] == slot.grid.cells
            else:
                assert cells[patient, j] == slot.grid.cell(np.array([float(number)]))[0]


def test_the_six_patients(six_patients: Cohort):
    book = book_of(six_patients.schema, np.random.default_rng(0))
    draws = Draws.of(six_patients, book.layout)
    count, first, last, panel = Summaries.of(draws, summary_slots(book.layout)).cells.T
    grids = [slot.grid for slot in summary_slots(book.layout)]
    assert all(grid is not None for grid in grids)
    assert count.tolist() == grids[0].cell(np.array([2.0, 2, 3, 1, 1, 0])).tolist()
    assert first[:5].tolist() == grids[1].cell(np.array([0.0, 1, 0, 2, 5])).tolist()
    assert last[:5].tolist() == grids[2].cell(np.array([6.0, 13, 24, 2, 5])).tolist()
    # 3, 2, 5 after the tie, 1 and 1 records over 2, 2, 3, 1 and 1 draws
    assert panel[:5].tolist() == grids[3].cell(np.array([1.5, 1.0, 5 / 3, 1.0, 1.0])).tolist()
    assert [cells[5] for cells in (first, last, panel)] == [grids[j].cells for j in (1, 2, 3)]


# --- one patient, one row ------------------------------------------------------------------------------------------


def rows_of(cohort: Cohort, book: Codebook) -> dict[str, Floats]:
    """Everything that is made of a cohort as one row a patient."""
    draws = Draws.of(cohort, book.layout)
    chains = Chains.of(draws, book.tests)
    head = ValueHead.blank(np.array([bins.count for bins in book.tests]))
    size = np.bincount(draws.record_owner, minlength=len(cohort)) / np.maximum(draws.per_patient(), 1)
    weight = 1.0 + 0.3 * np.arange(len(book.tests))
    return {
        "fine": book.layout.fine(cohort),
        "summaries": Summaries.of(draws, summary_slots(book.layout)).cells,
        "levels": chains.level,
        "codes": book.code(cohort),
        "value moments": moment_rows(draws, chains, head, weight).toarray(),
        "gaps": gap_rows(draws, book.layout.steps).toarray(),
        "panels": panel_rows(draws, size, chains.level, book.layout.steps, np.arange(len(book.tests))[::-1]),
    }


def assert_coupled(cohort: Cohort, book: Codebook, gone: int) -> None:
    stay = np.delete(np.arange(len(cohort)), gone)
    whole, part = rows_of(cohort, book), rows_of(cohort.take(stay), book)
    for name, rows in whole.items():
        assert rows.shape[1:] == part[name].shape[1:], name
        assert rows[stay].tobytes() == part[name].tobytes(), name


@settings(max_examples=40)
@given(lab_cohorts(least=2), st.data())
def test_no_row_changes_by_a_bit_when_another_patient_goes(case: tuple[Cohort, Codebook], data: st.DataObject):
    assert_coupled(*case, gone=data.draw(st.integers(0, len(case[0]) - 1)))


@pytest.mark.parametrize("name", [name for name in ODD_SCHEMAS if "[tests." in ODD_SCHEMAS[name]])
def test_nor_in_strange_schemas(name: str):
    cohort = odd_cohort(name, 12, seed=3, records=15)
    book = book_of(cohort.schema, np.random.default_rng(1))
    for gone in (0, 5, 11):
        assert_coupled(cohort, book, gone)


def test_nor_when_the_heaviest_patient_goes(simulated_small: Cohort):
    cohort = simulated_small.take(np.arange(40))
    book = book_of(cohort.schema, np.random.default_rng(2))
    assert_coupled(cohort, book, int(cohort.records_per_patient().argmax()))


def test_nobody_has_rows_of_the_same_width(simulated_small: Cohort):
    book = book_of(simulated_small.schema, np.random.default_rng(2))
    some, none = rows_of(simulated_small.take(np.arange(3)), book), rows_of(simulated_small.take(np.arange(0)), book)
    for name, rows in none.items():
        assert rows.shape == (0, *some[name].shape[1:]), name
