"""What `check` says when most rows meet a rule: the schema, and not the rows, is likely to be wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from privacy.admission import admit
from privacy.schema import Schema
from synthhealth.suspicions import suspicions

SCHEMA = """
name = "ward"
cohort_size = 100
[privacy_unit]
max_records = 9
window = [0, 48]
[columns.age]
kind = "integer"
low = 18
high = 90
missing = true
[tests.K]
unit = "mmol/L"
low = 1
high = 10
precision = 0.1
[tests.Na]
unit = "mmol/L"
low = 100
high = 180
precision = 1
"""
PATIENTS = pd.DataFrame({"patient_id": list("abcd"), "age": [30, 40, 50, 60]})
LABS = pd.DataFrame(
    {
        "patient_id": list("abcdabcd"),
        "time": [1.0] * 8,
        "test": ["K"] * 4 + ["Na"] * 4,
        "value": [4.0, 4.1, 4.2, 4.3, 140, 141, 139, 138],
        "unit": ["mmol/L"] * 8,
    }
)


def said(patients: pd.DataFrame = PATIENTS, labs: pd.DataFrame | None = LABS) -> tuple[str, ...]:
    return suspicions(admit(Schema.parse(SCHEMA), patients, labs))


def spoilt(column: str, value: object, rows: int) -> pd.DataFrame:
    """The labs with one cell replaced in so many rows from the top."""
    return LABS.astype({column: object}).assign(
        **{column: lambda labs: labs[column].where(np.arange(8) >= rows, value)}
    )


def test_clean_tables_raise_no_suspicion():
    assert said() == ()
    assert said(labs=None) == ()


@pytest.mark.parametrize(
    ("column", "value", "rows", "word"),
    [
        ("value", 4000, 4, "labs.value (K): most values are clipped: are the bounds in the table's unit?"),
        ("value", "4,1", 3, "labs.value (K): most cells are no numbers"),
        ("unit", "mEq/L", 4, "labs.unit (K): most records are left out for their unit"),
        ("test", "Potassium", 5, "labs.test: most records are of tests that the schema does not name"),
        ("patient_id", "007", 5, "labs.patient_id: most records have an id that no patient has"),
        ("time", "2024-01-05", 5, "labs.time: most times are no numbers: for dates, name `index_date`"),
        ("time", 4800, 5, "labs.time: most records lie outside the window"),
    ],
)
def test_a_rule_that_most_rows_meet_is_told_with_its_likely_cause(column: str, value: object, rows: int, word: str):
    assert any(line.startswith(word) for line in said(labs=spoilt(column, value, rows)))


def test_a_rule_that_half_of_the_rows_meet_is_no_suspicion():
    assert said(labs=spoilt("value", 4000, 2)) == ()
    assert said(labs=spoilt("unit", "mEq/L", 2)) == ()
    assert said(labs=spoilt("test", "Potassium", 3)) == ()


def test_a_column_of_patients_is_held_against_the_patients():
    assert said(PATIENTS.assign(age=[300, 310, 320, 60])) == (
        "patients.age: most values are clipped: are the bounds in the table's unit?",
    )
    assert said(PATIENTS.assign(age=[300, 310, 50, 60])) == ()


def test_a_test_without_records_is_named():
    assert said(labs=LABS.iloc[:4]) == ("labs.test (Na): no record: does the schema spell it as the table does?",)
