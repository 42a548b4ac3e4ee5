"""What events cost: one privacy loss distribution for all together, and a second opinion by Renyi divergence."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache

import numpy as np
from dp_accounting.dp_event import GaussianDpEvent, PoissonSampledDpEvent
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

GRID = 1e-4  # the step on which losses are rounded up, coarser for long losses
_POINTS = 100_000  # about the most points that a loss distribution is kept on
PROFILE_EPSILONS = tuple(float(x) for x in (*np.arange(0.0, 2.0, 0.1), *np.arange(2.0, 10.0, 0.25), *range(10, 21)))
_LOST = 1e-17  # mass outside the range on which a discrete Gaussian is kept
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

    What is no Gaussian enters by its zero-concentrated bound: discrete Gaussians by 1 / (2
    sigma^2) (Canonne, Kamath and Steinke 2020, theorem 4), geometric noise as pure epsilon by
    epsilon^2 / 2 (Bun and Steinke 2016), picks of range epsilon by epsilon^2 / 8 (Cesar and
    Rogers 2021). The deltas of thresholds are taken off `delta`.
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
        case Gaussian(noise_multiplier=sigma, count=count) | DiscreteGaussian(sigma=sigma, count=count):
            return math.sqrt(count) / sigma
        case Selection():
            return math.sqrt(event.count) * event.epsilon / 2
        case Thresholded(noise_multiplier=sigma) | DiscreteLaplace(scale=sigma):
            return 1.0 / sigma
        case SampledGaussian() if _is_gaussian(event):
            return math.sqrt(event.steps) / event.noise_multiplier
        case SampledGaussian():
            inverse = min(event.noise_multiplier**-2, 700.0)  # beyond, the exponential overflows
            return event.sample_rate * math.sqrt(event.steps * math.expm1(inverse))


def _is_gaussian(event: Event) -> bool:
    """Whether the event's noise is Gaussian, everybody in it: a sample at rate 1 is everybody."""
    return isinstance(event, Gaussian | Thresholded) or (
        isinstance(event, SampledGaussian) and event.sample_rate == 1.0
    )


@lru_cache(maxsize=16)
def loss_of(events: tuple[Event, ...], neighbours: Neighbours, coarser: int = 1) -> PrivacyLossDistribution:
    """The privacy loss distribution of all `events` composed, an upper bound.

    Continuous Gaussians are one Gaussian whose inverse squares add up, and the deltas of
    thresholds one infinite loss. Losses are rounded on a grid that is the finer the shorter
    they are, and `coarser` times as wide on demand.
    """
    grid = coarser * _grid(events, neighbours)
    loss = pld.identity(value_discretization_interval=grid)
    gaussians = tuple(event for event in events if _is_gaussian(event))
    for event, count in Counter(event for event in events if not _is_gaussian(event)).items():
        part = _loss(event, neighbours, grid).self_compose(count, tail_mass_truncation=_TAIL)
        loss = loss.compose(part, tail_mass_truncation=_TAIL)
    if gaussians:
        multiplier = 1.0 / gaussian_size(gaussians)
        loss = loss.compose(_gaussian_loss(multiplier, neighbours, grid), tail_mass_truncation=_TAIL)
    return loss.compose(_rare(events, neighbours, grid), tail_mass_truncation=0.0)


def _rare(events: tuple[Event, ...], neighbours: Neighbours, grid: float) -> PrivacyLossDistribution:
    """What the deltas of all thresholds together may lose: everything, with the chance that any of them fails."""
    twice = 2 if neighbours == "replace_one" else 1
    deltas = [min(1.0, twice * event.delta) for event in events if isinstance(event, Thresholded)]
    chance = 1.0 - math.prod(1.0 - delta for delta in deltas)
    return PrivacyLossDistribution(pld_pmf.create_pmf({0: 1.0 - chance}, grid, chance, pessimistic_estimate=True))


def _grid(events: tuple[Event, ...], neighbours: Neighbours) -> float:
    """GRID times a power of two, such that losses of about the length that `events` have take about _POINTS."""
    twice = 2.0 if neighbours == "replace_one" else 1.0
    sizes = [_gaussian_size(event) if not isinstance(event, SampledGaussian) else 0.0 for event in events]
    steps = [1.0 / event.noise_multiplier for event in events if isinstance(event, SampledGaussian)]
    size = twice * max([math.hypot(*sizes), *steps])
    return float(GRID * 2.0 ** max(0, math.ceil(math.log2((size**2 / 2 + 10 * size) / (GRID * _POINTS) + 1e-12))))


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
        case DiscreteGaussian():
            return _discrete_gaussian_loss(event.sigma, twice * event.count, grid)
        case DiscreteLaplace():
            return pld.from_discrete_laplace_mechanism(
                1.0 / event.scale, sensitivity=twice, value_discretization_interval=grid
            )
        case Selection():
            return _selection_loss(twice * event.epsilon, grid).self_compose(event.count)
        case Gaussian() | Thresholded():
            return _gaussian_loss(1.0 / _gaussian_size(event), neighbours, grid)


def _gaussian_loss(noise_multiplier: float, neighbours: Neighbours, grid: float) -> PrivacyLossDistribution:
    return pld.from_gaussian_mechanism(
        noise_multiplier, neighboring_relation=_RELATIONS[neighbours], value_discretization_interval=grid
    )


def _discrete_gaussian_loss(sigma: float, count: int, grid: float) -> PrivacyLossDistribution:
    """`count` cells each moved by 1 under discrete Gaussian noise.

    With k_i the noises, the loss of one cell is (2 k_i + 1) / (2 sigma^2), so that of all is
    (2 K + count) / (2 sigma^2) with K the sum of the noises. The law of K is a convolution;
    K is sub-Gaussian with variance count sigma^2 (Canonne, Kamath and Steinke
    2020), so a circle of 9 standard deviations each way holds it but for a mass of 1e-17. Where
    sigma is large, each noise is first rounded up to a multiple of `block`, which raises all
    losses together by less than a hundredth of the grid.
    """
    block = max(1, math.floor(grid * sigma**2 / (100.0 * count)))
    reach = math.ceil(9.0 * sigma * math.sqrt(count) / block) + 1
    one = _rounded_up(sigma, block, reach)
    # the law of one noise goes around the circle with 0 first, as the Fourier transform has it
    total = np.fft.irfft(np.fft.rfft(np.fft.ifftshift(one)) ** count, len(one))
    k = block * np.arange(-reach, reach + 1)
    losses = np.asarray((2.0 * k + count) / (2.0 * sigma**2), dtype=np.float64)
    return _from_points(losses, np.maximum(np.fft.fftshift(total), 0.0), grid, lost=count * _LOST)


def _rounded_up(sigma: float, block: int, reach: int) -> NDArray[np.float64]:
    """The law [2 reach + 1] of a discrete Gaussian rounded up to multiples of `block`, in those units."""
    within = min(reach, math.ceil(9.0 * sigma / block) + 1)
    one = np.zeros(2 * reach + 1)
    edges = range(-within, within + 1, max(1, (1 << 20) // block))  # some million noises at a time
    for start in edges:
        stop = min(start + edges.step, within + 1)
        k = np.arange((start - 1) * block + 1, (stop - 1) * block + 1)
        one[reach + start : reach + stop] = np.exp(-0.5 * (k / sigma) ** 2).reshape(-1, block).sum(axis=1)
    return np.asarray(one / one.sum())


def _from_points(
    losses: NDArray[np.float64], mass: NDArray[np.float64], grid: float, *, lost: float
) -> PrivacyLossDistribution:
    """A loss distribution from ascending point losses under the upper law, by connecting the dots of its profile.

    The mass `lost` and points of next to no mass count as infinite losses.
    """
    keep = mass > _TAIL / len(mass)
    lost += float(mass[~keep].sum())
    losses, mass = losses[keep], mass[keep]
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
    dominates adaptive composition (Zhu, Dong and Wang 2022).
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
