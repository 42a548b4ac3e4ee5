"""Confidence intervals and the correction for many tests: proportions, their differences, AUC, means by patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm, rankdata

from evaluation.finding import Interval

LEVEL = 0.95


def _z(level: float) -> float:
    return float(norm.ppf(0.5 + level / 2))


def wilson(successes: float, trials: float, *, level: float = LEVEL) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927); [0, 1] when nothing was tried.

    Neither count need be whole: see `effective`.

    Privacy: internal only, when the counts are of real patients.
    """
    if trials <= 0:
        return Interval(low=0.0, high=1.0, level=level, method="Wilson")
    z = _z(level)
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    low = 0.0 if successes <= 0 else max(0.0, float(centre - half))
    high = 1.0 if successes >= trials else min(1.0, float(centre + half))
    return Interval(low=low, high=high, level=level, method="Wilson")


def effective(hit: NDArray[np.float64]) -> tuple[float, float]:
    """Successes and trials that a Wilson interval needs for the mean of `hit` [n] in 0..1, one number a patient.

    For yes or no these are the counts. An average over several guesses varies less than one
    guess; the trials grow by that ratio of variances (Kish's effective sample size).

    Privacy: internal only.
    """
    rate = float(hit.mean()) if len(hit) else 0.0
    if len(hit) < 2 or not 0 < rate < 1 or np.isin(hit, (0.0, 1.0)).all():  # noqa: PLR2004 - no variance of one
        return rate * len(hit), float(len(hit))
    trials = len(hit) * rate * (1 - rate) / max(float(hit.var(ddof=1)), 1e-12)
    return rate * trials, float(trials)


def clopper_pearson(successes: int, trials: int, *, level: float = LEVEL) -> Interval:
    """Exact interval of a proportion (Clopper and Pearson 1934); [0, 1] when nothing was tried.

    Privacy: internal only, when the counts are of real patients.
    """
    if trials <= 0:
        return Interval(low=0.0, high=1.0, level=level, method="Clopper-Pearson")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return Interval(low=low, high=high, level=level, method="Clopper-Pearson")


def newcombe(
    successes: float, trials: float, control_successes: float, control_trials: float, *, level: float = LEVEL
) -> Interval:
    """Interval of a difference of two proportions from their Wilson intervals (Newcombe 1998, method 10).

    Privacy: internal only, when the counts are of real patients.
    """
    if trials <= 0 or control_trials <= 0:
        return Interval(low=-1.0, high=1.0, level=level, method="Newcombe")
    one, two = wilson(successes, trials, level=level), wilson(control_successes, control_trials, level=level)
    return difference(successes / trials, one, control_successes / control_trials, two, method="Newcombe")


def difference(
    value: float, interval: Interval, control: float, control_interval: Interval, *, method: str
) -> Interval:
    """Interval of `value` - `control`, two independent estimates, by squaring and adding their half widths.

    Privacy: internal only.
    """
    down = float(np.hypot(value - interval.low, control_interval.high - control))
    up = float(np.hypot(interval.high - value, control - control_interval.low))
    gap = value - control
    return Interval(low=max(-1.0, gap - down), high=min(1.0, gap + up), level=interval.level, method=method)


def bootstrap_mean(
    values: NDArray[np.float64], rng: np.random.Generator, *, repeats: int = 500, level: float = LEVEL
) -> Interval:
    """Percentile bootstrap of a mean; `values` [n] holds one number a patient, so whole patients are redrawn.

    Privacy: internal only.
    """
    if len(values) == 0:
        return Interval(low=float("-inf"), high=float("inf"), level=level, method="bootstrap by patient")
    # multinomial weights redraw patients without an [repeats, n] index table in memory
    means = np.array(
        [rng.multinomial(len(values), np.full(len(values), 1 / len(values))) @ values for _ in range(repeats)]
    )
    low, high = np.quantile(means / len(values), [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level, method="bootstrap by patient")


def auc_parts(members: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[float, float]:
    """AUC that a member outscores a non-member, and DeLong's variance of it.

    `members` [m] and `others` [n], both non-empty; ties count one half. DeLong, DeLong and
    Clarke-Pearson 1988 in the rank form of Sun and Xu 2014.

    Privacy: internal only.
    """
    m, n = len(members), len(others)
    joint = rankdata(np.concatenate([members, others]))
    above = (joint[:m] - rankdata(members)) / n
    below = 1 - (joint[m:] - rankdata(others)) / m
    variance = (np.var(above, ddof=1) / m if m > 1 else 0.25) + (np.var(below, ddof=1) / n if n > 1 else 0.25)
    return float(above.mean()), float(variance)


def auc_interval(auc: float, variance: float, effective: int, *, level: float = LEVEL) -> Interval:
    """Normal interval of an AUC; where the variance vanishes (perfect ranking), Wilson's on `effective` patients.

    Privacy: internal only.
    """
    if variance <= 0:
        edge = wilson(auc * effective, effective, level=level)
        return Interval(low=edge.low, high=edge.high, level=level, method="Wilson, no variance")
    half = _z(level) * float(np.sqrt(variance))
    return Interval(low=max(0.0, auc - half), high=min(1.0, auc + half), level=level, method="DeLong")


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values that keep the family-wise error (Holm 1979), in the order given.

    Privacy: free.
    """
    m = len(p_values)
    order = np.argsort(p_values, kind="stable")
    steps = np.array([min(1.0, (m - rank) * p_values[place]) for rank, place in enumerate(order)])
    adjusted = np.empty(m)
    adjusted[order] = np.maximum.accumulate(steps) if m else steps
    return tuple(float(p) for p in adjusted)
