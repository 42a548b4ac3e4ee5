"""Tiny worlds: nothing happens with the extreme patient that cannot happen without, and what would is seen."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from audit import breaks_of_engines as engines
from audit.tape import short_dreams
from scipy.stats import binom

from privacy import mechanisms
from privacy.budget import Budget
from privacy.plan import Plan, calibrate
from synthhealth.audit.observation import Observation, observe
from synthhealth.audit.tiny_tables import EXTREMES, Tables, worlds
from synthhealth.audit.tiny_world import DELTA, EPSILON, Scan, one_world_chance, scan, suspects, tiny_engine
from synthhealth.generators.protocol import EngineName

RUNS = 16  # the least at which an event of one world only is ruled out
CLAIM = Budget(epsilon=EPSILON, delta=DELTA)


def scanned(patient: str, *, runs: int = RUNS, name: EngineName = "marginal") -> Scan:
    torch.set_num_threads(1)
    with short_dreams():
        return scan(name, patient, runs=runs)


def test_nothing_happens_in_one_world_only(monkeypatch: pytest.MonkeyPatch):
    chance = np.random.default_rng()  # the law of the noise is not what is tried here, and diffprivlib takes its time
    monkeypatch.setattr(
        mechanisms, "_discrete_gaussian", lambda counts, s: (counts + np.rint(chance.normal(0, s, len(counts))), s)
    )
    assert scanned("beyond all bounds").suspects == ()


def of_structure(leak: engines.Break | None) -> list[str]:
    """What parts the worlds in messages and in the shapes of grids, where one run shows what every run does."""
    with pytest.MonkeyPatch.context() as patch:
        if leak is not None:
            leak(patch)
        without, within = (observed(tables) for tables in worlds("beyond all bounds"))
    public = ("line", "meta", "drawn", "array attributes")
    return [event for event in without.events ^ within.events if event.startswith(public)]


def test_leaks_of_structure_part_the_worlds():
    assert of_structure(None) == []
    assert sorted(of_structure(engines.number_told)) == ["line ('patients', 0, 12)", "line ('patients', 0, 13)"]
    assert any(event.startswith("array") for event in of_structure(engines.bounds_from_rows))


def observed(tables: Tables) -> Observation:
    engine = tiny_engine("marginal")
    with short_dreams():
        return observe(engine, calibrate(CLAIM, engine.charges, cohort_size=20), tables)


@pytest.mark.slow
@pytest.mark.parametrize("patient", EXTREMES)
@pytest.mark.parametrize("name", ["marginal", "vae"])
def test_nothing_happens_in_one_world_only_in_many_runs(name: EngineName, patient: str):
    found = scanned(patient, runs=150, name=name)
    assert found.suspects == ()
    assert found.profile is not None
    assert not found.falsified


def test_numbers_are_of_a_size_that_has_a_spread():
    """An array without entries counts as 0: a number beyond all others would overflow where spreads are taken."""
    without, within = (observed(tables) for tables in worlds("nothing known"))
    assert [name for name, _ in without.numbers] == [name for name, _ in within.numbers]
    assert np.abs([value for one in (without, within) for _, value in one.numbers]).max() < 1e9


def test_the_worlds_differ_by_one_patient():
    for patient in EXTREMES:
        without, within = worlds(patient)
        for ours, theirs in ((without.patients, within.patients), (without.labs, within.labs)):
            others = theirs[theirs["patient_id"] != "extreme"]
            assert ours.astype(str).equals(others.astype(str))
            assert len(theirs) > len(ours)


def test_a_failure_is_an_observation():
    engine = tiny_engine("marginal")
    plan = Plan(budget=CLAIM, charges=(), cohort_size=20)
    without, _ = worlds("nothing known")
    seen = observe(engine, plan, without)
    assert [event for event in seen.events if event.startswith("failed with BudgetError")]
    broken = Tables(patients=without.patients.drop(columns="age"), labs=without.labs)
    assert [event for event in observe(engine, plan, broken).events if event.startswith("failed with DataError")]


@pytest.mark.parametrize("times", [1, 8, 16])
def test_the_chance_of_an_event_of_one_world_is_the_worst_over_its_probability(times: int):
    found = one_world_chance(times, RUNS, CLAIM)
    grid = np.linspace(0, 1, 2001)[:-1]
    here = np.minimum(1.0, math.exp(EPSILON) * grid + DELTA)
    by_hand = binom.sf(times - 1, RUNS, here) * (1 - grid) ** RUNS
    assert found == pytest.approx(by_hand.max(), rel=1e-3)


def test_more_often_in_one_world_is_less_likely():
    chances = [one_world_chance(times, RUNS, CLAIM) for times in range(1, RUNS + 1)]
    assert all(later < earlier for earlier, later in pairwise(chances))
    assert chances[-1] < 1e-8
    assert one_world_chance(RUNS, RUNS, Budget(epsilon=5.0, delta=DELTA)) > 0.1


def observations(*events: str, runs: int = RUNS) -> list[Observation]:
    return [Observation(events=frozenset(events), numbers=()) for _ in range(runs)]


def test_only_what_the_claim_rules_out_is_a_suspect():
    plan = Plan(budget=CLAIM, charges=(), cohort_size=20)
    common = observations("a", "b")
    found = suspects(common, observations("a", "b", "leak"), plan)
    assert [(one.event, one.with_patient, one.times) for one in found] == [("leak", True, RUNS)]
    found = suspects(observations("a", "b", "gone"), common, plan)
    assert [(one.event, one.with_patient) for one in found] == [("gone", False)]
    rare = [*observations("a", "b", "chance", runs=4), *observations("a", "b", runs=RUNS - 4)]
    assert suspects(common, rare, plan) == ()
