"""A training plan is public arithmetic: nothing in it can come from the number of rows."""

import dataclasses
import math

import pytest

from privacy.dpsgd import TrainingPlan
from privacy.errors import ConfigError
from privacy.events import SampledGaussian


def plan(**changes: float) -> TrainingPlan:
    given = {"sample_rate": 0.02, "steps": 100, "noise_multiplier": 1.1, "max_grad_norm": 1.0, "cohort_size": 5_000}
    return TrainingPlan(**{**given, **changes})  # type: ignore[arg-type]


def test_the_event_names_what_will_happen():
    assert plan().event == SampledGaussian(noise_multiplier=1.1, sample_rate=0.02, steps=100)


def test_the_divisor_is_public_and_never_below_one():
    assert plan().expected_batch == 100.0
    assert plan(sample_rate=1e-6).expected_batch == 1.0
    assert {field.name for field in dataclasses.fields(TrainingPlan)} == {
        "sample_rate",
        "steps",
        "noise_multiplier",
        "max_grad_norm",
        "cohort_size",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_rate": 0.0},
        {"sample_rate": 1.2},
        {"steps": 0},
        {"noise_multiplier": 0.0},
        {"noise_multiplier": math.nan},
        {"max_grad_norm": 0.0},
        {"max_grad_norm": math.nan},
        {"max_grad_norm": math.inf},
        {"cohort_size": 0},
    ],
)
def test_a_plan_without_sense_is_refused(changes: dict[str, float]):
    with pytest.raises(ConfigError, match="to fix"):
        plan(**changes)
