"""Simulated illnesses do to the tests what their truth says, and take over what a model seeds them with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from odd_worlds import ODD_SCHEMAS
from strategies import assert_same
from tiny_project import stand_in

from evaluation.constraints import violations
from privacy.admission import admit
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.errors import ConfigError
from privacy.schema import Schema
from synthhealth.generators.scenario_simulator import Seeds, course, scenario_schema, simulate_scenario
from synthhealth.generators.scenarios import SCENARIOS, ScenarioName
from synthhealth.generators.simulator import simulate as simulate_hospital
from synthhealth.generators.simulator import simulated_schema
from synthhealth.io.convert import read_source
from synthhealth.io.schema_file import schema_text
from synthhealth.simulating import seeds_of, simulate
from synthhealth.synthesizer import Synthesizer

NAMES = tuple(SCENARIOS)
EACH = pytest.mark.parametrize("name", NAMES)


@EACH
def test_every_rule_is_kept_and_the_truth_stands_beside_the_patient(name: ScenarioName):
    cohort = simulate_scenario(name, 600, 1)
    assert {one.rule: one.count for one in violations(cohort) if one.count} == {}
    case = cohort.patients["case"].astype(int).to_numpy()
    assert 0.6 * SCENARIOS[name].share < case.mean() < 1.6 * SCENARIOS[name].share
    assert np.isnan(cohort.numbers("onset")).tolist() == (case == 0).tolist()
    admission = admit(cohort.schema, cohort.patients, cohort.labs)
    assert admission.notices == ()
    assert_same(admission.cohort, cohort)


@EACH
def test_the_same_seed_gives_the_same_patients(name: ScenarioName):
    assert_same(simulate_scenario(name, 40, 7), simulate_scenario(name, 40, 7))
    one, other = (simulate_scenario(name, 40, seed).numbers("age").tolist() for seed in (7, 8))
    assert one != other


@EACH
def test_an_illness_moves_its_tests_after_its_onset_and_not_before(name: ScenarioName):
    labs = simulate_scenario(name, 1_500, 2).labs.merge(
        simulate_scenario(name, 1_500, 2).patients[["patient_id", "case", "onset"]], on="patient_id"
    )
    scenario = SCENARIOS[name]
    for marker in scenario.markers:
        mine = labs[labs["test"] == marker.name]
        healthy = mine.loc[mine["case"].astype(int) == 0, "value"]
        since = mine["time"] - mine["onset"]
        before, after = mine.loc[since < 0, "value"], mine.loc[since > scenario.rise, "value"]
        spread = healthy.std()
        assert abs(before.mean() - healthy.mean()) < 0.25 * spread, marker.name
        if abs(marker.peak) >= 1.5:
            assert np.sign(after.median() - healthy.median()) == np.sign(marker.peak), marker.name


def test_a_course_is_nothing_before_its_onset_and_one_at_its_height():
    since = np.linspace(-50, 2_000, 50_001)
    for scenario in SCENARIOS.values():
        along = course(scenario, since)
        assert (along[since <= 0] == 0).all()
        assert along.max() == pytest.approx(1.0, abs=1e-3)
        assert (along[-1] < 0.3) == (scenario.recovery is not None)


def test_kidneys_fail_in_the_derived_test_too():
    cohort = simulate_scenario("acute-kidney-injury", 800, 3)
    labs = cohort.labs.merge(cohort.patients[["patient_id", "case", "onset"]], on="patient_id")
    egfr = labs[labs["test"] == "eGFR"]
    creatinine = labs[labs["test"] == "Creatinine"]
    assert len(egfr) == len(creatinine.drop_duplicates(["patient_id", "time"]))
    later = egfr["time"] > egfr["onset"] + 30
    assert egfr.loc[later, "value"].median() < 0.6 * egfr.loc[egfr["case"].astype(int) == 0, "value"].median()


# --- seeds --------------------------------------------------------------------------------------------------------


def synthetic(n: int = 300) -> Cohort:
    """A cohort that stands for what a model wrote."""
    return simulate_hospital(n, 5)


def test_seeded_patients_have_the_ages_sexes_wards_and_draws_of_the_model():
    given = synthetic()
    seeds = Seeds.of(given)
    made = simulate_scenario("sepsis", 300, 1, seeds=seeds)
    np.testing.assert_array_equal(made.numbers("age"), given.numbers("age"))
    assert made.patients["sex"].tolist() == given.patients["sex"].tolist()
    assert made.patients["ward"].tolist() == given.patients["ward"].tolist()
    times = given.labs.groupby("patient_id")["time"].nunique()
    assert seeds.draws.tolist() == [times.get(name, 1) for name in given.ids]
    assert made.labs.groupby("patient_id")["time"].nunique().max() <= seeds.draws.max()
    free = simulate_scenario("sepsis", 300, 1)
    assert "ward" not in free.schema.columns
    assert free.numbers("age").tolist() != made.numbers("age").tolist()
    assert {one.rule: one.count for one in violations(made) if one.count} == {}


def test_seeds_must_have_an_age_and_a_sex_and_be_as_many_as_patients():
    cohort = synthetic(30)
    schema: Schema = cohort.schema.model_copy(
        update={"columns": {name: kind for name, kind in cohort.schema.columns.items() if name != "sex"}}
    )
    with pytest.raises(ConfigError, match="a numeric column 'age' and a category 'sex'"):
        Seeds.of(replace(cohort, schema=schema))
    with pytest.raises(ConfigError, match="must be of 7 patients; got 30"):
        simulate_scenario("sepsis", 7, 1, seeds=Seeds.of(cohort))


def test_a_fitted_model_seeds_a_simulation_and_one_without_a_guarantee_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    unprotected = Synthesizer(simulated_schema(300), budget=Budget(epsilon=5, delta=1e-6), engine="vae-nonprivate")
    stand_in(monkeypatch)
    model = Synthesizer(simulated_schema(300), budget=Budget(epsilon=5, delta=1e-6), engine="marginal")
    model.fit(simulate_hospital(300, 1, cohort_size=300))
    model.save(tmp_path / "model")
    done = simulate("anaemia", 50, tmp_path / "out", "csv", seed=3, seeded_by=tmp_path / "model")
    table = pd.read_csv(tmp_path / "out" / "patients.csv")
    assert done.patients == len(table) == 50
    assert table["age"].tolist() == seeds_of(model, 50, seed=3).age.tolist()
    with pytest.raises(ConfigError, match="take its seeds from a private model"):
        seeds_of(unprotected, 5)


@pytest.mark.parametrize("form", ["csv", "fhir", "omop"])
def test_what_is_simulated_is_written_in_any_format(tmp_path: Path, form: str):
    done = simulate("diabetes", 12, tmp_path / "out", form, seed=1)  # type: ignore[arg-type]
    assert all(Path(file).is_file() for file in done.files)
    cohort = simulate_scenario("diabetes", 12, 1, cohort_size=20)
    assert done.records == len(cohort.labs)
    schema = Schema.load(tmp_path / "out" / "schema.toml")
    assert_same(read_source(schema, str(tmp_path / "out")).cohort, cohort)
    with pytest.raises(ConfigError, match="be new or empty"):
        simulate("diabetes", 12, tmp_path / "out", "csv")


def test_the_mixed_hospital_is_not_seeded(tmp_path: Path):
    assert simulate("hospital", 12, tmp_path / "one", "csv").patients == 12
    with pytest.raises(ConfigError, match="be simulated without a model"):
        simulate("hospital", 12, tmp_path / "two", "csv", seeded_by=tmp_path)


@EACH
def test_a_scenario_is_described(name: ScenarioName):
    schema = scenario_schema(name, cohort_size=77)
    assert schema.cohort_size == 77
    assert all(test.loinc for test in schema.tests.values())
    assert Schema.model_validate(schema.model_dump()) == schema


@pytest.mark.parametrize("text", [*ODD_SCHEMAS.values(), *(schema_text(scenario_schema(name)) for name in NAMES)])
def test_a_schema_that_is_written_is_read_as_it_was(text: str):
    schema = Schema.parse(text)
    assert Schema.parse(schema_text(schema)) == schema
