"""Canaries: fair coins, patients of the schema, gradients of their own coordinate, scores by the likelihood ratio."""

from __future__ import annotations

import numpy as np
import pytest
from audit.stage import FULL, Places, looked_up, people, room_of, silence, ward
from audit.tape import BUDGET, plan_of, small_engine
from lab_cohorts import SCHEMA
from scipy.stats import norm
from strategies import assert_same

from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.events import Gaussian, SampledGaussian
from privacy.plan import Charge, Plan
from synthhealth.audit.canaries import STRENGTH, CanaryRoom, Flock, log_odds
from synthhealth.audit.canary_audit import CanaryAudit, audit_engine, audit_steps, audit_sums
from synthhealth.audit.looks_audit import sums_of, sums_with
from synthhealth.audit.profile_test import Claim, profile_test
from synthhealth.audit.stand_ins import stand_ins
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.simulator import simulated_schema
from synthhealth.generators.training import Training
from synthhealth.generators.vae.engine import VaeEngine


def test_coins_are_fair_and_repeat():
    flock = Flock.of(4000, 3)
    assert 1800 < flock.inside.sum() < 2200
    assert np.array_equal(flock.inside, Flock.of(4000, 3).inside)
    assert not np.array_equal(flock.inside, Flock.of(4000, 4).inside)
    assert flock.heavy.sum() == 2000


def test_canaries_join_a_cohort_and_leave_the_others_as_they_were():
    flock = Flock.of(20, 0)
    joined = flock.among(ward())
    assert len(joined) == len(ward()) + flock.inside.sum()
    assert_same(joined.take(np.arange(len(ward()))), ward())
    numbers = flock.of_rows(joined)
    assert numbers[: len(ward())].tolist() == [-1] * len(ward())
    assert numbers[len(ward()) :].tolist() == np.flatnonzero(flock.inside).tolist()


def test_heavy_canaries_are_over_the_cap_and_the_gate_cuts_them_to_it():
    flock, cap = Flock.of(20, 0), SCHEMA.privacy_unit.max_records
    joined = flock.among(ward())
    canary = flock.of_rows(joined)
    heavy = np.isin(canary, np.flatnonzero(flock.heavy))
    counts = joined.records_per_patient()
    assert (counts[heavy] == 3 * cap).all()
    assert (counts[(canary >= 0) & ~heavy] == 0).all()
    assert room_of(joined).rows.records_per_patient()[heavy].tolist() == [cap] * int(heavy.sum())


def test_a_planted_coin_decides_on_three_patients():
    flock = Flock.of(10, 0, copies=3)
    canary = flock.of_rows(flock.among(ward()))
    assert np.bincount(canary[canary >= 0], minlength=10).tolist() == (3 * flock.inside).tolist()


def test_a_canary_moves_its_own_coordinate_and_no_other():
    flock = Flock.of(12, 1)
    room = CanaryRoom(room_of(flock.among(people(2))), flock)
    rows = np.flatnonzero(flock.of_rows(room.rows) >= 0)
    marks = room._gradients(rows, STRENGTH)
    canary = flock.of_rows(room.rows)[rows]
    records = room.rows.records_per_patient()[rows]
    expected = np.zeros((len(rows), 12))
    expected[np.arange(len(rows)), canary] = STRENGTH * (1 + records)
    assert np.array_equal(marks, expected)


def test_the_engine_gets_its_own_part_of_each_sum():
    """The canaries take nothing of it: clipped apart, and beside it."""
    flock = Flock.of(12, 1)
    room = CanaryRoom(room_of(flock.among(people(3))), flock)
    seen: list[int] = []

    def gradients(rows: Places) -> list[np.ndarray]:
        seen.extend(rows.tolist())
        return [np.full((len(rows), 4), 0.1)]

    with silence():
        got = room.step(gradients, 4, max_grad_norm=1.0)
    assert seen == [0, 1, 2]
    assert got == pytest.approx(np.full(4, 0.3))


@pytest.mark.parametrize("rate", [1.0, 0.2])
def test_log_odds_are_the_likelihood_ratio(rate: float):
    event, x = SampledGaussian(noise_multiplier=0.7, sample_rate=rate, steps=1), np.linspace(-3, 4, 15)
    without = norm.pdf(x, 0, 0.7)
    within = (1 - rate) * without + rate * norm.pdf(x, 1, 0.7)
    assert log_odds(x, event) == pytest.approx(np.log(within / without))


def test_log_odds_do_not_overflow():
    event = SampledGaussian(noise_multiplier=0.1, sample_rate=0.01, steps=1)
    assert np.isfinite(log_odds(np.array([-1e6, 1e6]), event)).all()


def test_scores_add_up_over_the_steps():
    flock = Flock.of(6, 0)
    room = CanaryRoom(room_of(flock.among(people(1)), FULL), flock)
    before = room.scores()
    room.step(looked_up(np.zeros((1, 0))), 0, max_grad_norm=1.0)
    first = room.scores()
    room.step(looked_up(np.zeros((1, 0))), 0, max_grad_norm=3.0)
    assert not before.any()
    assert first.any()
    assert not np.array_equal(room.scores(), first)


def test_stand_ins_keep_the_rules_of_any_schema():
    for schema in (SCHEMA, simulated_schema(50)):
        made_up = stand_ins(schema, 30, 0)
        assert len(made_up) == 30
        again = Cohort.of(schema, made_up.patients, made_up.labs)
        assert len(again.records) == len(made_up.records) > 0


def test_steps_are_audited_with_a_control():
    event = SampledGaussian(noise_multiplier=1.2, sample_rate=1.0, steps=1)
    found = audit_steps(event, delta=1e-6, seed=0, canaries=800)
    assert found.claimed == pytest.approx(epsilon_of((event,), 1e-6))
    assert found.control.falsified
    assert found.found.excess < 0
    assert found.static.members + found.heavy.members == pytest.approx(found.found.members, abs=2)


@pytest.mark.parametrize("name", ["vae", "vae-dpsgd"])
def test_a_whole_fit_can_be_audited(name: str):
    """Every step of the production fit goes through the canaries' room, and no other."""
    engine = small_engine(name, SCHEMA)  # type: ignore[arg-type]
    assert isinstance(engine, VaeEngine | DpsgdEngine)
    entered: list[str] = []
    real = Training.enter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "enter", lambda gate, charge: (entered.append(charge), real(gate, charge))[1])
        found = audit_engine(engine, plan_of(engine), seed=0, canaries=60)
    assert isinstance(found, CanaryAudit)
    assert len(entered) == 2
    assert found.events == tuple(c.event for c in plan_of(engine).charges if isinstance(c.event, SampledGaussian))
    assert found.claimed < BUDGET.epsilon
    assert found.found.excess < 0.5


def test_sums_are_audited_together():
    def charge(name: str, noise: float) -> Charge:
        return Charge(name=name, event=Gaussian(noise_multiplier=noise), reads="", mechanism="", sensitivity="")

    plan = Plan(budget=Budget(epsilon=30, delta=1e-6), charges=(charge("a", 1.0), charge("b", 3.0)), cohort_size=100)
    assert sums_of(plan) == plan.charges
    flock = Flock.of(3000, 0)
    scores = sums_with(SCHEMA, plan, flock)
    mu = np.hypot(1.0, 1 / 3.0)
    assert scores[flock.inside].mean() == pytest.approx(mu**2 / 2, abs=5 * mu / np.sqrt(1500))
    assert scores[~flock.inside].mean() == pytest.approx(-(mu**2) / 2, abs=5 * mu / np.sqrt(1500))
    claim = Claim.of(tuple(one.event for one in plan.charges), 1e-6)
    assert not profile_test(scores[flock.inside], scores[~flock.inside], claim, alpha=1e-5).falsified
    cheaper = Claim.of((plan.charges[1].event,), 1e-6)
    assert profile_test(scores[flock.inside], scores[~flock.inside], cheaper, alpha=1e-3).falsified
    assert audit_sums(SCHEMA, plan, seed=0, canaries=400).control.falsified
