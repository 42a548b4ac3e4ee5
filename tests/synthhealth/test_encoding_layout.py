"""The layout comes from the schema alone; what it makes of a patient depends on that patient alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_worlds import ODD_SCHEMAS, odd_cohort
from strategies import cohorts, schemas

from privacy.cohort import Cohort
from privacy.schema import Category, Number, Schema
from synthhealth.encoding.cell_grid import CellGrid
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout


@given(schemas())
def test_a_slot_a_free_column_and_a_grid_a_test(schema: Schema):
    layout = Layout.of(schema)
    assert [slot.name for slot in layout.attributes] == list(schema.free_columns)
    assert len(layout.tests) == len(schema.tests)
    for slot in layout.attributes:
        column = schema.free_columns[slot.name]
        assert slot.missing == column.missing
        assert (slot.grid is None) == isinstance(column, Category)
        if isinstance(column, Category):
            assert slot.levels == len(column.levels)
        else:
            assert slot.ordered


def test_other_has_no_place_in_an_order(six_schema: Schema):
    slots = {slot.name: slot for slot in Layout.of(six_schema).attributes}
    assert slots["urgency"].ordered
    assert not slots["ward"].ordered
    urgency = six_schema.columns["urgency"].model_copy(update={"other": True})
    schema = six_schema.model_copy(update={"columns": six_schema.columns | {"urgency": urgency}})
    assert not {slot.name: slot for slot in Layout.of(schema).attributes}["urgency"].ordered


@given(schemas())
def test_every_step_begins_at_a_time_of_the_schema_and_leads_back(schema: Schema):
    layout = Layout.of(schema)
    steps = np.arange(layout.steps)
    times = layout.time_of(steps)
    assert np.array_equal(layout.step_of(times), steps)
    assert np.array_equal(times, schema.times.cut(times))
    low, high = schema.privacy_unit.window
    assert times[0] == low
    assert times[-1] < high
    assert layout.step_of(np.array([low - 9.0, high, high + 9.0])).tolist() == [0, layout.steps - 1, layout.steps - 1]


@pytest.mark.parametrize("precision", [0.1, 0.25, 1 / 24, 0.001, 7.0])
def test_steps_of_any_length_lie_on_the_schemas_times(precision: float):
    schema = Schema.parse(ODD_SCHEMAS["one test"]).model_copy(update={"time_precision": precision})
    unit = schema.privacy_unit.model_copy(update={"window": (-40 * precision, 999 * precision)})
    layout = Layout.of(schema.model_copy(update={"privacy_unit": unit}))
    assert layout.steps == 1_039
    times = layout.time_of(np.arange(layout.steps))
    assert np.array_equal(layout.step_of(times), np.arange(layout.steps))
    assert np.array_equal(times, layout.schema.times.cut(times))


@given(st.data())
def test_levels_and_cells_are_those_of_the_columns(data: st.DataObject):
    schema = data.draw(schemas())
    cohort = data.draw(cohorts(schema))
    layout = Layout.of(schema)
    fine = layout.fine(cohort)
    assert fine.shape == (len(cohort), len(layout.attributes))
    for j, (name, column) in enumerate(schema.free_columns.items()):
        if isinstance(column, Number):
            grid, values = CellGrid.of_number(column), cohort.numbers(name)
            wanted = [grid.cells if np.isnan(value) else int(grid.cell(np.array([value]))[0]) for value in values]
        else:
            wanted = [len(column.levels) if code < 0 else int(code) for code in cohort.codes(name)]
        assert fine[:, j].tolist() == wanted


@given(st.data())
def test_a_row_and_its_draws_depend_on_their_own_patient_alone(data: st.DataObject):
    schema = data.draw(schemas())
    cohort = data.draw(cohorts(schema, min_patients=2))
    layout = Layout.of(schema)
    gone = data.draw(st.integers(0, len(cohort) - 1))
    stay = np.delete(np.arange(len(cohort)), gone)
    less = cohort.take(stay)
    assert np.array_equal(layout.fine(cohort)[stay], layout.fine(less))
    whole, part = Draws.of(cohort, layout), Draws.of(less, layout)
    mine, records = whole.owner != gone, whole.record_owner != gone
    assert np.array_equal(stay[part.owner], whole.owner[mine])
    assert np.array_equal(stay[part.record_owner], whole.record_owner[records])
    for name in ("step", "index", "bits"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[mine])
    for name in ("test", "cell"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[records])
    assert np.array_equal(part.previous_bits(), whole.previous_bits()[mine])
    assert np.array_equal(part.ever_bits(), whole.ever_bits()[mine])


@pytest.mark.parametrize("name", ODD_SCHEMAS)
def test_strange_schemas_have_a_layout_too(name: str):
    cohort = odd_cohort(name)
    layout = Layout.of(cohort.schema)
    fine = layout.fine(cohort)
    most = [slot.levels if slot.grid is None else slot.grid.cells for slot in layout.attributes]
    assert (fine >= 0).all()
    assert (fine <= np.array(most)).all()
    draws = Draws.of(cohort, layout)
    assert draws.patients == len(cohort)
    assert draws.step.max(initial=0) < layout.steps


def test_nobody_has_no_rows(six_patients: Cohort):
    layout = Layout.of(six_patients.schema)
    assert layout.fine(six_patients.take(np.arange(0))).shape == (0, len(layout.attributes))
