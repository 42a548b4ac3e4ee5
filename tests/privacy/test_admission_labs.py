"""What becomes of a lab record, rule by rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from privacy.admission import Admission, admit
from privacy.notice import Done, Rule
from privacy.schema import Schema

Tables = tuple[pd.DataFrame, pd.DataFrame]
GOOD = {"patient_id": "f", "time": "3", "test": "K", "value": "4.1", "unit": "mmol/L"}


def admitted(schema: Schema, tables: Tables, record: dict[str, object]) -> Admission:
    """The six patients with one more record, of f, who has none otherwise."""
    labs = pd.concat([tables[1], pd.DataFrame([GOOD | record], dtype=object)], ignore_index=True)
    return admit(schema, tables[0], labs)


def of_f(admission: Admission) -> list[tuple[float, str, float, str]]:
    labs = admission.cohort.labs
    mine = labs[labs["patient_id"] == "f"]
    return list(zip(mine["time"], mine["test"], mine["value"], mine["unit"], strict=True))


def told(admission: Admission) -> list[tuple[str, str, Rule, Done, int]]:
    return [(n.column, n.test, n.rule, n.done, n.count) for n in admission.notices if n.table == "labs"]


KEPT = [
    ({}, (3, 4.1), None),
    ({"time": "3.99"}, (3, 4.1), None),
    ({"time": 3.99}, (3, 4.1), None),
    ({"time": "0"}, (0, 4.1), None),
    ({"time": "30.9"}, (30, 4.1), None),
    ({"value": " 4.1 "}, (3, 4.1), None),
    ({"value": "4.14"}, (3, 4.1), ("value", "K", Rule.OFF_GRID, Done.ROUNDED, 1)),
    ({"value": np.float32(4.1)}, (3, 4.1), None),
    ({"value": "1e30"}, (3, 10), ("value", "K", Rule.OUT_OF_BOUNDS, Done.CLIPPED, 1)),
    ({"value": "-5"}, (3, 1.5), ("value", "K", Rule.OUT_OF_BOUNDS, Done.CLIPPED, 1)),
    ({"unit": ""}, (3, 4.1), None),
    ({"unit": "NA"}, (3, 4.1), None),
    ({"unit": None}, (3, 4.1), None),
    ({"unit": " mmol/L "}, (3, 4.1), None),
    (
        {"test": "Glucose", "value": "5", "unit": "mmol/L"},
        (3, 90),
        ("unit", "Glucose", Rule.OTHER_UNIT, Done.CONVERTED, 1),
    ),
    ({"test": "Glucose", "value": "90", "unit": ""}, (3, 90), None),
    ({"test": "Dipstick", "value": "3.0", "unit": ""}, (3, 3), None),
]


@pytest.mark.parametrize(("record", "becomes", "notice"), KEPT)
def test_a_record_is_kept(
    six_schema: Schema,
    six_tables: Tables,
    record: dict[str, object],
    becomes: tuple[float, float],
    notice: tuple[str, str, Rule, Done, int] | None,
):
    admission = admitted(six_schema, six_tables, record)
    test = str(record.get("test", "K"))
    assert of_f(admission) == [(becomes[0], test, becomes[1], six_schema.tests[test].unit)]
    assert told(admission) == ([] if notice is None else [notice])


DROPPED = [
    ({"patient_id": ""}, ("patient_id", "", Rule.MISSING_ID)),
    ({"patient_id": None}, ("patient_id", "", Rule.MISSING_ID)),
    ({"patient_id": "nobody"}, ("patient_id", "", Rule.ORPHAN)),
    ({"test": "k"}, ("test", "", Rule.UNKNOWN_TEST)),
    ({"test": ""}, ("test", "", Rule.UNKNOWN_TEST)),
    ({"time": ""}, ("time", "", Rule.MISSING)),
    ({"time": "noon"}, ("time", "", Rule.NOT_A_NUMBER)),
    ({"time": "inf"}, ("time", "", Rule.NOT_A_NUMBER)),
    ({"time": "2024-01-05"}, ("time", "", Rule.NOT_A_NUMBER)),
    ({"time": "-0.5"}, ("time", "", Rule.OUTSIDE_WINDOW)),
    ({"time": "48"}, ("time", "", Rule.OUTSIDE_WINDOW)),
    ({"time": "1e30"}, ("time", "", Rule.OUTSIDE_WINDOW)),
    ({"time": "31"}, ("time", "", Rule.AFTER_END)),
    ({"value": ""}, ("value", "K", Rule.MISSING)),
    ({"value": "NaN"}, ("value", "K", Rule.MISSING)),
    ({"value": float("nan")}, ("value", "K", Rule.MISSING)),
    ({"value": ">10"}, ("value", "K", Rule.NOT_A_NUMBER)),
    ({"value": "4,1"}, ("value", "K", Rule.NOT_A_NUMBER)),
    ({"value": "hemolysed"}, ("value", "K", Rule.NOT_A_NUMBER)),
    ({"value": "inf"}, ("value", "K", Rule.NOT_A_NUMBER)),
    ({"unit": "mg/dL"}, ("unit", "K", Rule.UNKNOWN_UNIT)),
    ({"unit": "MMOL/L"}, ("unit", "K", Rule.UNKNOWN_UNIT)),
    ({"test": "Dipstick", "value": "2", "unit": ""}, ("value", "Dipstick", Rule.UNKNOWN_CODE)),
    ({"test": "Dipstick", "value": "0.5", "unit": ""}, ("value", "Dipstick", Rule.UNKNOWN_CODE)),
    ({"test": "Dipstick", "value": "positive", "unit": ""}, ("value", "Dipstick", Rule.NOT_A_NUMBER)),
]


@pytest.mark.parametrize(("record", "notice"), DROPPED)
def test_a_record_is_left_out(
    six_schema: Schema, six_tables: Tables, record: dict[str, object], notice: tuple[str, str, Rule]
):
    admission = admitted(six_schema, six_tables, record)
    assert of_f(admission) == []
    assert len(admission.cohort.records) == 13
    assert told(admission) == [(*notice, Done.ROW_LEFT_OUT, 1)]


def test_a_record_is_told_of_once_by_the_first_rule_it_breaks(six_schema: Schema, six_tables: Tables):
    wrong = {"patient_id": "nobody", "test": "k", "time": "x", "value": "", "unit": "stone"}
    assert told(admitted(six_schema, six_tables, wrong)) == [("patient_id", "", Rule.ORPHAN, Done.ROW_LEFT_OUT, 1)]


def test_records_are_sorted_and_ties_keep_their_order(six_schema: Schema, six_tables: Tables):
    patients, labs = six_tables
    first = admit(six_schema, patients, labs).cohort.labs
    backwards = admit(six_schema, patients, labs.iloc[::-1]).cohort.labs
    of_c = first[first["patient_id"] == "c"]
    assert of_c["value"].tolist() == [6.0, 6.2, 250, 5.5, 5.0, 3]
    assert backwards[backwards["patient_id"] == "c"]["value"].tolist() == [6.2, 6.0, 250, 5.5, 5.0, 3]


def test_repeated_records_are_all_kept(six_schema: Schema, six_tables: Tables):
    patients, labs = six_tables
    twice = pd.concat([labs, labs])
    assert len(admit(six_schema, patients, twice).cohort.records) == 2 * len(labs)


def test_typed_and_text_tables_are_the_same(six_schema: Schema, six_tables: Tables):
    patients, labs = six_tables
    typed = labs.assign(
        time=labs["time"].astype("int32"),
        value=labs["value"].astype(float),
        test=labs["test"].astype("category"),
        patient_id=pd.Series(labs["patient_id"], dtype="string"),
        unit=labs["unit"].replace("", None),
    )
    pd.testing.assert_frame_equal(
        admit(six_schema, patients, typed).cohort.labs, admit(six_schema, patients, labs).cohort.labs
    )


@pytest.mark.parametrize(
    ("labs_are", "rule"),
    [
        (lambda _: None, Rule.NO_TABLE),
        (lambda labs: labs.iloc[:0], Rule.NO_ROWS),
        (lambda labs: labs.drop(columns="unit"), Rule.NO_UNIT_COLUMN),
        (lambda labs: labs.assign(nurse="x"), Rule.EXTRA_COLUMN),
    ],
)
def test_what_a_table_lacks_or_has_too_much_is_told(six_schema: Schema, six_tables: Tables, labs_are, rule: Rule):  # noqa: ANN001
    labs = labs_are(six_tables[1])
    admission = admit(six_schema, six_tables[0], labs)
    assert [n.rule for n in admission.notices if n.table == "labs"] == [rule]
    assert len(admission.cohort.records) == (0 if rule in {Rule.NO_TABLE, Rule.NO_ROWS} else 13)


def test_a_schema_without_tests_takes_no_record(six_schema: Schema, six_tables: Tables):
    schema = six_schema.model_copy(update={"tests": {}})
    admission = admit(schema, *six_tables)
    assert len(admission.cohort.records) == 0
    assert told(admission) == [("test", "", Rule.UNKNOWN_TEST, Done.ROW_LEFT_OUT, 13)]
    assert list(admission.cohort.labs) == ["patient_id", "time", "test", "value", "unit"]


def test_units_compare_as_people_read_them(six_schema: Schema, six_tables: Tables):
    test = six_schema.tests["K"].model_copy(update={"unit": "\N{MICRO SIGN}g/L", "units": {"mg/L": 1000.0}})
    schema = six_schema.model_copy(update={"tests": {"K": test}})
    labs = pd.DataFrame([GOOD | {"unit": "\N{GREEK SMALL LETTER MU}g/L"}, GOOD | {"unit": "mg/L", "value": "0.005"}])
    assert admit(schema, six_tables[0], labs).cohort.records.value.tolist() == [4.1, 5.0]


DATED = """
name = "dated"
cohort_size = 20
index_date = "admitted"
time_unit = "hours"
time_precision = 0.5

[privacy_unit]
key = "case"
max_records = 5
window = [-24, 240]

[columns]
age = { kind = "integer", low = 0, high = 99 }

[tests]
K = { unit = "mmol/L", low = 1.5, high = 10, precision = 0.1 }
"""


@pytest.mark.parametrize(
    ("time", "offset", "rule"),
    [
        ("2024-01-10T09:45", 1.5, None),
        ("2024-01-10 08:00", 0.0, None),
        ("2024-01-09T20:10", -12.0, None),
        ("2024-01-10T09:00+02:00", -1.0, None),
        ("2.7", 2.5, None),
        ("2024-01-30", None, Rule.OUTSIDE_WINDOW),
        ("10.01.2024", None, Rule.NOT_A_DATE),
        ("", None, Rule.MISSING),
    ],
)
def test_times_that_are_dates_become_offsets(time: str, offset: float | None, rule: Rule | None):
    patients = pd.DataFrame({"case": ["x", "y"], "admitted": ["2024-01-10T08:00", "1999-01-01"], "age": ["5", "6"]})
    labs = pd.DataFrame({"case": ["x"], "time": [time], "test": ["K"], "value": ["4"]})
    admission = admit(Schema.parse(DATED), patients, labs)
    assert admission.cohort.records.time.tolist() == ([] if offset is None else [offset])
    rules = [n.rule for n in admission.notices if n.table == "labs" and n.rule is not Rule.NO_UNIT_COLUMN]
    assert rules == ([] if rule is None else [rule])
    assert len(admission.cohort) == 2
