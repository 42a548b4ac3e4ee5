"""What a fit would cost, in words and numbers a person can decide by; made of public facts alone."""

from __future__ import annotations

import math

from privacy.accounting import delta_of, epsilon_of
from privacy.events import DiscreteGaussian, DiscreteLaplace, Event, Gaussian, SampledGaussian, Selection, Thresholded
from privacy.plan import Plan
from privacy.schema import Schema
from synthhealth.config import Config
from synthhealth.results import Advice, ChargeLine, Forecast, Planned, PopulationLine
from synthhealth.synthesizer import Synthesizer

PROFILE_AT = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
FINE, COARSE = 0.01, 0.05


def train_size(config: Config, schema: Schema) -> int:
    """About how many patients are left to learn from once the holdout is taken off; public."""
    return max(1, round(schema.cohort_size * (1 - config.data.holdout)))


def synthetic_size(config: Config, schema: Schema) -> int:
    """How many synthetic patients are written; public."""
    return schema.cohort_size if config.generator.patients is None else config.generator.patients


def planned(
    config: Config, synthesizer: Synthesizer, population: PopulationLine | None, forecast: Forecast | None = None
) -> Planned:
    """The plan of `synthesizer` as it is shown before a fit.

    Privacy: free; reads no rows.
    """
    plan, size = synthesizer.plan(), train_size(config, synthesizer.schema)
    promise = plan.guarantee()
    return Planned(
        name=synthesizer.schema.name,
        engine=synthesizer.engine.name,
        private=synthesizer.engine.private,
        epsilon_asked=plan.budget.epsilon,
        epsilon=promise.epsilon,
        delta=promise.delta,
        replace_one_epsilon=promise.replace_one_epsilon,
        unit=promise.unit,
        cohort_size=size,
        holdout=config.data.holdout,
        synthetic=synthetic_size(config, synthesizer.schema),
        charges=_lines(plan),
        profile=tuple((epsilon, delta_of(plan.events, epsilon)) for epsilon in PROFILE_AT),
        advice=_advice(plan, size),
        population=population,
        forecast=forecast,
    )


def _lines(plan: Plan) -> tuple[ChargeLine, ...]:
    shares = dict(plan.shares)
    return tuple(
        ChargeLine(
            name=charge.name,
            reads=charge.reads,
            mechanism=charge.mechanism,
            sigma=noise_of(charge.event),
            sample_rate=charge.event.sample_rate if isinstance(charge.event, SampledGaussian) else 1.0,
            steps=times_of(charge.event),
            epsilon_alone=epsilon_of((charge.event,), plan.budget.delta),
            share=shares[charge.name],
        )
        for charge in plan.charges
    )


def noise_of(event: Event) -> float:
    """The noise's standard deviation in units of the most that one patient can add to one number."""
    match event:
        case Gaussian() | SampledGaussian() | Thresholded():
            return event.noise_multiplier
        case DiscreteGaussian():
            return event.sigma
        case DiscreteLaplace():
            return float(event.scale * 2**0.5)
        case Selection():
            return 2.0 / event.epsilon


def times_of(event: Event) -> int:
    """How many numbers, tables, picks or steps one patient can touch."""
    match event:
        case SampledGaussian():
            return event.steps
        case Gaussian() | DiscreteGaussian() | Selection():
            return event.count
        case DiscreteLaplace() | Thresholded():
            return 1


def _advice(plan: Plan, size: int) -> tuple[Advice, ...]:
    """For each charge that counts patients: which groups of patients drown in its noise."""
    return tuple(
        _judged(charge.name, charge.event.sigma, size)
        for charge in plan.charges
        if isinstance(charge.event, DiscreteGaussian)
    )


def _judged(name: str, sigma: float, size: int) -> Advice:
    """Two standard deviations of the noise, as a number of patients and as a share of those learnt from."""
    smallest = max(1, math.ceil(2 * sigma))
    grade = "fine" if smallest <= FINE * size else "coarse" if smallest <= COARSE * size else "too small"
    why = f"groups of fewer than {smallest:,} patients ({smallest / size:.1%}) drown in the noise"
    if grade != "fine":
        why += (
            f"; with about {smallest / FINE:,.0f} patients to learn from, or a larger epsilon, it would be {FINE:.0%}"
        )
    return Advice(what=name, grade=grade, why=why)
