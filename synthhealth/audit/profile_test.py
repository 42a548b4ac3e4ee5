"""The test of a whole privacy profile: scores of those who were in and those who were not, against what was claimed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import beta, norm

from privacy.accounting import epsilon_of, profile_of
from privacy.events import Event

Floats = NDArray[np.float64]
ALPHA = 0.01
THRESHOLDS = 49
_POINTS = 241
_FAR_DELTA = 1e-9
_LARGEST = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What events promise together: `delta` [points] at each of `epsilon` [points], and `headline` at one delta."""

    epsilon: Floats
    delta: Floats
    headline: float
    headline_delta: float

    @staticmethod
    def of(events: tuple[Event, ...], delta: float) -> Claim:
        """The profile of all `events` together, from 0 to where its delta has all but vanished.

        Privacy: free; reads no rows.
        """
        far = min(epsilon_of(events, _FAR_DELTA), _LARGEST)
        profile = profile_of(events, tuple(np.linspace(0.0, far, _POINTS).tolist()))
        epsilons, deltas = np.array(profile).T
        return Claim(epsilon=epsilons, delta=deltas, headline=epsilon_of(events, delta), headline_delta=delta)

    def excess(self, fpr: Floats, fnr: Floats) -> Floats:
        """By how much a test with these error rates, both of shape [k], is better than the claim allows, shape [k].

        Every test keeps 1 - FNR <= e^x FPR + delta(x) and 1 - FPR <= e^x FNR + delta(x) for
        all x (Kairouz, Oh and Viswanath 2015, theorem 2.1); above 0 one of them is broken.
        """
        growth = np.exp(self.epsilon)
        hits = 1.0 - fnr[:, None] - growth * fpr[:, None] - self.delta
        rests = 1.0 - fpr[:, None] - growth * fnr[:, None] - self.delta
        return np.asarray(np.maximum(hits.max(axis=1), rests.max(axis=1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTest:
    """What scores say of a claim, from the half on which no threshold was chosen; error `alpha` over all bounds.

    `members` and `others` were tested. `excess` above 0 falsifies the claim. The epsilons are
    at the claim's delta: `proven` is shown without any assumption, `ceiling` the most that so
    few canaries could prove, `estimate` with `low` and `high` what a Gaussian mechanism would
    have whose error rates are those at the scores' median.
    """

    members: int
    others: int
    fpr: float
    fnr: float
    excess: float
    proven: float
    ceiling: float
    estimate: float
    low: float
    high: float
    alpha: float

    @property
    def falsified(self) -> bool:
        """Whether the claim is false, but for a chance of `alpha`."""
        return self.excess > 0


def profile_test(members: Floats, others: Floats, claim: Claim, *, alpha: float = ALPHA) -> ProfileTest:
    """Hold scores of members and of others, higher for members, against a claim.

    The threshold is the one that speaks loudest against the claim on the first half of both;
    the second half is counted under it. FPR and FNR are bounded by Clopper and Pearson (1934)
    at alpha / 2 each, so a true claim is falsified with a chance of at most `alpha`.

    Privacy: free; the scores are of canaries.
    """
    half, other_half = len(members) // 2, len(others) // 2
    if min(half, other_half) < 1:
        raise ValueError(f"a test needs at least 2 scores a side; got {len(members)} and {len(others)}")
    levels = np.linspace(0.02, 0.98, THRESHOLDS)
    thresholds = np.quantile(np.concatenate([members[:half], others[:other_half]]), levels, method="lower")
    chosen = _Counts.of(members[:half], others[:other_half], thresholds)
    loudest = int(np.argmax(claim.excess(*chosen.above(alpha))))
    counts = _Counts.of(members[half:], others[other_half:], thresholds[[loudest, THRESHOLDS // 2]])
    (fpr, middle_fpr), (fnr, middle_fnr) = counts.above(alpha)
    low_fpr, low_fnr = (float(rate[1]) for rate in counts.below(alpha))
    delta = claim.headline_delta
    best = 1.0 - (alpha / 2) ** (1.0 / min(counts.members, counts.others))
    return ProfileTest(
        members=counts.members,
        others=counts.others,
        fpr=float(counts.false_alarms[0] / counts.others),
        fnr=float(counts.misses[0] / counts.members),
        excess=float(claim.excess(np.array([fpr]), np.array([fnr]))[0]),
        proven=_pure_epsilon(fpr, fnr, delta),
        ceiling=_pure_epsilon(best, best, delta),
        estimate=_gaussian_epsilon(*counts.rates(), delta),
        low=_gaussian_epsilon(float(middle_fpr), float(middle_fnr), delta),
        high=_gaussian_epsilon(low_fpr, low_fnr, delta),
        alpha=alpha,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """How often thresholds [k] err: `false_alarms` [k] among `others`, `misses` [k] among `members`."""

    members: int
    others: int
    false_alarms: NDArray[np.int64]
    misses: NDArray[np.int64]

    @staticmethod
    def of(members: Floats, others: Floats, thresholds: Floats) -> _Counts:
        return _Counts(
            members=len(members),
            others=len(others),
            false_alarms=(others[None] >= thresholds[:, None]).sum(axis=1),
            misses=(members[None] < thresholds[:, None]).sum(axis=1),
        )

    def above(self, alpha: float) -> tuple[Floats, Floats]:
        """Upper bounds of FPR and FNR, each false with a chance of alpha / 2."""
        return _upper(self.false_alarms, self.others, alpha / 2), _upper(self.misses, self.members, alpha / 2)

    def below(self, alpha: float) -> tuple[Floats, Floats]:
        """Lower bounds of FPR and FNR, each false with a chance of alpha / 2."""
        alarms, misses = self.others - self.false_alarms, self.members - self.misses
        return 1.0 - _upper(alarms, self.others, alpha / 2), 1.0 - _upper(misses, self.members, alpha / 2)

    def rates(self) -> tuple[float, float]:
        """FPR and FNR of the last threshold, half an error put to each so that none is 0."""
        return (
            float((self.false_alarms[-1] + 0.5) / (self.others + 1)),
            float((self.misses[-1] + 0.5) / (self.members + 1)),
        )


def _upper(count: NDArray[np.int64], trials: int, tail: float) -> Floats:
    """The one-sided bound of Clopper and Pearson."""
    return np.where(count >= trials, 1.0, beta.ppf(1.0 - tail, count + 1, np.maximum(trials - count, 1)))


def _pure_epsilon(fpr: float, fnr: float, delta: float) -> float:
    """The least epsilon with which these error rates are possible at `delta`."""
    hits = (1.0 - fnr - delta) / max(fpr, 1e-300)
    rests = (1.0 - fpr - delta) / max(fnr, 1e-300)
    return max(0.0, math.log(max(hits, rests, 1.0)))


def _gaussian_epsilon(fpr: float, fnr: float, delta: float) -> float:
    """The epsilon at `delta` of the Gaussian mechanism with these error rates (Dong, Roth and Su 2022, cor. 2.13)."""
    inside = np.clip([fpr, fnr], 1e-12, 1.0 - 1e-12)
    size = float(-ndtri(inside[0]) - ndtri(inside[1]))

    def gap(epsilon: float) -> float:
        second = math.exp(epsilon + float(norm.logcdf(-size / 2 - epsilon / size)))
        return float(norm.cdf(size / 2 - epsilon / size)) - second - delta

    if size <= 0 or gap(0.0) <= 0:
        return 0.0
    return float(brentq(gap, 0.0, _LARGEST)) if gap(_LARGEST) < 0 else _LARGEST
