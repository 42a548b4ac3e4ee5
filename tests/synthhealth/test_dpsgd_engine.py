"""The comparison engine pays for what it plans, is told by public facts alone, and keeps every rule of the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.cohort import Cohort, Records
from privacy.constraints import derived
from privacy.errors import BudgetError, CheckError
from privacy.events import SampledGaussian
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan, calibrate
from privacy.schema import Category, Number, Schema
from synthhealth import Synthesizer
from synthhealth.engines import make_engine, restore_model
from synthhealth.generators.dpsgd import calibration
from synthhealth.generators.dpsgd.adam import Adam, rate_at
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.dpsgd.model import Autoencoder
from synthhealth.generators.dpsgd.unprotected import UnprotectedEngine
from synthhealth.generators.protocol import Model, quiet
from synthhealth.generators.simulator import simulate, simulated_schema

N = 300
BUDGET = Budget(epsilon=8.0, delta=1e-5)
NOISY = 2.0  # a scale at which the plan is well within the budget, so that no test needs to search for one
Floats = NDArray[np.float64]


def quick(engine: DpsgdEngine | UnprotectedEngine, *, steps: int = 3) -> DpsgdEngine | UnprotectedEngine:
    """The engine with few steps; everything else is as it ships."""
    return replace(engine, recipe=replace(engine.recipe, steps=steps, expected_batch=60.0))


def fit(engine: DpsgdEngine | UnprotectedEngine, cohort: Cohort) -> tuple[Model, Ledger]:
    if isinstance(engine, DpsgdEngine):
        plan = Plan(budget=BUDGET, charges=engine.charges(NOISY), cohort_size=N)
    else:
        plan = Plan(budget=BUDGET, charges=engine.charges(1.0), cohort_size=N)
    ledger = Ledger(plan)
    return engine.fit(Gate(cohort, ledger), quiet), ledger


def private_engine(schema: Schema, seed: int = 0) -> DpsgdEngine:
    return DpsgdEngine.of(schema, BUDGET, N, seed)


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """One thread, and few dreamers: what calibration is good for is tested on its own."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "DREAMERS", 200)
        yield


@pytest.fixture(scope="module")
def plan(train: Cohort) -> Plan:
    """The plan as it ships, searched for once."""
    return calibrate(BUDGET, private_engine(train.schema).charges, cohort_size=N)


@pytest.fixture(scope="module")
def train() -> Cohort:
    return simulate(N, 1, cohort_size=N)


@pytest.fixture(scope="module")
def fitted(train: Cohort) -> tuple[Model, Ledger]:
    return fit(quick(private_engine(train.schema)), train)


@pytest.fixture(scope="module")
def synthetic(fitted: tuple[Model, Ledger]) -> Cohort:
    return fitted[0].sample(400, 5)


def same(one: Cohort, other: Cohort) -> bool:
    records = all(
        np.array_equal(getattr(one.records, name), getattr(other.records, name))
        for name in ("owner", "time", "test", "value")
    )
    return one.patients.equals(other.patients) and records


# --- the plan ----------------------------------------------------------------------------------------------------


def test_the_plan_spends_the_budget_and_no_more(plan: Plan):
    assert 0.98 * BUDGET.epsilon < epsilon_of(plan.events, BUDGET.delta) <= BUDGET.epsilon
    assert [charge.name for charge in plan.charges] == [
        "grids",
        "values",
        "digits",
        "value digits",
        "one-way",
        "training",
    ]


def test_most_of_the_budget_goes_to_the_gradients(plan: Plan):
    assert dict(plan.shares)["training"] > 0.75


@pytest.mark.parametrize(("size", "rate"), [(100, 1.0), (512, 1.0), (5_120, 0.1), (1_000_000, 0.000512)])
def test_rate_and_divisor_come_from_the_public_size(size: int, rate: float):
    engine = DpsgdEngine.of(simulated_schema(size), BUDGET, size, 0)
    event = engine.charges(1.0)[-1].event
    assert isinstance(event, SampledGaussian)
    assert event.sample_rate == pytest.approx(rate)
    assert engine.recipe.expected_batch == pytest.approx(event.sample_rate * size)
    assert event.steps == engine.recipe.steps


def test_noise_grows_with_the_scale(train: Cohort):
    engine = private_engine(train.schema)
    one, three = engine.charges(1.0)[-1].event, engine.charges(3.0)[-1].event
    assert isinstance(one, SampledGaussian)
    assert isinstance(three, SampledGaussian)
    assert three.noise_multiplier == pytest.approx(3 * one.noise_multiplier)


def test_a_schema_without_tests_has_fewer_charges(train: Cohort):
    engine = DpsgdEngine.of(bare_schema(train), BUDGET, N, 0)
    assert [charge.name for charge in engine.charges(1.0)] == ["grids", "digits", "one-way", "training"]


# --- the fit -----------------------------------------------------------------------------------------------------


def test_every_charge_is_spent_once_in_the_plans_order(fitted: tuple[Model, Ledger]):
    ledger = fitted[1]
    assert [entry.charge for entry in ledger.entries] == list(ledger.plan.charges)
    assert not ledger.exposed


def lines_of(cohort: Cohort) -> list[tuple[str, int, int]]:
    lines: list[tuple[str, int, int]] = []
    engine = quick(private_engine(cohort.schema), steps=2)
    plan = Plan(budget=BUDGET, charges=engine.charges(NOISY), cohort_size=N)
    engine.fit(Gate(cohort, Ledger(plan)), lambda *line: lines.append(line))
    return lines


def test_what_is_told_while_it_learns_is_public(train: Cohort):
    """Names, numbers and order of the messages are equal with and without a patient."""
    said = [lines_of(train), lines_of(train.take(np.arange(1, N)))]
    assert said[0] == said[1]
    assert said[0][-1][1:] == (2, 2)


def test_patients_without_a_single_record_can_be_learnt_from(train: Cohort):
    empty = Cohort(
        schema=train.schema, patients=train.patients, records=train.records.keep(np.zeros(len(train.records), bool))
    )
    model, _ = fit(quick(private_engine(train.schema), steps=1), empty)
    assert len(model.sample(50, 0)) == 50


def bare_schema(cohort: Cohort) -> Schema:
    return Schema.model_validate(cohort.schema.model_dump() | {"tests": {}, "end_of_followup": None})


def test_a_schema_without_tests_is_learnt_too(train: Cohort):
    schema = bare_schema(train)
    cohort = Cohort.of(schema, train.patients)
    model, _ = fit(quick(private_engine(schema), steps=2), cohort)
    drawn = model.sample(60, 1)
    assert len(drawn) == 60
    assert len(drawn.records) == 0
    assert same(restore_model("vae-dpsgd", schema, model.state()).sample(60, 1), drawn)


# --- what it writes ----------------------------------------------------------------------------------------------


def test_exactly_as_many_patients_as_asked(fitted: tuple[Model, Ledger]):
    for n in (1, 7, 64):
        drawn = fitted[0].sample(n, 0)
        assert len(drawn) == n
        assert drawn.records.owner.max(initial=0) < n


def test_the_same_seed_the_same_patients(fitted: tuple[Model, Ledger]):
    one, two, other = (fitted[0].sample(40, seed) for seed in (3, 3, 4))
    assert same(one, two)
    assert not same(one, other)


def test_columns_keep_types_bounds_and_precision(synthetic: Cohort):
    schema = synthetic.schema
    assert list(synthetic.patients.columns) == ["patient_id", *schema.columns]
    for name, column in schema.free_columns.items():
        if isinstance(column, Category):
            codes = synthetic.codes(name)
            assert codes.max() < len(column.levels)
            assert column.missing or codes.min() >= 0
        else:
            assert isinstance(column, Number)
            values = synthetic.numbers(name)
            known = values[np.isfinite(values)]
            assert column.missing or len(known) == len(values)
            assert np.allclose(known, column.grid.snap(known), atol=1e-9)


def test_not_one_constraint_is_broken(synthetic: Cohort):
    schema = synthetic.schema
    numbers = {name: synthetic.numbers(name) for name, c in schema.free_columns.items() if isinstance(c, Number)}
    for name, values in derived(schema, numbers).items():
        assert np.array_equal(synthetic.numbers(name), values, equal_nan=True)
    assert schema.end_of_followup is not None
    end = synthetic.numbers(schema.end_of_followup)
    assert (synthetic.records.time <= end[synthetic.records.owner]).all()


def test_records_keep_the_schemas_rules(synthetic: Cohort):
    schema, records = synthetic.schema, synthetic.records
    low, high = schema.privacy_unit.window
    assert records.time.min() >= low
    assert records.time.max() < high
    assert np.allclose(records.time, schema.times.cut(records.time))
    for place, test in enumerate(schema.tests.values()):
        values = records.value[records.test == place]
        assert np.allclose(values, test.grid.snap(values), atol=1e-9)
    place = np.stack([records.owner, records.time, records.test])
    assert len(np.unique(place, axis=1).T) == len(records)


def test_a_cohort_that_is_written_can_be_admitted_again(synthetic: Cohort):
    again = Cohort.of(synthetic.schema, synthetic.patients, synthetic.labs)
    assert len(again) == len(synthetic)
    assert len(again.records) == len(synthetic.records)


# --- saving --------------------------------------------------------------------------------------------------------


def test_a_model_comes_back_from_its_arrays(fitted: tuple[Model, Ledger], train: Cohort):
    state = fitted[0].state()
    json.loads(state.meta)
    assert all(np.asarray(array).dtype.kind in "fi" for array in state.arrays.values())
    again = restore_model("vae-dpsgd", train.schema, state)
    assert same(again.sample(30, 9), fitted[0].sample(30, 9))


def test_a_synthesizer_saves_and_loads_it(train: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "synthhealth.synthesizer.make_engine",
        lambda name, schema, budget, **public: quick(make_engine(name, schema, budget, **public), steps=1),
    )
    synthesizer = Synthesizer(train.schema, budget=BUDGET, engine="vae-dpsgd")
    ledger = synthesizer.fit(train)
    assert json.loads(json.dumps(ledger.to_json()))["guarantee"]["epsilon"] <= BUDGET.epsilon
    synthesizer.save(tmp_path / "model")
    assert same(Synthesizer.load(tmp_path / "model").sample(20), synthesizer.sample(20))


# --- the twin without protection ----------------------------------------------------------------------------------


def test_the_twin_pays_nothing_and_promises_nothing(train: Cohort):
    engine = UnprotectedEngine.of(train.schema, BUDGET, N, 0)
    assert not engine.private
    assert engine.charges(1.0) == ()
    model, ledger = fit(quick(engine, steps=2), train)
    assert ledger.exposed
    assert ledger.entries == ()
    assert ledger.to_json()["guarantee"] is None
    with pytest.raises(CheckError, match="without protection"):
        ledger.guarantee()
    assert len(model.sample(20, 0)) == 20


def test_the_twin_learns_what_noise_would_hide(train: Cohort):
    engine = UnprotectedEngine.of(train.schema, BUDGET, N, 0)
    few, many = (fit(quick(engine, steps=steps), train)[0] for steps in (1, 30))
    assert loss(many, train) < loss(few, train) - 10


def loss(model: Model, cohort: Cohort) -> float:
    from synthhealth.generators.dpsgd.encoded import Encoded
    from synthhealth.generators.dpsgd.learning import Lesson

    assert isinstance(model, Autoencoder)
    lesson = Lesson(model.network, model.ground, Encoded.of(cohort, model.ground), cohort.ids, b"k" * 32)
    with torch.no_grad():
        return float(model.network(*lesson.inputs(np.arange(len(cohort)), 0)).mean())


def test_a_plan_with_charges_keeps_the_open_door_shut(train: Cohort, plan: Plan):
    """No engine that pays can take rows for nothing, and the attempt leaves the promise as it was."""
    gate = Gate(train, Ledger(plan))
    with pytest.raises(BudgetError, match="promises nothing"):
        gate.open_unprotected()
    assert not gate.ledger.exposed
    assert gate.ledger.guarantee().epsilon <= BUDGET.epsilon


def test_a_population_is_never_charged_for_a_run_without_promise(train: Cohort):
    class Account:
        def reserve(self, run_id: str, plan: Plan) -> None:
            del run_id, plan

    gate = Gate(train, Ledger(Plan(budget=BUDGET, charges=(), cohort_size=N), Account()))
    with pytest.raises(BudgetError, match="promises nothing"):
        gate.open_unprotected()


def test_an_engine_that_calls_itself_private_is_caught_at_the_open_door(train: Cohort, monkeypatch: pytest.MonkeyPatch):
    synthesizer = Synthesizer(train.schema, budget=BUDGET, engine="vae-nonprivate")
    synthesizer.plan()
    pretender = replace(quick(synthesizer.engine, steps=1), private=True)
    monkeypatch.setattr(synthesizer, "engine", pretender)
    with pytest.raises(CheckError, match="pay for each look"):
        synthesizer.fit(train)
    with pytest.raises(CheckError, match="fitted first"):
        synthesizer.sample(1)


def test_engines_are_known_by_name(train: Cohort):
    for name, kind in (("vae-dpsgd", DpsgdEngine), ("vae-nonprivate", UnprotectedEngine)):
        engine = make_engine(name, train.schema, BUDGET, cohort_size=N, seed=0)
        assert isinstance(engine, kind)
        assert engine.name == name


# --- the optimiser -------------------------------------------------------------------------------------------------


def test_adam_is_adam():
    """Three steps of torch's own Adam on the same gradients."""
    chance = np.random.default_rng(0)
    weights: Floats = np.zeros(6)
    mirror = torch.nn.Parameter(torch.zeros(6, dtype=torch.float64))
    theirs = torch.optim.Adam([mirror], lr=0.1, eps=1e-12)
    adam = Adam.start(6)
    for _ in range(3):
        gradient = chance.normal(size=6)
        adam = adam.seen(gradient)
        weights = weights - 0.1 * adam.direction
        mirror.grad = torch.from_numpy(gradient)
        theirs.step()
    assert np.allclose(weights, mirror.detach().numpy(), rtol=1e-9)


def test_the_learning_rate_rises_and_ends_at_nothing():
    rates = np.array([rate_at(step, 200, 0.01) for step in range(200)])
    assert rates[0] < rates[9] <= 0.01
    assert rates.argmax() < 12
    assert (np.diff(rates[12:]) < 0).all()
    assert rates[-1] < 1e-5


def test_what_is_learnt_from_records_in_files_is_the_same_to_the_last_bit(
    train: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without noise, and with the system's chance repeated: caps and losses see the same records in the same order."""
    few = train.take(np.arange(60))
    filed = replace(few, records=Records.filed([few.records], tmp_path))
    schema = train.schema.model_copy(
        update={"privacy_unit": train.schema.privacy_unit.model_copy(update={"max_records": 20})}
    )
    assert (few.records_per_patient() > 20).any()
    learnt = []
    for cohort in (few, filed):
        chance = np.random.default_rng(0)
        monkeypatch.setattr("os.urandom", chance.bytes)
        model, _ = fit(quick(UnprotectedEngine.of(schema, BUDGET, 60, 0)), replace(cohort, schema=schema))
        learnt.append(model.state().arrays)
    for name, array in learnt[0].items():
        np.testing.assert_array_equal(array, learnt[1][name])
