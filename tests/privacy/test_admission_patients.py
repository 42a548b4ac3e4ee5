"""What becomes of a patient's attributes, rule by rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from privacy.admission import Admission, admit
from privacy.notice import Done, Rule
from privacy.schema import Schema

Tables = tuple[pd.DataFrame, pd.DataFrame]
MISSING = object()


def admitted(schema: Schema, tables: Tables, column: str, cell: object) -> Admission:
    """The six patients with `cell` in place of what the first of them, a, has in `column`."""
    patients = tables[0].astype(object)
    patients.loc[0, column] = cell
    return admit(schema, patients, tables[1])


def told(admission: Admission) -> list[tuple[str, Rule, Done, int]]:
    return [(f"{n.table}.{n.column}", n.rule, n.done, n.count) for n in admission.notices]


def test_six_patients_come_in_without_a_word(six_schema: Schema, six_tables: Tables):
    admission = admit(six_schema, *six_tables)
    assert told(admission) == [("patients.ward", Rule.UNKNOWN_CODE, Done.SET_OTHER, 1)]
    frame = admission.cohort.patients
    assert list(frame) == ["patient_id", *six_schema.columns]
    assert frame["age"].tolist() == [30, 40, 50, 60, 70, 80]
    assert frame["ward"].tolist() == ["Medical", "Medical", "ICU", "ICU", "OTHER", "Medical"]
    assert frame["urgency"].cat.ordered
    assert frame["urgency"].tolist()[:4] == [1, 2, 3, 3]
    np.testing.assert_array_equal(frame["bmi"], [25.0, 25.0, 20.0, np.nan, np.nan, 20.0])


# (column, cell, what stands there afterwards, the rule that is told, what was done); None: nothing is told
CELLS = [
    ("age", "30.0", 30, None, None),
    ("age", "31.4", 31, Rule.OFF_GRID, Done.ROUNDED),
    ("age", "12", 18, Rule.OUT_OF_BOUNDS, Done.CLIPPED),
    ("age", "1e30", 90, Rule.OUT_OF_BOUNDS, Done.CLIPPED),
    ("age", "-1e30", 18, Rule.OUT_OF_BOUNDS, Done.CLIPPED),
    ("weight", "64.05", 64.0, Rule.OFF_GRID, Done.ROUNDED),
    ("weight", "64.1", 64.1, None, None),
    ("weight", np.float32(64.1), 64.1, None, None),
    ("weight", "", MISSING, None, None),
    ("weight", "NA", MISSING, None, None),
    ("weight", "inf", MISSING, Rule.NOT_A_NUMBER, Done.SET_MISSING),
    ("weight", float("inf"), MISSING, Rule.NOT_A_NUMBER, Done.SET_MISSING),
    ("weight", float("nan"), MISSING, None, None),
    ("weight", "64,5", MISSING, Rule.NOT_A_NUMBER, Done.SET_MISSING),
    ("height", ">200", MISSING, Rule.NOT_A_NUMBER, Done.SET_MISSING),
    ("sex", " M ", "M", None, None),
    ("ward", "", "PATIENT OUT", Rule.MISSING, Done.PATIENT_LEFT_OUT),
    ("ward", "icu", "OTHER", Rule.UNKNOWN_CODE, Done.SET_OTHER),
    ("ward", "OTHER", "OTHER", None, None),
    ("urgency", "2.0", 2, None, None),
    ("urgency", 2.0, 2, None, None),
    ("urgency", "9", MISSING, Rule.UNKNOWN_CODE, Done.SET_MISSING),
    ("urgency", "", MISSING, None, None),
    ("died", "1.0", 1, None, None),
    ("died", "true", 1, None, None),
    ("died", True, 1, None, None),
    ("age", "", "PATIENT OUT", Rule.MISSING, Done.PATIENT_LEFT_OUT),
    ("age", "old", "PATIENT OUT", Rule.NOT_A_NUMBER, Done.PATIENT_LEFT_OUT),
    ("age", "inf", "PATIENT OUT", Rule.NOT_A_NUMBER, Done.PATIENT_LEFT_OUT),
    ("sex", "m", "PATIENT OUT", Rule.UNKNOWN_CODE, Done.PATIENT_LEFT_OUT),
    ("sex", "", "PATIENT OUT", Rule.MISSING, Done.PATIENT_LEFT_OUT),
    ("died", "2", "PATIENT OUT", Rule.UNKNOWN_CODE, Done.PATIENT_LEFT_OUT),
    ("patient_id", "", "PATIENT OUT", Rule.MISSING_ID, Done.ROW_LEFT_OUT),
]


@pytest.mark.parametrize(("column", "cell", "becomes", "rule", "done"), CELLS)
def test_a_cell_becomes_what_its_rule_says(
    six_schema: Schema, six_tables: Tables, column: str, cell: object, becomes: object, rule: Rule, done: Done
):
    admission = admitted(six_schema, six_tables, column, cell)
    frame = admission.cohort.patients
    if becomes == "PATIENT OUT":
        assert frame["patient_id"].tolist() == ["b", "c", "d", "e", "f"]
        assert admission.cohort.records_per_patient().tolist() == [2, 6, 1, 1, 0]
    elif becomes is MISSING:
        assert pd.isna(frame.loc[0, column])
    else:
        assert frame.loc[0, column] == becomes
    about_column = [(r, d) for place, r, d, _ in told(admission) if place == f"patients.{column}"]
    expected = [] if rule is None else [(rule, done)]
    if column == "ward" and (rule, done) != (Rule.UNKNOWN_CODE, Done.SET_OTHER):
        expected = [(Rule.UNKNOWN_CODE, Done.SET_OTHER), *expected]
    assert about_column == expected


def test_records_of_a_patient_left_out_are_told_apart_from_orphans(six_schema: Schema, six_tables: Tables):
    admission = admitted(six_schema, six_tables, "sex", "unknown")
    assert ("labs.patient_id", Rule.PATIENT_LEFT_OUT, Done.ROW_LEFT_OUT, 3) in told(admission)
    admission = admitted(six_schema, six_tables, "patient_id", "")
    assert ("labs.patient_id", Rule.ORPHAN, Done.ROW_LEFT_OUT, 3) in told(admission)


def test_extra_columns_are_counted_and_a_derived_one_is_computed_anew(six_schema: Schema, six_tables: Tables):
    patients = six_tables[0].assign(bmi="99", ssn="123", note="x")
    admission = admit(six_schema, patients, six_tables[1])
    assert ("patients.", Rule.EXTRA_COLUMN, Done.IGNORED, 2) in told(admission)
    assert admission.cohort.patients["bmi"].tolist()[:3] == [25.0, 25.0, 20.0]


def test_columns_may_stand_in_any_order(six_schema: Schema, six_tables: Tables):
    mixed = six_tables[0][sorted(six_tables[0].columns)]
    pd.testing.assert_frame_equal(
        admit(six_schema, mixed, six_tables[1]).cohort.patients, admit(six_schema, *six_tables).cohort.patients
    )


ORDERED = """
name = "orders"
cohort_size = 20
index_date = "admitted"

[privacy_unit]
key = "case"
max_records = 5
window = [-24, 240]

[columns]
menarche = { kind = "integer", low = 8, high = 20 }
first_birth = { kind = "integer", low = 12, high = 60, missing = true }
surgery = { kind = "date", low = -30, high = 365, missing = true }
discharge = { kind = "date", low = 0, high = 365 }

[tests]
K = { unit = "mmol/L", low = 1.5, high = 10, precision = 0.1 }

[[constraints]]
before = "menarche"
after = "first_birth"

[[constraints]]
before = "surgery"
after = "discharge"
"""


def dated(**cells: str) -> pd.DataFrame:
    row = {
        "case": "7",
        "admitted": "2024-01-10T08:00",
        "menarche": "13",
        "first_birth": "25",
        "surgery": "2024-01-11",
        "discharge": "2024-01-20",
    }
    return pd.DataFrame([row | cells, row | {"case": "8"}])


def test_dates_become_days_since_the_index_date():
    admission = admit(Schema.parse(ORDERED), dated(surgery="2024-01-09T23:59", discharge="2024-02-10T00:01"))
    assert admission.cohort.patients["surgery"].tolist() == [-1, 1]
    assert admission.cohort.patients["discharge"].tolist() == [31, 10]
    assert "admitted" not in admission.cohort.patients
    assert [n.rule for n in admission.notices] == [Rule.NO_TABLE]


@pytest.mark.parametrize(
    ("cells", "surgery", "discharge"),
    [
        ({"surgery": ""}, np.nan, 10),
        ({"surgery": "tomorrow"}, np.nan, 10),
        ({"surgery": "3"}, np.nan, 10),
        ({"discharge": "2034-01-20"}, 1, 365),
    ],
)
def test_what_is_no_date_is_missing(cells: dict[str, str], surgery: float, discharge: float):
    first = admit(Schema.parse(ORDERED), dated(**cells)).cohort.patients.iloc[0]
    np.testing.assert_array_equal([first["surgery"], first["discharge"]], [surgery, discharge])


@pytest.mark.parametrize("cells", [{"admitted": ""}, {"admitted": "10.01.2024"}, {"discharge": "soon"}])
def test_a_patient_without_a_date_that_is_needed_is_left_out(cells: dict[str, str]):
    admission = admit(Schema.parse(ORDERED), dated(**cells))
    assert admission.cohort.ids.tolist() == ["8"]
    notice = next(n for n in admission.notices if n.rule is Rule.NOT_A_DATE)
    assert (notice.column, notice.done, notice.count) == (next(iter(cells)), Done.PATIENT_LEFT_OUT, 1)


def test_without_an_index_column_dates_are_offsets_already():
    table = dated(surgery="3", discharge="9").drop(columns="admitted").iloc[[0]]
    admission = admit(Schema.parse(ORDERED), table)
    assert admission.cohort.patients[["surgery", "discharge"]].to_numpy().tolist() == [[3, 9]]
    assert (admission.notices[0].rule, admission.notices[0].column) == (Rule.NO_INDEX_DATE, "admitted")


def test_a_broken_order_is_mended_by_the_later_column():
    admission = admit(Schema.parse(ORDERED), dated(first_birth="12", surgery="2024-01-25"))
    first = admission.cohort.patients.iloc[0]
    assert np.isnan(first["first_birth"])
    assert first["menarche"] == 13
    assert (first["surgery"], first["discharge"]) == (15, 15)
    broken = [(n.column, n.done, n.count) for n in admission.notices if n.rule is Rule.ORDER]
    assert broken == [("first_birth", Done.SET_MISSING, 1), ("discharge", Done.RAISED, 1)]


def test_the_patient_id_is_the_text_it_is(six_schema: Schema, six_tables: Tables):
    patients, labs = six_tables
    patients["patient_id"] = ["007", "7", " x ", "1e5", "é", "7.0"]
    assert admit(six_schema, patients, labs).cohort.ids.tolist() == ["007", "7", "x", "1e5", "é", "7.0"]
    patients["patient_id"] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.5]
    assert admit(six_schema, patients, labs).cohort.ids.tolist() == ["1", "2", "3", "4", "5", "6.5"]
