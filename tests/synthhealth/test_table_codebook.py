"""The codebook: what it writes for a row of levels reads back as the same levels, whatever the schema."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt_parts import book_of
from numpy.typing import NDArray
from odd_worlds import ODD_SCHEMAS, odd_cohort
from strategies import cohorts, schemas

from evaluation.constraints import violations
from privacy.cohort import Cohort, Records
from privacy.schema import Schema
from synthhealth.generators.codebook import Codebook, mean_of
from synthhealth.generators.events.chains import LEVELS, summary_slots


def drawn_codes(book: Codebook, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.stack([rng.integers(0, column.levels, n) for column in book.columns], axis=1)


def bare(schema: Schema) -> Schema:
    """The schema without what may change a drawn number after it was drawn."""
    return schema.model_copy(update={"constraints": ()})


@settings(max_examples=30)
@given(st.data())
def test_a_row_of_levels_has_its_place_in_every_column(data: st.DataObject):
    schema = data.draw(schemas())
    cohort = data.draw(cohorts(schema))
    book = book_of(schema, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
    codes = book.code(cohort)
    assert codes.shape == (len(cohort), len(book.columns))
    assert (codes >= 0).all()
    assert (codes < np.array([column.levels for column in book.columns])).all()
    names = [column.name for column in book.columns]
    assert names[: len(schema.free_columns)] == list(schema.free_columns)
    for j, (name, column) in enumerate(schema.free_columns.items()):
        absent = cohort.patients[name].isna().to_numpy()
        assert column.missing or not absent.any()
        if column.missing:
            assert np.array_equal(codes[:, j] == book.columns[j].levels - 1, absent)


@settings(max_examples=30)
@given(st.data())
def test_levels_written_as_a_patient_read_back_the_same(data: st.DataObject):
    schema = bare(data.draw(schemas()))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    book = book_of(schema, rng)
    codes = drawn_codes(book, 40, rng)
    patients = book.patients(codes, rng)
    nothing = np.zeros(0)
    empty = Records.sorted(owner=nothing.astype(int), time=nothing, test=nothing.astype(int), value=nothing)
    written = Cohort(schema=schema, patients=patients, records=empty)
    count = len(schema.free_columns)
    assert np.array_equal(book.code(written)[:, :count], codes[:, :count])
    assert sum(broken.count for broken in violations(written)) == 0


@pytest.mark.parametrize("name", ODD_SCHEMAS)
def test_what_a_row_says_of_the_draws_can_be_done(name: str):
    cohort = odd_cohort(name)
    if not cohort.schema.tests:
        return
    rng = np.random.default_rng(0)
    book = book_of(cohort.schema, rng)
    codes = drawn_codes(book, 300, rng)
    last = book.last_step(book.patients(codes, rng))
    sketch = book.sketch(codes, np.zeros((300, 0)), last, rng)
    assert (sketch.count >= 0).all()
    some = sketch.count > 0
    assert (last[some] >= 0).all()
    assert (sketch.first >= 0).all()
    assert (sketch.first[some] <= sketch.final[some]).all()
    assert (sketch.final[some] <= last[some]).all()
    assert (sketch.count <= np.maximum(sketch.final - sketch.first + 1, 0)).all()
    assert (sketch.panel_size >= 1).all()
    assert sketch.level.shape == (300, len(cohort.schema.tests))
    assert sketch.level.max() <= LEVELS


def test_the_last_step_is_that_of_the_end_of_follow_up_or_of_the_window(six_patients: Cohort):
    book = book_of(six_patients.schema, np.random.default_rng(0))
    assert book.last_step(six_patients.patients).tolist() == [10, 20, 47, 47, 5, 30]
    late = six_patients.patients.assign(stay_hours=-1.0)
    assert book.last_step(late).tolist() == [-1] * 6
    without_end = six_patients.schema.model_copy(update={"end_of_followup": None})
    assert book_of(without_end, np.random.default_rng(0)).last_step(late).tolist() == [47] * 6


def test_the_table_ends_with_the_free_columns_when_there_are_no_tests():
    cohort = odd_cohort("no tests")
    book = book_of(cohort.schema, np.random.default_rng(0))
    assert [column.name for column in book.columns] == ["age", "sex"]
    assert book.code(cohort).shape == (40, 2)


def test_outcomes_are_marked(six_schema: Schema):
    book = book_of(six_schema, np.random.default_rng(0))
    assert [column.name for column in book.columns if column.outcome] == ["died"]
    # a test that is called like an outcome is none
    twice = book_of(odd_cohort("names twice").schema, np.random.default_rng(0))
    assert [column.outcome for column in twice.columns if column.name == "CRP"] == [True, False]


def test_a_mean_is_that_of_the_cells_under_their_density(six_schema: Schema):
    book = book_of(six_schema, np.random.default_rng(0))
    for slot, bins in zip(summary_slots(book.layout), book.summaries, strict=True):
        assert slot.grid is not None
        values = bins.value(slot.grid, np.zeros(1, dtype=np.int64), np.zeros(1))
        assert slot.grid.cell(values)[0] == 0
        rng = np.random.default_rng(1)
        drawn = bins.value(slot.grid, rng.choice(bins.count, 40_000, p=bins.mass / bins.mass.sum()), rng.random(40_000))
        assert mean_of(slot, bins) == pytest.approx(drawn.mean(), abs=0.03 * (drawn.max() - drawn.min()) + 1e-9)


def test_nobody_has_a_table_of_no_rows(six_patients: Cohort):
    book = book_of(six_patients.schema, np.random.default_rng(0))
    assert book.code(six_patients.take(np.arange(0))).shape == (0, len(book.columns))
