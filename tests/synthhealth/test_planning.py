from __future__ import annotations

import math

import pytest
from tiny_project import stand_in

from privacy.budget import Budget
from privacy.events import (
    DiscreteGaussian,
    DiscreteLaplace,
    Event,
    Gaussian,
    SampledGaussian,
    Selection,
    Thresholded,
)
from privacy.plan import Charge, Plan
from synthhealth.config import Config
from synthhealth.generators.simulator import simulated_schema
from synthhealth.planning import noise_of, planned, synthetic_size, times_of, train_size
from synthhealth.spending import budget_of
from synthhealth.synthesizer import Synthesizer

SCHEMA = simulated_schema(20_000)


def config(text: str = "") -> Config:
    return Config.parse(f"[budget]\nepsilon = 2\n{text}")


def test_sizes_are_public_and_follow_from_schema_and_config() -> None:
    assert train_size(config("[data]\nholdout = 0.25\n"), SCHEMA) == 15_000
    assert synthetic_size(config(), SCHEMA) == 20_000
    assert synthetic_size(config("[generator]\npatients = 7\n"), SCHEMA) == 7


def test_delta_follows_from_the_size_unless_it_is_given() -> None:
    assert budget_of(config(), SCHEMA) == Budget(epsilon=2, delta=1e-7)
    assert budget_of(config(), simulated_schema(2_000_000)) == Budget(epsilon=2, delta=1e-9)
    assert budget_of(config("delta = 1e-8\n"), SCHEMA) == Budget(epsilon=2, delta=1e-8)


@pytest.mark.parametrize(
    ("event", "noise", "times"),
    [
        (Gaussian(noise_multiplier=3.0, count=2), 3.0, 2),
        (DiscreteGaussian(sigma=5.0, count=4), 5.0, 4),
        (SampledGaussian(noise_multiplier=1.5, sample_rate=0.1, steps=60), 1.5, 60),
        (DiscreteLaplace(scale=2.0), 2.0 * math.sqrt(2), 1),
        (Selection(epsilon=0.5, count=8), 4.0, 8),
        (Thresholded(noise_multiplier=4.0, delta=1e-8), 4.0, 1),
    ],
)
def test_every_event_has_a_noise_and_a_number_of_times(event: Event, noise: float, times: int) -> None:
    assert noise_of(event) == pytest.approx(noise)
    assert times_of(event) == times


def test_a_plan_in_words_agrees_with_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    synthesizer = Synthesizer(SCHEMA, budget=budget_of(config(), SCHEMA), cohort_size=14_000, engine="marginal")
    told, plan = planned(config(), synthesizer, None), synthesizer.plan()
    assert told.epsilon == plan.guarantee().epsilon
    assert [line.name for line in told.charges] == [charge.name for charge in plan.charges]
    assert sum(line.share for line in told.charges) == pytest.approx(1)
    assert all(line.epsilon_alone <= told.epsilon + 1e-9 for line in told.charges)
    deltas = [delta for _, delta in told.profile]
    assert deltas == sorted(deltas, reverse=True)


@pytest.mark.parametrize(("sigma", "grade"), [(10.0, "fine"), (40.0, "coarse"), (200.0, "too small")])
def test_advice_names_the_groups_that_drown(monkeypatch: pytest.MonkeyPatch, sigma: float, grade: str) -> None:
    stand_in(monkeypatch)
    schema = simulated_schema(2_858)
    synthesizer = Synthesizer(schema, budget=Budget(epsilon=5, delta=1e-6), cohort_size=2_001, engine="marginal")
    count = DiscreteGaussian(sigma=sigma, count=1)
    charge = Charge(name="one-way", event=count, reads="", mechanism="", sensitivity="")
    synthesizer._plan = Plan(budget=synthesizer.budget, charges=(charge,), cohort_size=2_001)
    (advice,) = planned(config(), synthesizer, None).advice
    assert advice.grade == grade
    assert f"fewer than {2 * sigma:,.0f} patients" in advice.why
    assert ("larger epsilon" in advice.why) == (grade != "fine")
