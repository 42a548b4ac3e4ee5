"""Each rule of the schema, broken once by hand, is counted once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mixtures import with_column, with_records
from odd_worlds import ODD_SCHEMAS, cohort_in

from evaluation.constraints import constraint_findings, violations
from privacy.cohort import Cohort
from privacy.record_rules import derived_results
from privacy.schema import Order, Schema


def counted(cohort: Cohort) -> dict[str, int]:
    return {one.rule: one.count for one in violations(cohort)}


def broken(cohort: Cohort) -> dict[str, int]:
    return {rule: count for rule, count in counted(cohort).items() if count}


def edited(values: np.ndarray, place: int, new: float) -> np.ndarray:
    result = values.astype(np.float64).copy()
    result[place] = new
    return result


def test_admitted_patients_break_no_rule_but_the_cap(six_patients: Cohort):
    # c has six records where four may count; bounding is the gate's business
    assert broken(six_patients) == {"cap": 1}
    assert broken(six_patients.bound_records(key=b"k")) == {}


def test_simulated_patients_break_no_rule(simulated_small: Cohort):
    assert broken(simulated_small.bound_records(key=b"k")) == {}


@pytest.mark.parametrize(
    ("column", "place", "new", "rules"),
    [
        ("age", 0, 200.0, {"bounds": 1}),
        ("age", 0, np.inf, {"bounds": 1}),
        ("age", 0, 30.5, {"precision": 1}),
        ("age", 0, np.nan, {"missing": 1}),
        ("bmi", 0, 25.1, {"derived": 1}),
        ("bmi", 0, np.nan, {"derived": 1}),
        ("weight", 0, 64.01, {"precision": 1}),
        ("stay_hours", 0, 3.0, {"end of follow-up": 1}),
    ],
)
def test_one_broken_cell_is_one_violation(
    six_patients: Cohort, column: str, place: int, new: float, rules: dict[str, int]
):
    cohort = six_patients.bound_records(key=b"k")
    spoilt = with_column(cohort, column, edited(cohort.patients[column].to_numpy(), place, new))
    assert broken(spoilt) == rules


def test_a_parent_that_moves_leaves_its_derived_column_behind(six_patients: Cohort):
    cohort = six_patients.bound_records(key=b"k")
    weight = edited(cohort.numbers("weight"), 0, 70.0)
    assert broken(with_column(cohort, "weight", weight)) == {"derived": 1}


@pytest.mark.parametrize(
    ("field", "new", "rules"),
    [
        ("owner", 6, {"orphans": 1}),
        ("owner", -1, {"orphans": 1}),
        ("test", 3, {"orphans": 1}),
        ("value", 99.0, {"value bounds": 1}),
        ("value", np.nan, {"value bounds": 1}),
        ("value", 4.05, {"value precision": 1}),
        ("time", 0.5, {"time precision": 1}),
        ("time", -1.0, {"window": 1}),
        ("time", 48.0, {"window": 1, "end of follow-up": 1}),
    ],
)
def test_one_broken_record_is_one_violation(six_patients: Cohort, field: str, new: float, rules: dict[str, int]):
    cohort = six_patients.bound_records(key=b"k")
    first = np.flatnonzero(cohort.records.test == 0)[0]
    column = getattr(cohort.records, field).copy()
    column[first] = new
    assert broken(with_records(cohort, field, column)) == rules


def test_a_code_that_is_none_is_a_violation(six_patients: Cohort):
    cohort = six_patients.bound_records(key=b"k")
    dipstick = np.flatnonzero(cohort.records.test == 2)[0]
    assert broken(with_records(cohort, "value", edited(cohort.records.value, dipstick, 2.0))) == {"value bounds": 1}


def test_two_patients_with_one_identifier_are_a_violation(six_patients: Cohort):
    twins = with_column(six_patients, "patient_id", np.array(["a", "a", "c", "d", "e", "f"], dtype=object))
    assert counted(twins)["identifiers"] == 1


def test_a_foreign_code_is_a_violation(six_patients: Cohort):
    ward = six_patients.patients["ward"].astype(object).to_numpy().copy()
    ward[0] = "Moon"
    spoilt = replace(six_patients, patients=six_patients.patients.assign(ward=ward))
    assert counted(spoilt)["codes"] == 1


def test_columns_in_the_wrong_order_are_counted(six_patients: Cohort):
    order = Order(before="stay_hours", after="age")
    schema: Schema = six_patients.schema.model_copy(update={"constraints": (order,)})
    assert counted(replace(six_patients, schema=schema))["order"] == 0 + sum(
        six_patients.numbers("stay_hours") > six_patients.numbers("age")
    )


def test_findings_show_the_training_data_beside_the_count(six_patients: Cohort):
    cohort = six_patients.bound_records(key=b"k")
    spoilt = with_column(cohort, "age", edited(cohort.numbers("age"), 0, 200.0))
    findings = {finding.test: finding for finding in constraint_findings(six_patients, spoilt)}
    bounds = findings["bounds"]
    assert bounds.headline.value == 1
    assert bounds.baseline is not None
    assert bounds.baseline.value == 0
    assert findings["cap"].baseline is not None
    assert findings["cap"].baseline.value == 1
    share = bounds.others[0]
    assert share.value == 1 / bounds.n
    assert share.interval is not None
    assert share.interval.low < share.value < share.interval.high


def test_no_record_is_no_violation(six_patients: Cohort):
    none = replace(six_patients, records=six_patients.records.keep(np.zeros(len(six_patients.records), dtype=np.bool_)))
    assert broken(none) == {}
    assert len(constraint_findings(six_patients, none)) == len(violations(none))


COURSES = Schema.parse(ODD_SCHEMAS["tests that follow from others"])


def test_a_value_against_the_direction_of_its_test_is_counted():
    cohort = cohort_in(COURSES, 40)
    assert broken(cohort) == {}
    dose = list(COURSES.tests).index("Dose")
    mine = np.flatnonzero(cohort.records.test == dose)
    same = np.diff(cohort.records.owner[mine]) == 0
    place = mine[:-1][same & (cohort.records.value[mine[1:]] < 90.0)][0]
    found = broken(with_records(cohort, "value", edited(cohort.records.value, place, 90.0)))
    assert found == {"course": 1}


def test_a_derived_test_that_is_not_its_formula_is_counted(monkeypatch: pytest.MonkeyPatch):
    cohort = cohort_in(COURSES, 40)
    assert counted(cohort)["derived tests"] == 0
    right = derived_results(COURSES, cohort.cells(COURSES.columns), cohort.records)
    assert len(right) > 10
    wrong = replace(right, value=edited(right.value, 3, right.value[3] + 0.1))
    monkeypatch.setattr("privacy.cohort.derived_results", lambda *_: wrong)
    assert broken(cohort) == {"derived tests": 1}
    monkeypatch.setattr("privacy.cohort.derived_results", lambda *_: right.keep(np.arange(len(right)) != 3))
    assert broken(cohort) == {"derived tests": 1}
