"""The account against the run: what is charged is what happens, and another accountant comes to the same price."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from audit.stage import FULL, looked_up, people, room_of, ward
from audit.tape import BUDGET, SIZE, fitted, small_engine
from dp_accounting import dp_event as dp
from dp_accounting.pld.pld_privacy_accountant import PLDAccountant
from lab_cohorts import SCHEMA
from small_world import gate_of

from privacy.accounting import epsilon_of
from privacy.cohort import Cohort
from privacy.errors import BudgetError
from privacy.events import DiscreteGaussian, Event, Gaussian, SampledGaussian
from privacy.gate import Gate
from privacy.plan import calibrate
from synthhealth.engines import make_engine
from synthhealth.generators.protocol import EngineName


def other_price(events: tuple[Event, ...], delta: float) -> float:
    """The price by dp_accounting's own composition of named events, discrete noise taken for continuous."""
    accountant = PLDAccountant(value_discretization_interval=1e-3)
    for event in events:
        match event:
            case Gaussian(noise_multiplier=sigma, count=count) | DiscreteGaussian(sigma=sigma, count=count):
                accountant.compose(dp.GaussianDpEvent(sigma), count)
            case SampledGaussian(noise_multiplier=sigma, sample_rate=rate, steps=steps):
                accountant.compose(dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(sigma)), steps)
            case _:
                raise NotImplementedError
    return float(accountant.get_epsilon(delta))


@pytest.mark.parametrize(("rate", "steps", "noise"), [(1.0, 4, 3.1), (0.05, 60, 1.0), (0.3, 20, 2.0)])
def test_another_accountant_names_the_same_price(rate: float, steps: int, noise: float):
    _prices_agree(rate, steps, noise)


def test_the_price_of_many_steps_is_that_of_many_steps():
    _prices_agree(0.05, 60, 1.0)


def _prices_agree(rate: float, steps: int, noise: float) -> None:
    event = SampledGaussian(noise_multiplier=noise, sample_rate=rate, steps=steps)
    assert epsilon_of((event,), 1e-6) == pytest.approx(other_price((event,), 1e-6), rel=5e-3)


def test_the_whole_plan_of_an_engine_costs_what_was_asked_by_another_accountant():
    """All looks together: noise that was calibrated for the training alone would overspend."""
    names: tuple[EngineName, ...] = ("marginal", "vae")
    for name in names:
        engine = make_engine(name, SCHEMA, BUDGET, cohort_size=SIZE, seed=0)
        plan = calibrate(BUDGET, engine.charges, cohort_size=SIZE)
        assert 0.98 * BUDGET.epsilon < other_price(plan.events, BUDGET.delta) <= 1.003 * BUDGET.epsilon


def test_what_is_charged_is_what_happens():
    """Releases on tape, their noise and the ledger: every charge once, in order, at its own noise multiplier."""
    torch.set_num_threads(1)
    names: tuple[EngineName, ...] = ("marginal", "vae")
    for name in names:
        engine = small_engine(name, SCHEMA)
        fit = fitted(engine, ward())
        assert fit.spent == tuple(charge.name for charge in engine.charges(1.0))


def test_rows_are_seen_as_often_as_they_were_paid_for():
    """Every access to what stands behind the gate is counted, by whatever name it is reached."""
    torch.set_num_threads(1)
    engine, slot, seen = small_engine("marginal", SCHEMA), Gate.__dict__["_Gate__rows"], list[str]()

    def read(gate: Gate) -> Cohort:
        seen.append("read")
        rows: Cohort = slot.__get__(gate, Gate)
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "_Gate__rows", property(read, slot.__set__))
        fit = fitted(engine, ward())
    assert len(seen) == len(fit.spent) == len(engine.charges(1.0))


def test_no_step_more_than_was_paid_for():
    room = room_of(people(2), SampledGaussian(noise_multiplier=2.0, sample_rate=1.0, steps=2))
    for _ in range(2):
        room.step(looked_up(np.zeros((2, 1))), 1, max_grad_norm=1.0)
    with pytest.raises(BudgetError, match="paid for"):
        room.step(looked_up(np.zeros((2, 1))), 1, max_grad_norm=1.0)


def test_a_receipt_opens_the_gate_once_and_a_charge_is_spent_once():
    gate = gate_of(people(2), {"training": FULL})
    receipt = gate.ledger.spend("training")
    gate.open(receipt)
    with pytest.raises(BudgetError):
        gate.open(receipt)
    with pytest.raises(BudgetError):
        gate.ledger.spend("training")
    with pytest.raises(BudgetError):
        gate.ledger.spend("another look")


def test_one_step_at_rate_one_is_a_gaussian():
    """The closed form of Balle and Wang (2018), theorem 8."""
    sigma, epsilon = 1.0, epsilon_of((SampledGaussian(noise_multiplier=1.0, sample_rate=1.0, steps=1),), 1e-6)
    first, second = (0.5 * math.erfc(-x / math.sqrt(2)) for x in (0.5 / sigma - epsilon, -0.5 / sigma - epsilon))
    assert first - math.exp(epsilon) * second == pytest.approx(1e-6, rel=2e-2)
