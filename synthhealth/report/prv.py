"""A second accountant that shares no code with the first: privacy loss random variables composed by Opacus.

Source: Gopi, Lee, Wutschitz 2021, "Numerical composition of differential privacy", in the implementation of Opacus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from opacus.accountants.analysis.prv.compose import compose_heterogeneous
from opacus.accountants.analysis.prv.domain import Domain
from opacus.accountants.analysis.prv.prvs import DiscretePRV, PoissonSubsampledGaussianPRV
from scipy.special import ndtr

from privacy.accounting import epsilon_rdp
from privacy.events import (
    DiscreteGaussian,
    DiscreteLaplace,
    Event,
    Gaussian,
    SampledGaussian,
    Selection,
    Thresholded,
)

_EPSILON_ERROR = 0.004
_DELTA_SHARE = 1e-3
_MOST_POINTS = 1_000_000
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One privacy loss variable as its distribution function on points, and how often it is composed."""

    at: _Law
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Law:
    """Which distribution the loss has: "gaussian", "sampled", "two points" or "range", with its parameters."""

    kind: str
    size: float
    rate: float = 1.0

    def cdf(self, t: Points) -> Points:
        """Chance that the loss is at most `t` [k]."""
        if self.kind == "gaussian":  # N(mu^2 / 2, mu^2)
            return np.asarray(ndtr((t - 0.5 * self.size**2) / self.size))
        if self.kind == "sampled":
            law = PoissonSubsampledGaussianPRV(self.rate, self.size)
            return np.asarray(law.cdf(t))  # type: ignore[no-untyped-call]  # it has no types
        if self.kind == "two points":  # geometric noise on a count that moves by 1: the loss is +a or -a
            up = 1.0 / (1.0 + math.exp(-self.size))
            return np.where(t >= self.size, 1.0, np.where(t >= -self.size, 1.0 - up, 0.0))
        # Exponential mechanism of range e: density exp((e + t) / 2) / (2 (exp(e) - 1)) on [-e, e].
        inside = np.expm1((self.size + np.clip(t, -self.size, self.size)) / 2.0) / math.expm1(self.size)
        return np.asarray(inside)


def epsilon_prv(events: tuple[Event, ...], delta: float) -> float:
    """The epsilon of all `events` together at `delta`, add or remove one patient; an estimate within 0.01.

    Discrete Gaussians enter as continuous ones; the delta of thresholds is taken off `delta`.

    Privacy: free; reads parameters, no rows.
    """
    rare = sum(e.delta for e in events if isinstance(e, Thresholded))
    left = delta - rare
    if left <= 0:
        return math.inf
    bound = epsilon_rdp(events, rare + left * _DELTA_SHARE)
    parts = _parts(events)
    total = sum(part.count for part in parts)
    step = 2.0 * _EPSILON_ERROR / math.sqrt(2.0 * total * math.log(2.0 / (delta * _DELTA_SHARE)))
    reach = bound + 2.0
    # A very large epsilon is told from its neighbours on a coarser grid too.
    step = max(step, 2.0 * reach / _MOST_POINTS)
    domain = Domain.create_aligned(-reach, reach, step)
    composed = compose_heterogeneous([_discrete(part.at, domain) for part in parts], [part.count for part in parts])
    _, estimate, _ = composed.compute_epsilon(left, left * _DELTA_SHARE, _EPSILON_ERROR)
    return float(max(0.0, estimate))


def _discrete(law: _Law, domain: Domain) -> DiscretePRV:
    """The law on the domain's points, shifted so that its mean is exact up to the grid (Gopi et al., section 4)."""
    points = np.asarray(domain.ts)
    half = domain.dt / 2.0
    mass = law.cdf(points + half) - law.cdf(points - half)
    mass = mass / mass.sum()
    fine = np.linspace(points[0], points[-1], 4 * len(points) + 1)
    mean = float(points[-1] - np.trapezoid(law.cdf(fine), fine))
    shift = mean - float(np.dot(points, mass))
    return DiscretePRV(pmf=mass, domain=domain.shift_right(shift if abs(shift) < half else 0.0))


def _parts(events: tuple[Event, ...]) -> list[_Part]:
    """Gaussians add up in squares and become one; everything else stays as it is."""
    square, parts = 0.0, []
    for event in events:
        match event:
            case Gaussian():
                square += event.count / event.noise_multiplier**2
            case DiscreteGaussian():
                square += event.count / event.sigma**2
            case Thresholded():
                square += 1.0 / event.noise_multiplier**2
            case SampledGaussian() if event.sample_rate < 1:
                law = _Law(kind="sampled", size=event.noise_multiplier, rate=event.sample_rate)
                parts.append(_Part(at=law, count=event.steps))
            case SampledGaussian():
                square += event.steps / event.noise_multiplier**2
            case DiscreteLaplace():
                parts.append(_Part(at=_Law(kind="two points", size=1.0 / event.scale), count=1))
            case Selection():
                parts.append(_Part(at=_Law(kind="range", size=event.epsilon), count=event.count))
    if square > 0:
        parts.append(_Part(at=_Law(kind="gaussian", size=math.sqrt(square)), count=1))
    return parts
