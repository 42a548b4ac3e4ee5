"""What happened to real rows, as data: each event names a mechanism and its parameters, never its cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from privacy.errors import ConfigError, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian:
    """`count` Gaussian releases; `noise_multiplier` is sigma over the L2 sensitivity of one of them."""

    noise_multiplier: float
    count: int = 1

    def __post_init__(self) -> None:
        _positive("noise_multiplier", self.noise_multiplier)
        _at_least_one("count", self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteGaussian:
    """`count` tables of whole numbers under discrete Gaussian noise; one patient moves one cell of each by 1.

    `sigma` is the parameter of Canonne, Kamath and Steinke (2020), in patients.
    """

    sigma: float
    count: int = 1

    def __post_init__(self) -> None:
        _positive("sigma", self.sigma)
        _at_least_one("count", self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledGaussian:
    """`steps` Gaussian releases, each on a fresh Poisson sample of the patients at `sample_rate`."""

    noise_multiplier: float
    sample_rate: float
    steps: int

    def __post_init__(self) -> None:
        _positive("noise_multiplier", self.noise_multiplier)
        _positive("sample_rate", self.sample_rate)
        _at_least_one("steps", self.steps)
        if self.sample_rate > 1:
            raise ConfigError(
                refusal(
                    what=f"sample_rate ({self.sample_rate:g})",
                    must="be at most 1",
                    got=f"{self.sample_rate:g}",
                    fix="use 1 for the full batch",
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteLaplace:
    """One count of patients under geometric noise: P(k) proportional to exp(-|k| / scale), sensitivity 1."""

    scale: float

    def __post_init__(self) -> None:
        _positive("scale", self.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`count` picks by the exponential mechanism, each of range `epsilon`: weights exp(epsilon score / (2 sens))."""

    epsilon: float
    count: int = 1

    def __post_init__(self) -> None:
        _positive("epsilon", self.epsilon)
        _at_least_one("count", self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholded:
    """A choice of codes by noisy numbers of patients above a threshold: Gaussian noise, and `delta` for the rare.

    `delta` bounds the chance that a code held by one patient alone is kept.
    """

    noise_multiplier: float
    delta: float

    def __post_init__(self) -> None:
        _positive("noise_multiplier", self.noise_multiplier)
        _positive("delta", self.delta)
        if self.delta >= 1:
            raise ConfigError(
                refusal(
                    what=f"delta ({self.delta:g})",
                    must="be below 1",
                    got=f"{self.delta:g}",
                    fix="take a tenth of the budget's delta",
                )
            )


Event = Gaussian | DiscreteGaussian | SampledGaussian | DiscreteLaplace | Selection | Thresholded
_KINDS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (Gaussian, DiscreteGaussian, SampledGaussian, DiscreteLaplace, Selection, Thresholded)
}


def event_to_json(event: Event) -> Mapping[str, str | float]:
    """The event as plain values: `kind` and its parameters."""
    return {"kind": type(event).__name__, **asdict(event)}


def event_from_json(values: Mapping[str, str | float]) -> Event:
    """The event that `event_to_json` wrote; raises ConfigError for an unknown kind or other parameters."""
    kind = _KINDS.get(str(values.get("kind")))
    parameters = {name: value for name, value in values.items() if name != "kind"}
    if kind is None or set(parameters) != set(kind.__dataclass_fields__):
        raise ConfigError(
            refusal(
                what=f"event {values.get('kind')!r}",
                must="be one of " + ", ".join(_KINDS) + " with its own parameters",
                got=", ".join(sorted(parameters)),
                fix="check that the ledger was written by this version",
            )
        )
    return kind(**parameters)  # type: ignore[arg-type]  # each kind checks its own values


def _positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        raise ConfigError(
            refusal(what=f"{name} ({value})", must="be a finite number above 0", got=f"{value}", fix="raise the noise")
        )


def _at_least_one(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(
            refusal(what=f"{name} ({value})", must="be a whole number of at least 1", got=f"{value}", fix="use 1")
        )
