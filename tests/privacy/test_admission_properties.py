"""What admission promises for any tables at all: a cohort that keeps every rule, and no patient touching another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ODD_CELLS, Tables, assert_same, cohorts, schemas, tables, without

from privacy.admission import Admission, admit
from privacy.cohort import Cohort
from privacy.errors import DataError
from privacy.grid import Grid
from privacy.schema import Category, Schema


def attempt(schema: Schema, given_tables: Tables) -> Admission | None:
    """What was admitted, or None for tables without a patient who fits the schema."""
    try:
        return admit(schema, given_tables.patients, given_tables.labs)
    except DataError as error:
        assert "must have a patient who fits" in str(error)  # noqa: PT017  # any other refusal is a failure
        return None


def assert_on_grid(values: np.ndarray, grid: Grid) -> None:
    known = values[~np.isnan(values)]
    np.testing.assert_array_equal(grid.snap(known), known)
    assert (known >= grid.low).all()
    assert (known <= grid.high).all()


def assert_keeps_every_rule(cohort: Cohort) -> None:
    """Every public rule of the schema, checked by other means than those that made it hold."""
    schema, records = cohort.schema, cohort.records
    assert list(cohort.patients) == ["patient_id", *schema.columns]
    assert cohort.patients["patient_id"].is_unique
    for name, column in schema.free_columns.items():
        if isinstance(column, Category):
            assert list(cohort.patients[name].cat.categories) == list(column.levels)
            assert column.missing or (cohort.codes(name) >= 0).all()
        else:
            assert_on_grid(cohort.numbers(name), column.grid)
            assert column.missing or not np.isnan(cohort.numbers(name)).any()
    for order in schema.orders:
        assert not (cohort.numbers(order.before) > cohort.numbers(order.after)).any()
    start, end = schema.privacy_unit.window
    assert ((records.time >= start) & (records.time < end)).all()
    assert_on_grid(records.time, schema.times)
    if schema.end_of_followup is not None:
        assert (records.time <= cohort.numbers(schema.end_of_followup)[records.owner]).all()
    for place, test in enumerate(schema.tests.values()):
        values = records.value[records.test == place]
        assert_on_grid(values, test.grid)
        assert not test.codes or np.isin(values, test.codes).all()
    places = list(zip(records.owner, records.time, records.test, strict=True))
    assert places == sorted(places)


def sorted_rows(cohort: Cohort) -> np.ndarray:
    """The records with ties in the order of their values."""
    keys = (cohort.records.value, cohort.records.test, cohort.records.time, cohort.records.owner)
    return np.array(keys)[:, np.lexsort(keys)]


@given(st.data())
def test_whatever_the_tables_hold_the_cohort_keeps_every_rule(data: st.DataObject):
    schema = data.draw(schemas())
    admission = attempt(schema, data.draw(tables(schema)))
    if admission is not None:
        assert_keeps_every_rule(admission.cohort)


@given(st.data())
def test_a_cohort_is_admitted_as_it_is(data: st.DataObject):
    schema = data.draw(schemas())
    admission = attempt(schema, data.draw(tables(schema)))
    if admission is None:
        return
    again = admit(schema, admission.cohort.patients, admission.cohort.labs)
    assert_same(again.cohort, admission.cohort)
    assert {notice.rule.name for notice in again.notices} <= {"NO_ROWS"}


@given(st.data())
def test_one_patient_more_or_less_changes_nothing_of_the_others(data: st.DataObject):
    schema = data.draw(schemas())
    world = data.draw(tables(schema))
    leaver = data.draw(st.sampled_from(sorted({*world.patients["patient_id"]} - {""}) or ["nobody"]))
    here, there = attempt(schema, world), attempt(schema, without(world, leaver))
    if here is None:
        assert there is None
        return
    others = np.flatnonzero(here.cohort.ids != leaver)
    if there is None:
        assert len(others) == 0
    else:
        assert_same(here.cohort.take(others), there.cohort)


@given(st.data())
def test_the_order_of_rows_does_not_matter_but_among_ties(data: st.DataObject):
    schema = data.draw(schemas())
    world = data.draw(tables(schema))
    order = data.draw(st.permutations(range(len(world.labs))))
    shuffled = Tables(patients=world.patients, labs=world.labs.iloc[list(order)])
    here, there = attempt(schema, world), attempt(schema, shuffled)
    if here is None or there is None:
        assert here is there
        return
    np.testing.assert_array_equal(sorted_rows(here.cohort), sorted_rows(there.cohort))


@given(st.data())
def test_drawn_cohorts_keep_every_rule(data: st.DataObject):
    schema = data.draw(schemas())
    cohort = data.draw(cohorts(schema))
    assert_keeps_every_rule(cohort)
    assert_same(Cohort.of(schema, cohort.patients, cohort.labs), cohort)


@pytest.mark.parametrize("cell", ODD_CELLS)
def test_no_cell_breaks_a_column_it_stands_in(
    six_schema: Schema, six_tables: tuple[pd.DataFrame, pd.DataFrame], cell: str
):
    patients, labs = (frame.astype(object) for frame in six_tables)
    for column in patients.columns[1:]:
        patients.loc[0, column] = cell
    for column in ("time", "test", "value", "unit"):
        labs.loc[0, column] = cell
    admission = admit(six_schema, patients, labs)
    assert_keeps_every_rule(admission.cohort)
    assert set("bcdef") <= set(admission.cohort.ids)
