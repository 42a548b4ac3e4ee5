from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_project import stand_in

from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.errors import BudgetError, CheckError, ConfigError, DataError
from privacy.population import Population
from synthhealth import Synthesizer, artifact
from synthhealth.generators.simulator import simulate, simulated_schema

BUDGET = Budget(epsilon=1, delta=1e-5)
N = 300


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)


@pytest.fixture
def train() -> Cohort:
    return simulate(N, 1, cohort_size=N)


@pytest.fixture
def synthesizer(train: Cohort) -> Synthesizer:
    return Synthesizer(train.schema, budget=BUDGET, engine="marginal")


def test_a_plan_is_made_of_public_facts_and_spends_the_budget_closely(synthesizer: Synthesizer) -> None:
    plan = synthesizer.plan()
    assert plan.cohort_size == N
    assert 0.995 * BUDGET.epsilon < epsilon_of(plan.events, BUDGET.delta) <= BUDGET.epsilon
    assert synthesizer.plan() is plan


def test_fit_returns_what_was_spent(synthesizer: Synthesizer, train: Cohort) -> None:
    ledger = synthesizer.fit(train)
    assert [entry.charge.name for entry in ledger.entries] == [charge.name for charge in synthesizer.plan().charges]


def test_frames_are_as_good_as_a_cohort(synthesizer: Synthesizer, train: Cohort) -> None:
    synthesizer.fit(train.patients, train.labs)
    assert len(synthesizer.sample(10)) == 10
    with pytest.raises(DataError, match="column"):
        synthesizer.fit(train.patients.drop(columns="age"), train.labs)


def test_samples_have_the_types_and_the_order_of_the_schema(synthesizer: Synthesizer, train: Cohort) -> None:
    synthesizer.fit(train)
    synthetic = synthesizer.sample(123)
    assert len(synthetic) == 123
    assert list(synthetic.patients.columns) == ["patient_id", *train.schema.columns]
    assert synthetic.patients.dtypes.to_list() == train.patients.dtypes.to_list()
    again = Cohort.of(train.schema, synthetic.patients, synthetic.labs)
    assert again.patients.equals(synthetic.patients)


def test_seeds_steer_sampling(synthesizer: Synthesizer, train: Cohort) -> None:
    synthesizer.fit(train)
    assert synthesizer.sample(20).patients.equals(synthesizer.sample(20, seed=0).patients)
    assert not synthesizer.sample(20).patients.equals(synthesizer.sample(20, seed=1).patients)


def test_conditions_reach_the_sample(synthesizer: Synthesizer, train: Cohort) -> None:
    synthesizer.fit(train)
    assert set(synthesizer.sample(15, where={"sex": "F"}).patients["sex"]) == {"F"}
    assert len(synthesizer.sample(15, where={})) == 15


def test_what_is_not_fitted_neither_samples_nor_saves(synthesizer: Synthesizer, tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="must be fitted first"):
        synthesizer.sample(1)
    with pytest.raises(CheckError, match="must be fitted first"):
        synthesizer.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_no_patients_are_no_sample(synthesizer: Synthesizer, train: Cohort) -> None:
    synthesizer.fit(train)
    with pytest.raises(ConfigError, match="at least 1"):
        synthesizer.sample(0)


def test_another_schema_is_refused_before_anything_is_spent(synthesizer: Synthesizer, tmp_path: Path) -> None:
    people = Population(path=tmp_path / "ledger.jsonl", population_id="p", ceiling=Budget(epsilon=5, delta=1e-5))
    careful = Synthesizer(synthesizer.schema, budget=BUDGET, engine="marginal", population=people)
    with pytest.raises(ConfigError, match="synthesizer's schema"):
        careful.fit(simulate(50, 1, cohort_size=50))
    assert not people.path.exists()


def test_a_delta_too_large_for_the_cohort_is_refused() -> None:
    loose = Synthesizer(simulated_schema(1000), budget=Budget(epsilon=1, delta=1e-3), engine="marginal")
    with pytest.raises(BudgetError, match="cohort_size"):
        loose.plan()


def test_every_fit_is_charged_to_the_population_until_it_refuses(train: Cohort, tmp_path: Path) -> None:
    people = Population(path=tmp_path / "ledger.jsonl", population_id="p", ceiling=Budget(epsilon=1.2, delta=1e-5))
    synthesizer = Synthesizer(train.schema, budget=BUDGET, engine="marginal", population=people)
    synthesizer.fit(train)
    with pytest.raises(BudgetError, match="remaining"):
        synthesizer.fit(train)
    assert len(people.standing().runs) == 1


def test_a_saved_model_samples_the_same_patients(synthesizer: Synthesizer, train: Cohort, tmp_path: Path) -> None:
    synthesizer.fit(train)
    synthesizer.save(tmp_path / "model")
    woken = Synthesizer.load(tmp_path / "model")
    assert woken.schema == synthesizer.schema
    assert woken.schema.sha256 == synthesizer.schema.sha256
    assert woken.budget == BUDGET
    assert woken.plan() == synthesizer.plan()
    before, after = synthesizer.sample(40, seed=9), woken.sample(40, seed=9)
    assert after.patients.equals(before.patients)
    assert np.array_equal(after.records.value, before.records.value)


def test_a_model_folder_holds_two_plain_files_and_no_patient(
    synthesizer: Synthesizer, train: Cohort, tmp_path: Path
) -> None:
    synthesizer.fit(train)
    synthesizer.save(tmp_path / "model")
    files = sorted(tmp_path.rglob("*.*"))
    assert [file.name for file in files] == ["model.json", "model.safetensors"]
    card = json.loads(files[0].read_text(encoding="utf-8"))
    assert card["format"] == "synthhealth-model/1"
    assert card["ledger"]["spent"] == ["histograms"]
    content = b"".join(file.read_bytes() for file in files)
    assert not any(identifier.encode() in content for identifier in train.ids.tolist())


@pytest.mark.parametrize("name", [artifact.ARRAYS, artifact.CARD])
def test_a_changed_byte_is_seen(synthesizer: Synthesizer, train: Cohort, tmp_path: Path, name: str) -> None:
    synthesizer.fit(train)
    synthesizer.save(tmp_path / "model")
    file = tmp_path / "model" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2 if name == artifact.ARRAYS else 3] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckError, match="be as it was saved"):
        Synthesizer.load(tmp_path / "model")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fit first"):
        Synthesizer.load(tmp_path)
