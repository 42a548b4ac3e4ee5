"""One contract for all engines: what they plan they pay, what they write keeps every rule, on schemas of any kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_worlds import ODD_SCHEMAS, cohort_in, odd_cohort
from strategies import assert_same, cohorts, schemas

from evaluation.constraints import violations
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan, calibrate
from privacy.schema import Schema
from synthhealth.engines import make_engine, restore_model
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import Engine, EngineName, Model, Progress, quiet

ENGINES: tuple[EngineName, ...] = ("marginal", "vae", "vae-dpsgd")
# large enough for any of the noise scales below
BUDGET = Budget(epsilon=1e6, delta=1e-3)
SIZE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A fitted model with what was planned and spent for it."""

    name: EngineName
    schema: Schema
    plan: Plan
    ledger: Ledger
    model: Model


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """One thread, and fewer dreams to fit on; all else is as it ships."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synthhealth.generators.marginal.DREAMERS", 400)
        patch.setattr("synthhealth.generators.table.decoder.DREAMS", 1_500)
        yield


def engine_of(name: EngineName, schema: Schema, *, seed: int = 0) -> Engine:
    engine = make_engine(name, schema, BUDGET, cohort_size=SIZE, seed=seed)
    if isinstance(engine, DpsgdEngine):
        return replace(engine, recipe=replace(engine.recipe, steps=2))
    return engine


def learn(name: EngineName, cohort: Cohort, *, scale: float = 1.0, progress: Progress = quiet) -> Learnt:
    engine = engine_of(name, cohort.schema)
    plan = Plan(budget=BUDGET, charges=engine.charges(scale), cohort_size=SIZE)
    ledger = Ledger(plan)
    model = engine.fit(Gate(cohort, ledger), progress)
    return Learnt(name=name, schema=cohort.schema, plan=plan, ledger=ledger, model=model)


@pytest.fixture(scope="module")
def learnt() -> Callable[[EngineName, str], Learnt]:
    """A fit by engine and name of a strange schema, each made once."""
    done: dict[tuple[EngineName, str], Learnt] = {}

    def look_up(name: EngineName, world: str) -> Learnt:
        if (name, world) not in done:
            done[name, world] = learn(name, odd_cohort(world))
        return done[name, world]

    return look_up


def assert_keeps_the_rules(drawn: Cohort) -> None:
    assert {broken.rule: broken.count for broken in violations(drawn) if broken.count} == {}


def assert_sound(told: Learnt) -> None:
    """Everything that must hold of any fit, whatever was learnt."""
    assert [entry.charge for entry in told.ledger.entries] == list(told.plan.charges)
    assert not told.ledger.exposed
    drawn = told.model.sample(120, 5)
    assert len(drawn) == 120
    assert drawn.schema == told.schema
    assert_keeps_the_rules(drawn)
    assert_same(told.model.sample(120, 5), drawn)
    state = told.model.state()
    json.loads(state.meta)
    assert all(np.asarray(array).dtype.kind in "fiub" for array in state.arrays.values())
    assert all(np.isfinite(np.asarray(array)).all() for name, array in state.arrays.items() if "pace_edges" not in name)
    assert_same(restore_model(told.name, told.schema, state).sample(120, 5), drawn)


# --- strange schemas ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ODD_SCHEMAS)
@pytest.mark.parametrize("name", ENGINES)
def test_any_schema_can_be_learnt(learnt: Callable[[EngineName, str], Learnt], name: EngineName, world: str):
    assert_sound(learnt(name, world))


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_so_can_schemas_that_nobody_thought_of(name: EngineName, data: st.DataObject):
    schema = data.draw(schemas())
    assert_sound(learn(name, data.draw(cohorts(schema)), scale=data.draw(st.sampled_from([0.03, 1.0, 30.0]))))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("world", ["one test", "end of follow-up"])
@pytest.mark.parametrize("scale", [0.02, 1.0])
def test_twenty_patients_without_a_record_can_be_learnt_from(name: EngineName, world: str, scale: float):
    cohort = odd_cohort(world, 20, records=0)
    assert len(cohort.records) == 0
    assert_sound(learn(name, cohort, scale=scale))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("patients", [0, 1])
@pytest.mark.parametrize("scale", [0.02, 1.0, 50.0])
def test_a_cohort_of_one_or_of_nobody_ends_like_any_other(name: EngineName, patients: int, scale: float):
    assert_sound(learn(name, odd_cohort("end of follow-up").take(np.arange(patients)), scale=scale))


@pytest.mark.parametrize("name", ENGINES)
def test_one_and_many_are_as_many_as_asked(learnt: Callable[[EngineName, str], Learnt], name: EngineName):
    model = learnt(name, "end of follow-up").model
    for n in (1, 2, 333):
        drawn = model.sample(n, 1)
        assert len(drawn) == drawn.patients["patient_id"].nunique() == n
        assert drawn.records.owner.max(initial=0) < n


@pytest.mark.parametrize("name", ENGINES)
def test_another_seed_draws_other_patients(learnt: Callable[[EngineName, str], Learnt], name: EngineName):
    model = learnt(name, "orders in a chain").model
    one, other = (model.sample(60, seed) for seed in (1, 2))
    assert not one.patients.equals(other.patients)


@pytest.mark.parametrize("world", ["an outcome that may be missing", "orders in a chain", "fine and wide grids"])
@pytest.mark.parametrize("name", ENGINES)
def test_what_is_written_can_be_admitted_and_stays_the_same(
    learnt: Callable[[EngineName, str], Learnt], name: EngineName, world: str
):
    drawn = learnt(name, world).model.sample(80, 0)
    again = Cohort.of(drawn.schema, drawn.patients, drawn.labs)
    assert_same(again, drawn)


# --- the hospital -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=ENGINES)
def hospital(request: pytest.FixtureRequest, simulated_small: Cohort) -> Learnt:
    """The simulated hospital learnt with hardly any noise."""
    return learn(request.param, simulated_small, scale=0.05)


def test_the_hospital_can_be_learnt(hospital: Learnt):
    assert_sound(hospital)


def test_what_is_learnt_is_like_what_was_there(hospital: Learnt, simulated_small: Cohort):
    """Far from a judgement of quality: a model that had learnt nothing would miss all of these."""
    drawn = hospital.model.sample(1_500, 3)
    for column in ("sex", "ward", "died", "smoking"):
        real, made = (np.bincount(one.codes(column) + 1, minlength=6) / len(one) for one in (simulated_small, drawn))
        assert np.abs(real - made).sum() / 2 < 0.15, column
    for column in ("age", "weight", "stay_hours"):
        real, made = (np.nanmean(one.numbers(column)) for one in (simulated_small, drawn))
        assert made == pytest.approx(real, rel=0.15), column
    records = [len(one.records) / len(one) for one in (simulated_small, drawn)]
    assert records[1] == pytest.approx(records[0], rel=0.5)
    for test in (0, 7):  # sodium and haemoglobin, which nearly everybody has
        real, made = (one.records.value[one.records.test == test] for one in (simulated_small, drawn))
        assert made.mean() == pytest.approx(real.mean(), abs=0.35 * real.std())


# --- the plan -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["no tests", "one code and nothing else", "end of follow-up", "many codes"])
@pytest.mark.parametrize("name", ENGINES)
def test_charges_are_known_from_public_facts_alone(name: EngineName, world: str):
    schema = Schema.parse(ODD_SCHEMAS[world])
    charges = engine_of(name, schema).charges(1.0)
    assert len({charge.name for charge in charges}) == len(charges) > 0
    # the same whoever asks and how often, before a fit and after it
    again = engine_of(name, schema, seed=7)
    assert again.charges(1.0) == charges
    again.fit(Gate(cohort_in(schema, 5), Ledger(Plan(budget=BUDGET, charges=charges, cohort_size=SIZE))), quiet)
    assert again.charges(1.0) == charges
    assert all(charge.reads and charge.mechanism and charge.sensitivity for charge in charges)


@pytest.mark.parametrize("name", ENGINES)
def test_a_budget_is_spent_closely_and_never_overspent(name: EngineName):
    budget = Budget(epsilon=2.0, delta=1e-3)
    engine = make_engine(name, Schema.parse(ODD_SCHEMAS["end of follow-up"]), budget, cohort_size=SIZE, seed=0)
    plan = calibrate(budget, engine.charges, cohort_size=SIZE)
    assert 0.98 * budget.epsilon < plan.guarantee().epsilon <= budget.epsilon


@pytest.mark.parametrize("name", ENGINES)
def test_a_look_that_was_not_planned_is_refused(name: EngineName):
    """Without the last charge of its plan a fit ends with a refusal and not with a free look."""
    from privacy.errors import BudgetError

    cohort = odd_cohort("one test")
    engine = engine_of(name, cohort.schema)
    short = Plan(budget=BUDGET, charges=engine.charges(1.0)[:-1], cohort_size=SIZE)
    with pytest.raises(BudgetError):
        engine.fit(Gate(cohort, Ledger(short)), quiet)


# --- one patient more or less -------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["no tests", "end of follow-up", "orders in a chain"])
@pytest.mark.parametrize("name", ENGINES)
def test_a_patient_changes_nothing_that_is_public(name: EngineName, world: str):
    """With and without the patient who has most records: charges, messages, names, types and sizes of all arrays."""
    cohort = odd_cohort(world)
    gone = int(cohort.records_per_patient().argmax())
    seen = []
    for one in (cohort, cohort.take(np.delete(np.arange(len(cohort)), gone))):
        lines: list[tuple[str, int, int]] = []

        def note(stage: str, done: int, total: int, lines: list[tuple[str, int, int]] = lines) -> None:
            lines.append((stage, done, total))

        told = learn(name, one, scale=0.3, progress=note)
        arrays = {part: (np.asarray(array).dtype, np.shape(array)) for part, array in told.model.state().arrays.items()}
        seen.append((told.plan.charges, lines, arrays))
    (charges, lines, arrays), (same, unchanged, others) = seen
    assert charges == same
    assert lines == unchanged
    assert list(arrays) == list(others)
    for part, (dtype, shape) in arrays.items():
        assert others[part][0] == dtype, part
        assert others[part][1] == shape, part
