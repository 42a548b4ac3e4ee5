"""What events cost: one privacy loss distribution for all together, and a second opinion by Renyi divergence."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from dp_accounting.dp_event import GaussianDpEvent, LaplaceDpEvent, PoissonSampledDpEvent
from dp_accounting.pld import pld_pmf
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution
from dp_accounting.privacy_accountant import NeighboringRelation
from dp_accounting.rdp.rdp_privacy_accountant import RdpAccountant
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from privacy.budget import Neighbours
from privacy.events import (
    DiscreteGaussian,
    DiscreteLaplace,
    Event,
    Gaussian,
    SampledGaussian,
    Selection,
    Thresholded,
)

GRID = 1e-4  # the step on which losses are rounded up
PROFILE_EPSILONS = tuple(float(x) for x in (*np.arange(0.0, 2.0, 0.1), *np.arange(2.0, 10.0, 0.25), *range(10, 21)))
_TAIL = 1e-15  # mass of each composition that is moved to an infinite loss
_RELATIONS = {
    "add_remove": NeighboringRelation.ADD_OR_REMOVE_ONE,
    "replace_one": NeighboringRelation.REPLACE_ONE,
}


def epsilon_of(events: tuple[Event, ...], delta: float, *, neighbours: Neighbours = "add_remove") -> float:
    """The smallest epsilon that all `events` together keep at `delta`; infinite where none does.

    An upper bound: losses are rounded up (dp_accounting's pessimistic estimate).
    """
    return float(loss_of(tuple(events), neighbours).get_epsilon_for_delta(delta))


def delta_of(events: tuple[Event, ...], epsilon: float, *, neighbours: Neighbours = "add_remove") -> float:
    """The smallest delta that all `events` together keep at `epsilon`, an upper bound."""
    return min(1.0, float(loss_of(tuple(events), neighbours).get_delta_for_epsilon(epsilon)))


def profile_of(
    events: tuple[Event, ...],
    epsilons: tuple[float, ...] = PROFILE_EPSILONS,
    *,
    neighbours: Neighbours = "add_remove",
) -> tuple[tuple[float, float], ...]:
    """Pairs (epsilon, delta) for ascending `epsilons`; all of them hold at the same time."""
    # one reading at a time: the library's reading of many at once walks over the losses in Python
    loss = loss_of(tuple(events), neighbours)
    deltas = [float(loss.get_delta_for_epsilon(x)) for x in epsilons]
    return tuple(zip(epsilons, np.minimum.accumulate(np.clip(deltas, 0.0, 1.0)).tolist(), strict=True))


def tpr_ceiling(events: tuple[Event, ...], fpr: float) -> float:
    """The highest true positive rate that any test of one patient's membership can reach at `fpr`.

    The profile delta(epsilon) bounds each test by TPR <= e^epsilon FPR + delta and by
    1 - FPR <= e^epsilon (1 - TPR) + delta (Dong, Roth and Su 2022, proposition 2.12). Each
    epsilon gives a bound; the least of them is looked for.
    """
    loss = loss_of(tuple(events), "add_remove")

    def bounds(epsilon: float) -> tuple[float, float]:
        return _test_bounds(epsilon, float(loss.get_delta_for_epsilon(epsilon)), fpr)

    # both bounds fall and then rise with epsilon, as tangents to a convex curve do
    found = [minimize_scalar(lambda x, side=side: bounds(x)[side], bounds=(0.0, 30.0)).fun for side in (0, 1)]
    return float(np.clip(min(*found, *bounds(0.0)), fpr, 1.0))


def tpr_ceiling_of(profile: tuple[tuple[float, float], ...], fpr: float) -> float:
    """The ceiling of `tpr_ceiling` from a profile that has been computed already, on its epsilons alone."""
    return float(np.clip(min(min(_test_bounds(x, delta, fpr)) for x, delta in profile), fpr, 1.0))


def _test_bounds(epsilon: float, delta: float, fpr: float) -> tuple[float, float]:
    if not 0 <= fpr <= 1:
        raise ValueError(f"fpr must lie between 0 and 1; got {fpr:g}")
    return math.exp(epsilon) * fpr + delta, 1.0 - (1.0 - fpr - delta) * math.exp(-epsilon)


def epsilon_rdp(events: tuple[Event, ...], delta: float) -> float:
    """A second opinion by Renyi divergence, looser than `epsilon_of`; add or remove one patient.

    Discrete Gaussians enter by their zero-concentrated bound (Canonne, Kamath and Steinke
    2020, theorem 4), picks of range e as zero-concentrated e^2/8 (Cesar and Rogers 2021,
    lemma 3.4); the deltas of thresholds are taken off `delta`.
    """
    left = delta - sum(event.delta for event in events if isinstance(event, Thresholded))
    if left <= 0:
        return math.inf
    accountant = RdpAccountant(neighboring_relation=NeighboringRelation.ADD_OR_REMOVE_ONE)
    for event in events:
        match event:
            case SampledGaussian():
                step = PoissonSampledDpEvent(event.sample_rate, GaussianDpEvent(event.noise_multiplier))
                accountant.compose(step, event.steps)
            case DiscreteLaplace():
                # geometric noise is Laplace noise seen through a rounding of the same sensitivity
                accountant.compose(LaplaceDpEvent(event.scale))
            case _:
                accountant.compose(GaussianDpEvent(1.0 / _gaussian_size(event)))
    return float(accountant.get_epsilon(left))


def gaussian_size(events: tuple[Event, ...]) -> float:
    """The size mu of one Gaussian release about as informative as all `events`: a rough guide, never a bound.

    Poisson samples enter by their central limit (Bu, Dong, Long and Su 2020).
    """
    return math.sqrt(sum(_gaussian_size(event) ** 2 for event in events))


def _gaussian_size(event: Event) -> float:
    match event:
        case Gaussian():
            return math.sqrt(event.count) / event.noise_multiplier
        case DiscreteGaussian():
            return math.sqrt(event.count) / event.sigma
        case Selection():
            return math.sqrt(event.count) * event.epsilon / 2
        case Thresholded():
            return 1.0 / event.noise_multiplier
        case DiscreteLaplace():
            return 1.0 / event.scale
        case SampledGaussian():
            inverse = min(event.noise_multiplier**-2, 700.0)  # beyond, the exponential overflows
            return event.sample_rate * math.sqrt(event.steps * math.expm1(inverse))


@lru_cache(maxsize=16)
def loss_of(events: tuple[Event, ...], neighbours: Neighbours, grid: float = GRID) -> PrivacyLossDistribution:
    """The privacy loss distribution of all `events` composed, losses rounded up on `grid`.

    Independent continuous Gaussians are one Gaussian whose inverse squares add up.
    """
    gaussians = tuple(event for event in events if isinstance(event, Gaussian))
    loss = pld.identity(value_discretization_interval=grid)
    for event in events:
        if not isinstance(event, Gaussian):
            loss = loss.compose(_loss(event, neighbours, grid), tail_mass_truncation=_TAIL)
    if gaussians:
        loss = loss.compose(
            _gaussian_loss(1.0 / gaussian_size(gaussians), neighbours, grid), tail_mass_truncation=_TAIL
        )
    return loss


@lru_cache(maxsize=64)
def _loss(event: Event, neighbours: Neighbours, grid: float) -> PrivacyLossDistribution:
    """One event's loss. Under replace-one a patient leaves and another comes: each sensitivity doubles."""
    twice = 2 if neighbours == "replace_one" else 1
    match event:
        case SampledGaussian():
            step = pld.from_gaussian_mechanism(
                event.noise_multiplier,
                sampling_prob=event.sample_rate,
                neighboring_relation=_RELATIONS[neighbours],
                value_discretization_interval=grid,
            )
            return step.self_compose(event.steps)
        case Gaussian():
            return _gaussian_loss(1.0 / _gaussian_size(event), neighbours, grid)
        case DiscreteGaussian():
            return _discrete_gaussian_loss(event.sigma, twice * event.count, grid)
        case DiscreteLaplace():
            return pld.from_discrete_laplace_mechanism(
                1.0 / event.scale, sensitivity=twice, value_discretization_interval=grid
            )
        case Selection():
            return _selection_loss(twice * event.epsilon, grid).self_compose(event.count)
        case Thresholded():
            rare = pld.identity(value_discretization_interval=grid)
            rare = PrivacyLossDistribution(
                pld_pmf.create_pmf({0: 1.0 - twice * event.delta}, grid, twice * event.delta, pessimistic_estimate=True)
            )
            return rare.compose(_gaussian_loss(event.noise_multiplier, neighbours, grid))


def _gaussian_loss(noise_multiplier: float, neighbours: Neighbours, grid: float) -> PrivacyLossDistribution:
    return pld.from_gaussian_mechanism(
        noise_multiplier, neighboring_relation=_RELATIONS[neighbours], value_discretization_interval=grid
    )


def _discrete_gaussian_loss(sigma: float, count: int, grid: float) -> PrivacyLossDistribution:
    """`count` cells each moved by 1 under discrete Gaussian noise, exact before the losses are rounded up.

    With k_i the noises, the loss of one cell is (2 k_i + 1) / (2 sigma^2), so that of all is
    (2 K + count) / (2 sigma^2) with K the sum of the noises, whose law is a convolution.
    """
    reach = math.ceil(12.0 * sigma) + 1  # the mass outside is below 1e-30
    one = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    total = _power(one / one.sum(), count)
    shift = np.arange(len(total), dtype=np.float64) - (len(total) - 1) // 2
    losses = (2.0 * shift + count) / (2.0 * sigma**2)
    return _from_points(losses, total, grid)


def _power(mass: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The `count`-fold convolution of a symmetric law with itself, by direct products that keep the tails."""
    size = count * (len(mass) - 1) + 1
    length = 1 << (size - 1).bit_length()
    raised = np.fft.irfft(np.fft.rfft(mass, length) ** count, length)[:size]
    return np.maximum(raised, 0.0)


def _from_points(losses: NDArray[np.float64], mass: NDArray[np.float64], grid: float) -> PrivacyLossDistribution:
    """A loss distribution from ascending point losses under the upper law, by connecting the dots of its profile."""
    keep = mass > _TAIL / len(mass)
    losses, lost = losses[keep], float(mass[~keep].sum())
    mass = mass[keep]
    low, high = math.floor(losses[0] / grid), math.ceil(losses[-1] / grid)
    epsilons = np.arange(low, high + 1) * grid
    first = np.searchsorted(losses, epsilons, side="right")
    upper = np.append(np.cumsum(mass[::-1])[::-1], 0.0)
    lower = np.append(np.cumsum((mass * np.exp(-losses))[::-1])[::-1], 0.0)
    deltas = upper[first] - np.exp(epsilons) * lower[first] + lost
    return PrivacyLossDistribution(_connect(low, high, deltas, grid))


def _selection_loss(epsilon: float, grid: float) -> PrivacyLossDistribution:
    """One pick of the exponential mechanism, by its bounded range instead of its pure epsilon.

    Over all laws whose losses lie in [t - epsilon, t] for some t, delta(x) is at most
    (e^(epsilon/2) - e^(x/2))^2 / (e^epsilon - 1) for |x| <= epsilon (Dong, Durfee and Rogers
    2020; docs/explanation/privacy-argument.md derives the closed form), and this supremum
    dominates adaptive composition (Zhu, Dong and Wang 2022, theorem 10 and proposition 8).
    """
    high = math.ceil(epsilon / grid)
    x = np.arange(-high, high + 1) * grid
    inside = np.abs(x) <= epsilon
    # divided through by e^epsilon, so that a large epsilon does not overflow
    bounded = np.square(-np.expm1((x - epsilon) / 2)) / -math.expm1(-epsilon)
    deltas = np.where(inside, bounded, np.where(x > 0, 0.0, -np.expm1(x)))
    return PrivacyLossDistribution(_connect(-high, high, deltas, grid))


def _connect(low: int, high: int, deltas: NDArray[np.float64], grid: float) -> pld_pmf.PLDPmf:
    """Doroshenko et al. (2022), algorithm 1: the least loss distribution on the grid above a convex profile."""
    monotone = np.minimum.accumulate(np.clip(deltas, 0.0, 1.0))
    return pld_pmf.create_pmf_pessimistic_connect_dots_fixed_gap(grid, low, high, monotone)
