"""Events are frozen data: they refuse values that make no event, and survive the way through JSON."""

import json
import math
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.errors import ConfigError
from privacy.events import (
    DiscreteGaussian,
    DiscreteLaplace,
    Event,
    Gaussian,
    SampledGaussian,
    Selection,
    Thresholded,
    event_from_json,
    event_to_json,
)

POSITIVE = st.floats(1e-3, 1e3)
COUNT = st.integers(1, 10_000)
EVENTS = st.one_of(
    st.builds(Gaussian, noise_multiplier=POSITIVE, count=COUNT),
    st.builds(DiscreteGaussian, sigma=POSITIVE, count=COUNT),
    st.builds(SampledGaussian, noise_multiplier=POSITIVE, sample_rate=st.floats(1e-6, 1.0), steps=COUNT),
    st.builds(DiscreteLaplace, scale=POSITIVE),
    st.builds(Selection, epsilon=POSITIVE, count=COUNT),
    st.builds(Thresholded, noise_multiplier=POSITIVE, delta=st.floats(1e-12, 1e-3)),
)


@given(EVENTS)
def test_events_survive_json(event: Event):
    assert event_from_json(json.loads(json.dumps(dict(event_to_json(event))))) == event


@given(EVENTS)
def test_events_are_frozen_and_equal_by_value(event: Event):
    assert replace(event) == event
    assert hash(replace(event)) == hash(event)


def test_events_do_not_change():
    event = Gaussian(noise_multiplier=1.0)
    with pytest.raises(FrozenInstanceError):
        event.noise_multiplier = 2.0  # type: ignore[misc]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, True])
def test_noise_must_be_finite_and_above_0(bad: float):
    for make in (
        lambda: Gaussian(noise_multiplier=bad),
        lambda: DiscreteGaussian(sigma=bad),
        lambda: SampledGaussian(noise_multiplier=bad, sample_rate=0.1, steps=1),
        lambda: DiscreteLaplace(scale=bad),
        lambda: Selection(epsilon=bad),
        lambda: Thresholded(noise_multiplier=bad, delta=1e-7),
        lambda: Thresholded(noise_multiplier=1.0, delta=bad),
    ):
        with pytest.raises(ConfigError, match="must be a finite number above 0; got"):
            make()


@pytest.mark.parametrize("bad", [0, -3, 2.5, True])
def test_counts_must_be_whole_and_at_least_1(bad: int):
    for make in (
        lambda: Gaussian(noise_multiplier=1.0, count=bad),
        lambda: DiscreteGaussian(sigma=1.0, count=bad),
        lambda: SampledGaussian(noise_multiplier=1.0, sample_rate=0.1, steps=bad),
        lambda: Selection(epsilon=1.0, count=bad),
    ):
        with pytest.raises(ConfigError, match="whole number of at least 1"):
            make()


def test_a_rate_above_1_and_a_delta_of_1_are_refused():
    with pytest.raises(ConfigError, match="sample_rate"):
        SampledGaussian(noise_multiplier=1.0, sample_rate=1.01, steps=1)
    with pytest.raises(ConfigError, match="delta"):
        Thresholded(noise_multiplier=1.0, delta=1.0)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "Laplace", "scale": 1.0},
        {"kind": "Gaussian"},
        {"kind": "Gaussian", "noise_multiplier": 1.0, "count": 1, "sigma": 2.0},
        {"kind": "SampledGaussian", "noise_multiplier": 1.0, "steps": 3},
    ],
)
def test_unknown_kinds_and_parameters_are_refused(values: dict[str, str | float]):
    with pytest.raises(ConfigError, match="event"):
        event_from_json(values)
