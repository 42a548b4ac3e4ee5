"""A plan costs no more than its budget, and calibration buys the least noise that does."""

import json

import pytest
from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import charge, plan_of

from privacy import plan as plan_module
from privacy.accounting import epsilon_of, loss_of
from privacy.budget import Budget, Neighbours
from privacy.errors import BudgetError, ConfigError
from privacy.events import (
    DiscreteGaussian,
    DiscreteLaplace,
    Event,
    Gaussian,
    SampledGaussian,
    Selection,
    Thresholded,
)
from privacy.plan import Charge, Plan, calibrate

THREE = Budget(epsilon=3.0, delta=1e-6)


def tables_at(scale: float) -> tuple[Charge, ...]:
    return (
        charge("bins", DiscreteGaussian(sigma=15 * scale, count=8)),
        charge("moments", Gaussian(noise_multiplier=2.5 * scale)),
    )


def all_at(scale: float) -> tuple[Charge, ...]:
    return (
        *tables_at(scale),
        charge("patients", DiscreteLaplace(scale=50 * scale)),
        charge("pairs", Selection(epsilon=0.05 / scale, count=20)),
        charge("codes", Thresholded(noise_multiplier=12 * scale, delta=1e-8)),
        charge("steps", Gaussian(noise_multiplier=6 * scale, count=3)),
        charge("training", SampledGaussian(noise_multiplier=1.2 * scale, sample_rate=0.02, steps=1000)),
    )


def test_a_typical_plan_is_calibrated_closely_and_in_few_tries(monkeypatch: pytest.MonkeyPatch):
    tried: list[tuple[Event, ...]] = []

    def counted(events: tuple[Event, ...], neighbours: Neighbours, coarser: int) -> PrivacyLossDistribution:
        tried.append(events)
        return loss_of(events, neighbours, coarser)

    monkeypatch.setattr(plan_module, "loss_of", counted)
    plan = calibrate(THREE, all_at, cohort_size=17_000)
    cost = epsilon_of(plan.events, 1e-6)
    assert 2.995 < cost <= 3.0
    assert len(tried) <= 8


@settings(max_examples=5, deadline=None)
@given(st.floats(0.1, 12.0), st.sampled_from([1e-5, 1e-6, 1e-9]), st.floats(0.01, 100.0))
def test_calibration_never_overshoots_and_wastes_little(epsilon: float, delta: float, start: float):
    plan = calibrate(Budget(epsilon=epsilon, delta=delta), lambda scale: tables_at(scale * start), cohort_size=1000)
    assert 0.995 * epsilon < epsilon_of(plan.events, delta) <= epsilon


@pytest.mark.parametrize(
    "event_at",
    [
        lambda s: Gaussian(noise_multiplier=s),
        lambda s: DiscreteGaussian(sigma=s),
        lambda s: Selection(epsilon=1 / s, count=30),
        lambda s: DiscreteLaplace(scale=s),
        lambda s: Thresholded(noise_multiplier=s, delta=1e-8),
        lambda s: SampledGaussian(noise_multiplier=s, sample_rate=0.3, steps=20),
    ],
)
def test_each_kind_of_event_can_be_calibrated_alone(event_at):  # noqa: ANN001
    budget = Budget(epsilon=1.0, delta=1e-6)
    plan = calibrate(budget, lambda scale: (charge("one", event_at(scale)),), cohort_size=1000)
    assert 0.98 < epsilon_of(plan.events, 1e-6) <= 1.0


def test_everything_is_calibrated_together():
    # noise that ignores the tables overspends; this is the mutant that calibrates training alone
    alone = calibrate(THREE, lambda scale: all_at(scale)[-1:], cohort_size=17_000).events
    assert epsilon_of((*alone, *plan_of({c.name: c.event for c in tables_at(1.0)}).events), 1e-6) > 3.0


@pytest.mark.parametrize(
    "fixed",
    [DiscreteLaplace(scale=0.3), Thresholded(noise_multiplier=9.0, delta=2e-6), Gaussian(noise_multiplier=0.5)],
)
def test_a_fixed_charge_above_the_budget_makes_it_infeasible(fixed):  # noqa: ANN001
    with pytest.raises(BudgetError, match=r"requested .*, remaining 3, difference") as refused:
        calibrate(THREE, lambda scale: (*tables_at(scale), charge("fixed", fixed)), cohort_size=1000)
    assert refused.value.exit_code == 4


def test_delta_is_held_against_the_public_size():
    with pytest.raises(BudgetError, match=r"delta \(1e-06\) must be at most 0.1/cohort_size = 5e-07; got requested"):
        calibrate(THREE, tables_at, cohort_size=200_000)
    with pytest.raises(BudgetError, match="difference"):
        Plan(budget=Budget(epsilon=1.0, delta=0.01), charges=(), cohort_size=11)
    assert calibrate(THREE, tables_at, cohort_size=100_000).cohort_size == 100_000
    with pytest.raises(ConfigError, match="cohort_size"):
        calibrate(THREE, tables_at, cohort_size=0)


@pytest.mark.parametrize(
    ("size", "delta"), [(20, 1e-6), (10_000, 1e-6), (10_001, 1e-7), (100_000, 1e-7), (2_000_000, 1e-9)]
)
def test_default_delta_follows_the_public_size(size: int, delta: float):
    assert Budget.default_delta(size) == pytest.approx(delta)
    Budget(epsilon=1.0, delta=Budget.default_delta(size)).require_for(size)
    assert size * Budget.default_delta(size) <= 0.01 * (1 + 1e-9)  # what the default policy passes


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(0.0, 1e-6), (-1.0, 1e-6), (float("inf"), 1e-6), (1.0, 0.0), (1.0, 1.0)]
)
def test_a_budget_without_sense_is_refused(epsilon: float, delta: float):
    with pytest.raises(ConfigError, match="must"):
        Budget(epsilon=epsilon, delta=delta)


def test_a_plan_above_its_budget_is_refused_with_the_numbers():
    with pytest.raises(BudgetError, match=r"requested 4\.88\d+, remaining 3, difference 1\.88\d+"):
        plan_of({"one": Gaussian(noise_multiplier=1.0)}, epsilon=3.0)


def test_names_must_differ():
    with pytest.raises(ConfigError, match="one twice"):
        Plan(
            budget=THREE,
            charges=(charge("one", DiscreteLaplace(scale=9.0)), charge("one", DiscreteLaplace(scale=8.0))),
            cohort_size=100,
        )


def test_a_charge_outside_the_plan_is_refused():
    with pytest.raises(BudgetError, match=r"charge 'two' must stand in the plan .*got a plan of one; requested 1"):
        plan_of({"one": Gaussian(noise_multiplier=9.0)}).charge("two")
    with pytest.raises(BudgetError, match="a plan of nothing"):
        plan_of({}).charge("two")


def test_shares_add_up_and_follow_the_noise():
    shares = dict(plan_of({c.name: c.event for c in all_at(1.0)}).shares)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares) == [c.name for c in all_at(1.0)]
    one, two = (
        dict(plan_of({"a": Gaussian(noise_multiplier=x), "b": Gaussian(noise_multiplier=2.0)}).shares)
        for x in (2.0, 4.0)
    )
    assert one["a"] == pytest.approx(0.5)
    assert two["a"] == pytest.approx(0.2)


def test_an_empty_plan_promises_everything():
    plan = plan_of({})
    assert plan.guarantee().epsilon == 0.0
    assert plan.shares == ()


def test_guarantee_states_unit_neighbours_and_profile():
    guarantee = plan_of({"one": Gaussian(noise_multiplier=4.0)}, epsilon=3.0).guarantee()
    assert guarantee.neighbours == "add_remove"
    assert guarantee.unit == "one patient with all rows in all tables"
    assert guarantee.replace_one_epsilon > guarantee.epsilon
    assert guarantee.profile[0][0] == 0.0
    assert "(1.061, 1e-06)" in str(guarantee)
    assert "replace one" in str(guarantee)


def test_a_plan_is_plain_json():
    plan = plan_of({c.name: c.event for c in all_at(2.0)}, epsilon=30.0)
    values = json.loads(json.dumps(dict(plan.to_json())))
    assert values["budget"] == {"epsilon": 30.0, "delta": 1e-6}
    assert [c["name"] for c in values["charges"]] == [c.name for c in plan.charges]
    assert set(values["charges"][0]) == {"name", "event", "reads", "mechanism", "sensitivity"}
