"""The simulated hospital has the properties that tests and experiments rely on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from strategies import assert_same

from privacy.admission import admit
from privacy.cohort import Cohort
from synthhealth.generators import simulator_truth as truth
from synthhealth.generators.simulator import simulate, simulated_schema


@pytest.fixture(scope="module")
def hospital() -> Cohort:
    return simulate(4000, seed=3)


@pytest.fixture(scope="module")
def labs(hospital: Cohort) -> pd.DataFrame:
    return hospital.labs.assign(owner=hospital.records.owner)


def test_the_schema_and_the_truth_name_the_same_tests_in_the_same_order():
    schema = simulated_schema()
    assert tuple(schema.tests) == tuple(analyte.name for analyte in truth.ANALYTES)
    assert {analyte.panel for analyte in truth.ANALYTES} == {panel.name for panel in truth.PANELS}
    assert schema.tests["UrineProtein"].codes == tuple(range(len(truth.DIPSTICK) + 1))


def test_the_same_seed_gives_the_same_hospital():
    assert_same(simulate(50, seed=7), simulate(50, seed=7))
    assert simulate(50, seed=7).numbers("age").tolist() != simulate(50, seed=8).numbers("age").tolist()


@pytest.mark.parametrize("n", [0, 1, 2, 57])
def test_as_many_patients_as_were_asked_for(n: int):
    cohort = simulate(n, seed=1)
    assert len(cohort) == n
    assert len(set(cohort.ids)) == n


def test_it_comes_through_the_door_without_a_word(hospital: Cohort):
    admission = admit(hospital.schema, hospital.patients, hospital.labs)
    assert admission.notices == ()
    assert_same(admission.cohort, hospital)


def test_the_public_size_is_the_callers():
    assert simulate(10, seed=1).schema.cohort_size == 5000
    assert simulate(10, seed=1, cohort_size=90_000).schema.cohort_size == 90_000


def test_the_healthy_lie_in_the_reference_range():
    """Of a test that illness does not move, 95 % lie inside; here without factors, by the formula of the value."""
    from synthhealth.generators.simulator import on_scale

    z = np.random.default_rng(0).standard_normal(20_000)
    for analyte in truth.ANALYTES[:-1]:
        inside = np.mean((on_scale(analyte, z) >= analyte.low) & (on_scale(analyte, z) <= analyte.high))
        assert abs(inside - 0.95) < 0.01, analyte.name


def test_values_are_those_of_a_hospital(labs: pd.DataFrame):
    median = labs.groupby("test", observed=True)["value"].median()
    expected = {
        "Na": (135, 145),
        "K": (4, 5),
        "HCO3": (20, 28),
        "Creatinine": (0.6, 1.5),
        "BUN": (8, 30),
        "Glucose": (90, 160),
        "WBC": (6, 15),
        "Hemoglobin": (10, 15),
        "Platelets": (150, 400),
        "Bilirubin": (0.2, 1.5),
        "Lactate": (1, 3),
        "TroponinT": (5, 60),
    }
    for test, (low, high) in expected.items():
        assert low <= median[test] <= high, test


def test_the_sick_are_drawn_more_often(hospital: Cohort, labs: pd.DataFrame):
    draws = labs.groupby("owner")["time"].nunique().reindex(range(len(hospital)), fill_value=0).to_numpy()
    rate = draws / hospital.numbers("stay_hours")
    died = hospital.codes("died") == 1
    assert rate[died].mean() > 1.2 * rate[~died].mean()


def test_values_of_one_patient_hang_together(labs: pd.DataFrame):
    for test in ("Creatinine", "Hemoglobin", "Platelets", "Na"):
        of = labs[labs["test"] == test]
        z = of.assign(value=np.log(of["value"]), next=np.log(of["value"]).groupby(of["owner"]).shift(-1)).dropna()
        assert z["value"].corr(z["next"]) > 0.6, test


def test_a_panel_is_drawn_together(labs: pd.DataFrame):
    draws = labs.drop_duplicates(["owner", "time", "test"]).pivot_table(
        index=["owner", "time"], columns="test", values="value", aggfunc="size", observed=True
    )
    seen = draws.notna()
    assert seen.loc[seen["Na"], "K"].mean() > 0.9
    assert seen.loc[seen["WBC"], "Hemoglobin"].mean() > 0.9
    assert seen.loc[seen["Na"], "TroponinT"].mean() < 0.5


def test_some_tests_are_never_done_in_some_patients(hospital: Cohort, labs: pd.DataFrame):
    ever = labs.groupby("test", observed=True)["owner"].nunique() / len(hospital)
    assert ever["Na"] > 0.98
    for test in ("Lactate", "TroponinT", "UrineProtein"):
        assert 0.1 < ever[test] < 0.6, test
    cardiac = hospital.patients["ward"] == "Cardiac"
    has = np.isin(np.arange(len(hospital)), labs.loc[labs["test"] == "TroponinT", "owner"])
    assert has[cardiac].mean() > 2 * has[~cardiac].mean()


def test_illness_shows_where_the_truth_says(hospital: Cohort, labs: pd.DataFrame):
    died = (hospital.codes("died") == 1)[labs["owner"]]
    kidney = (hospital.codes("kidney_disease") == 1)[labs["owner"]]

    def ratio(test: str, group: np.ndarray) -> float:
        of = labs["test"] == test
        return labs.loc[of & group, "value"].median() / labs.loc[of & ~group, "value"].median()

    assert ratio("Lactate", died) > 1.3
    assert ratio("HCO3", died) < 0.95
    assert ratio("Creatinine", kidney) > 1.5
    assert ratio("Hemoglobin", kidney) < 0.95
    assert abs(ratio("Na", kidney) - 1) < 0.02


def test_there_are_stray_values_far_out(labs: pd.DataFrame):
    sodium = labs.loc[labs["test"] == "Na", "value"]
    far = abs(sodium - sodium.median()) > 5 * 1.4826 * abs(sodium - sodium.median()).median()
    # a normal distribution has six in ten million out there
    assert 0.0002 < far.mean() < 0.01


def test_what_is_missing_is_told_by_illness(hospital: Cohort):
    urgent = hospital.codes("triage") >= 3
    missing = np.isnan(hospital.numbers("height"))
    assert missing[urgent].mean() > missing[~urgent].mean() + 0.03
    assert (hospital.codes("smoking") == -1).any()
    assert not np.isnan(hospital.numbers("age")).any()
    both = ~np.isnan(hospital.numbers("height")) & ~np.isnan(hospital.numbers("weight"))
    bmi = hospital.numbers("weight") / (hospital.numbers("height") / 100) ** 2
    assert np.nanmax(abs(hospital.numbers("bmi") - bmi)) <= 0.0500001
    assert (np.isnan(hospital.numbers("bmi")) == ~both).all()
