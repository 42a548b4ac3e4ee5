"""Monotone tests never turn back, and derived tests are their formulas, exactly, draw by draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema_texts import AGE, SEX, derived_lab, lab, schema_text

from privacy.admission import admit
from privacy.cohort import Cohort, Records
from privacy.errors import SchemaError
from privacy.record_rules import over_time
from privacy.schema import Schema

PEOPLE = (AGE, SEX)
TESTS = (
    lab("Na", 100, 180),
    lab("Cl", 60, 140),
    lab("HCO3", 2, 60, 0.1),
    lab("Creatinine", 0.1, 30, 0.1),
    lab("Calcium", 2, 20, 0.1),
    lab("Albumin", 0.5, 6, 0.1),
    lab("Cholesterol", 20, 900),
    lab("HDL", 5, 150),
    lab("Triglycerides", 10, 5000),
)
CKD_EPI = (
    "142 * min(Creatinine / (0.9 - 0.2 * (sex == 'F')), 1) ** (-0.302 + 0.061 * (sex == 'F')) "
    "* max(Creatinine / (0.9 - 0.2 * (sex == 'F')), 1) ** -1.2 * 0.9938 ** age * (1 + 0.012 * (sex == 'F'))"
)
DERIVED = (
    derived_lab("AnionGap", "Na - Cl - HCO3", -10, 60, 0.1, unit="mmol/L"),
    derived_lab("eGFR", CKD_EPI, 1, 250, 1),
    derived_lab("CorrectedCalcium", "Calcium + 0.8 * (4 - Albumin)", 2, 24, 0.1),
    derived_lab("LDL", "(Cholesterol - HDL - Triglycerides / 5) / (Triglycerides < 400)", 0, 900, 1),
)


def text(*parts: str, cap: int = 40) -> str:
    return schema_text("draws", *PEOPLE, *parts, cap=cap, window=(0, 100))


SCHEMA = Schema.parse(text(*TESTS, *DERIVED))
PATIENTS = pd.DataFrame({"patient_id": ["a", "b", "c"], "age": [55, 55, 30], "sex": ["M", "F", ""]})


def labs(rows: list[tuple[str, float, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["patient_id", "time", "test", "value"])


def told(cohort: Cohort, test: str) -> list[tuple[str, float, float]]:
    table = cohort.labs[cohort.labs["test"] == test]
    return list(zip(table["patient_id"], table["time"], table["value"], strict=True))


def test_a_result_is_there_where_all_of_it_is_in_the_draw():
    rows = [("a", 1, "Na", 140), ("a", 1, "Cl", 104), ("a", 1, "HCO3", 24.2), ("a", 2, "Na", 138), ("a", 2, "Cl", 99)]
    cohort = Cohort.of(SCHEMA, PATIENTS, labs(rows))
    assert told(cohort, "AnionGap") == [("a", 1, 11.8)]
    assert len(cohort.records) == 5


def test_of_several_values_in_a_draw_the_first_counts():
    rows = [("a", 1, "Na", 140), ("a", 1, "Na", 150), ("a", 1, "Cl", 100), ("a", 1, "HCO3", 20)]
    assert told(Cohort.of(SCHEMA, PATIENTS, labs(rows)), "AnionGap") == [("a", 1, 20.0)]


@pytest.mark.parametrize(("patient", "creatinine", "right"), [("a", 1.2, 71), ("b", 1.2, 53), ("c", 1.2, None)])
def test_egfr_knows_age_and_sex_of_the_patient(patient: str, creatinine: float, right: float | None):
    """The published equation (see test_constraints); of unknown sex there is none."""
    cohort = Cohort.of(SCHEMA, PATIENTS, labs([(patient, 3, "Creatinine", creatinine)]))
    assert told(cohort, "eGFR") == ([] if right is None else [(patient, 3, pytest.approx(right, abs=1))])


def test_calcium_is_corrected_and_friedewald_ends_at_400():
    rows = [("a", 1, "Calcium", 8.0), ("a", 1, "Albumin", 2.0)]
    for time, triglycerides in ((1, 399), (2, 400), (3, 150)):
        rows += [("b", time, "Cholesterol", 200), ("b", time, "HDL", 50), ("b", time, "Triglycerides", triglycerides)]
    cohort = Cohort.of(SCHEMA, PATIENTS, labs(rows))
    assert told(cohort, "CorrectedCalcium") == [("a", 1, 9.6)]
    assert told(cohort, "LDL") == [("b", 1, 70.0), ("b", 3, 120.0)]


def test_a_result_outside_its_bounds_is_none():
    rows = [("a", 1, "Na", 100), ("a", 1, "Cl", 140), ("a", 1, "HCO3", 60)]
    assert told(Cohort.of(SCHEMA, PATIENTS, labs(rows)), "AnionGap") == []


def test_what_a_table_says_of_a_derived_test_is_computed_anew():
    rows = [("a", 1, "Na", 140), ("a", 1, "Cl", 104), ("a", 1, "HCO3", 24.2)]
    right = Cohort.of(SCHEMA, PATIENTS, labs(rows))
    admission = admit(SCHEMA, PATIENTS, labs([*rows, ("a", 1, "AnionGap", 99), ("b", 1, "eGFR", 60)]))
    assert admission.cohort.labs.equals(right.labs)
    assert not [notice for notice in admission.notices if notice.table == "labs" and notice.column != "unit"]
    assert Cohort.of(SCHEMA, PATIENTS, right.labs).labs.equals(right.labs)


def test_the_cap_is_on_what_is_learnt_and_what_follows_goes_with_it():
    schema = Schema.parse(text(*TESTS, *DERIVED, cap=2))
    rows = [("a", 1, "Na", 140), ("a", 1, "Cl", 104), ("a", 1, "HCO3", 24.2)]
    cohort = Cohort.of(schema, PATIENTS, labs(rows)).bound_records(key=b"k")
    assert len(cohort.records) == 2
    assert told(cohort, "AnionGap") == []


MONOTONE = Schema.parse(
    text(lab("Dose", 0, 90, 0.5, monotone="rising"), lab("Left", 0, 9, monotone="falling"), lab("Na", 100, 180))
)
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(0, 2), st.integers(0, 90)), min_size=0, max_size=25
)


@given(rows=ROWS)
def test_a_monotone_test_never_turns_back_and_keeps_its_values(rows: list[tuple[int, int, int, int]]):
    owner, time, test, value = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    records = Records.sorted(owner=owner, time=time.astype(float), test=test, value=value.astype(float))
    settled = over_time(MONOTONE, records)
    for name in ("owner", "time", "test"):
        np.testing.assert_array_equal(getattr(settled, name), getattr(records, name))
    for patient in range(3):
        for kind, sign in ((0, 1), (1, -1), (2, 0)):
            mine = (records.owner == patient) & (records.test == kind)
            assert sorted(settled.value[mine]) == sorted(records.value[mine])
            assert (sign * np.diff(settled.value[mine]) >= 0).all()
            if sign == 0:
                np.testing.assert_array_equal(settled.value[mine], records.value[mine])


def test_admission_tells_how_many_values_it_moved():
    rows = [("a", time, "Dose", value) for time, value in ((1, 5), (2, 4.5), (3, 7))] + [("b", 1, "Dose", 1)]
    admission = admit(MONOTONE, PATIENTS, labs(rows))
    assert told(admission.cohort, "Dose") == [("a", 1, 4.5), ("a", 2, 5), ("a", 3, 7), ("b", 1, 1)]
    assert (
        "labs.value (Dose): value against the direction that its test has over time: "
        "moved to its place in the patient's order of values (2)"
    ) in map(str, admission.notices)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ('formula = "Na - K"', "the formula uses 'K', which is neither test nor numeric column"),
        ('formula = "age * 2"', "the formula must use a test; of columns alone make a derived column"),
        ('formula = "Na * (sex == 3)"', "3 is no code of 'sex', which has F, M"),
        ('formula = "Na * (age == 3)"', "holds 'age' against a code, which is no category"),
        ('formula = "Na if Cl else K"', "must use only columns, numbers"),
        ('formula = "2"', "must use at least one test"),
        ('formula = "Na"\nunits = {}', "extra keys are not permitted: units"),
    ],
)
def test_formulas_that_cannot_be_are_refused(test: str, words: str):
    bounds = "low = 0\nhigh = 9\nprecision = 1\n"
    before = text(*TESTS)
    with pytest.raises(SchemaError) as caught:
        Schema.parse(f"{before}\n[derived_tests.X]\n{bounds}{test}\n", source="file.toml")
    assert words in str(caught.value)
    assert int(str(caught.value).split("line ")[1].split(":")[0]) > len(before.splitlines())


def test_names_must_tell_tests_columns_and_derived_tests_apart():
    with pytest.raises(SchemaError, match="'Na' must not be a test as well"):
        Schema.parse(text(*TESTS, derived_lab("Na", "Cl", 0, 9, 1)))
    with pytest.raises(SchemaError, match="'age', which is both a test and a column"):
        Schema.parse(text(lab("age", 0, 9), derived_lab("X", "age", 0, 9, 1)))
