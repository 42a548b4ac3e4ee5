"""A cohort is one unit a patient: split, thinned and taken by rules that look at one patient at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import assert_same, cohorts, schemas

from privacy.cohort import Cohort, Records
from privacy.errors import ConfigError
from privacy.schema import Schema

KEY = b"k" * 32


def test_records_are_sorted_by_patient_time_and_test_and_ties_stay():
    records = Records.sorted(
        owner=np.array([1, 0, 0, 0]), time=np.array([0.0, 2, 1, 1]), test=np.array([0, 0, 1, 1]), value=np.arange(4.0)
    )
    assert records.value.tolist() == [2.0, 3.0, 1.0, 0.0]
    assert (records.owner.dtype, records.test.dtype, records.time.dtype) == (np.int32, np.int16, np.float64)
    assert len(records.keep(records.owner == 0)) == 3


def test_the_six_can_be_counted_by_hand(six_patients: Cohort):
    assert len(six_patients) == 6
    assert six_patients.ids.tolist() == list("abcdef")
    assert six_patients.records_per_patient().tolist() == [3, 2, 6, 1, 1, 0]
    assert six_patients.codes("sex").tolist() == [0, 1, 0, 1, 0, 1]
    assert six_patients.codes("urgency").tolist() == [0, 1, 2, 2, -1, 0]
    np.testing.assert_array_equal(six_patients.numbers("bmi"), [25, 25, 20, np.nan, np.nan, 20])
    labs = six_patients.labs
    assert labs.iloc[0].tolist() == ["a", 0.0, "K", 4.0, "mmol/L"]
    assert list(labs["test"].cat.categories) == ["K", "Glucose", "Dipstick"]
    with pytest.raises(TypeError, match="age"):
        six_patients.codes("age")


def test_take_keeps_each_patient_whole(six_patients: Cohort):
    few = six_patients.take(np.array([4, 2]))
    assert few.ids.tolist() == ["e", "c"]
    assert few.records_per_patient().tolist() == [1, 6]
    assert few.labs["value"].tolist() == [60, 6.0, 6.2, 250, 5.5, 5.0, 3]
    assert len(six_patients.take(np.array([], dtype=int)).records) == 0


@given(st.data())
def test_taking_and_taking_back_is_the_same_cohort(data: st.DataObject):
    cohort = data.draw(cohorts(data.draw(schemas())))
    order = np.array(data.draw(st.permutations(range(len(cohort)))))
    assert_same(cohort.take(order).take(np.argsort(order)), cohort)


def test_a_split_puts_every_patient_on_one_side(simulated_small: Cohort):
    train, holdout = simulated_small.split(0.3, key=KEY)
    assert sorted([*train.ids, *holdout.ids]) == sorted(simulated_small.ids)
    assert len(train.records) + len(holdout.records) == len(simulated_small.records)
    # 300 patients with chance 0.3: 90, and eight standard deviations to either side
    assert 27 < len(holdout) < 153
    assert_same(simulated_small.split(0.3, key=KEY)[1], holdout)
    assert simulated_small.split(0.3)[1].ids.tolist() != holdout.ids.tolist()


def test_a_split_does_not_move_the_others(simulated_small: Cohort):
    fewer = simulated_small.take(np.arange(1, len(simulated_small)))
    for whole, part in zip(simulated_small.split(key=KEY), fewer.split(key=KEY), strict=True):
        assert [who for who in whole.ids if who != simulated_small.ids[0]] == part.ids.tolist()


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(six_patients: Cohort, share: float):
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        six_patients.split(share)


def test_no_patient_keeps_more_than_the_cap(six_patients: Cohort):
    bounded = six_patients.bound_records(key=KEY)
    assert bounded.records_per_patient().tolist() == [3, 2, 4, 1, 1, 0]
    assert six_patients.bound_records(1, key=KEY).records_per_patient().tolist() == [1, 1, 1, 1, 1, 0]
    assert_same(six_patients.bound_records(6, key=KEY), six_patients)
    assert_same(bounded.bound_records(key=KEY), bounded)


@given(st.data())
def test_which_records_stay_is_nobody_elses_business(data: st.DataObject):
    cohort = data.draw(cohorts(data.draw(schemas()), min_patients=2, max_records=30))
    cap = data.draw(st.integers(1, 5))
    leaver = data.draw(st.integers(0, len(cohort) - 1))
    others = np.delete(np.arange(len(cohort)), leaver)
    assert_same(cohort.bound_records(cap, key=KEY).take(others), cohort.take(others).bound_records(cap, key=KEY))


def test_every_record_has_the_same_chance_to_stay():
    """A patient of ten records with a cap of five, over 400 keys: each record stays 200 times, give or take 60."""
    schema = Schema.parse(
        'name = "x"\ncohort_size = 20\n[privacy_unit]\nmax_records = 5\nwindow = [0, 10]\n'
        '[columns]\nage = { kind = "integer", low = 0, high = 9 }\n[tests]\nK = { low = 0, high = 9, precision = 1 }\n'
    )
    labs = pd.DataFrame({"patient_id": "p", "time": range(10), "test": "K", "value": range(10)})
    cohort = Cohort.of(schema, pd.DataFrame({"patient_id": ["p"], "age": [5]}), labs)
    kept = np.zeros(10)
    for number in range(400):
        kept[cohort.bound_records(key=number.to_bytes(32)).records.value.astype(int)] += 1
    assert kept.sum() == 2000
    assert (abs(kept - 200) < 60).all()


def test_draws_of_a_patient_with_too_many_records_stay_whole():
    schema = Schema.parse(
        'name = "x"\ncohort_size = 20\n[privacy_unit]\nmax_records = 12\nwindow = [0, 20]\n'
        '[columns]\nage = { kind = "integer", low = 0, high = 9 }\n[tests]\n'
        + "".join(f"{test} = {{ low = 0, high = 9, precision = 1 }}\n" for test in ("Cl", "K", "Na"))
    )
    rows = [("p", time, test, 5) for time in range(20) for test in ("Na", "K", "Cl")]
    labs = pd.DataFrame(rows, columns=["patient_id", "time", "test", "value"])
    cohort = Cohort.of(schema, pd.DataFrame({"patient_id": ["p"], "age": [5]}), labs)
    for number in range(50):
        sizes = cohort.bound_records(key=number.to_bytes(32)).labs.groupby("time").size().to_numpy()
        assert sizes.sum() == 12
        # the run is cut at most in the draws that it begins and ends in
        assert (sizes == 3).sum() >= 3
        assert len(sizes) <= 5


def test_labs_of_no_tests_are_an_empty_table(six_schema: Schema, six_tables: tuple[pd.DataFrame, pd.DataFrame]):
    cohort = Cohort.of(six_schema.model_copy(update={"tests": {}}), six_tables[0])
    assert len(cohort.labs) == 0
    assert cohort.records_per_patient().tolist() == [0] * 6


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), max_size=8))
def test_sorting_is_the_same_for_rows_in_any_order(rows: list[tuple[int, int, int]]):
    keys = np.array(rows, dtype=float).reshape(-1, 3)
    records = Records.sorted(
        owner=keys[:, 0].astype(int), time=keys[:, 1], test=keys[:, 2].astype(int), value=np.arange(float(len(rows)))
    )
    expected = sorted((*row, place) for place, row in enumerate(rows))
    assert list(zip(records.owner, records.time, records.test, records.value, strict=True)) == expected
