"""Distances by the names that reviewers ask for: Kolmogorov-Smirnov, Wasserstein, Kullback-Leibler."""

from __future__ import annotations

import numpy as np
from scipy.stats import ks_2samp, wasserstein_distance

from evaluation.fidelity.histograms import Floats


def kolmogorov_smirnov(left: Floats, right: Floats) -> Floats:
    """The greatest gap between two cumulative shares of counts [..., cells], shape [...]."""
    return np.asarray(_gap(left, right).max(axis=-1))


def kullback_leibler(left: Floats, right: Floats) -> Floats:
    """Divergence in nats of `right` from `left`, counts [..., cells], shape [...].

    Half an item is added to each cell (Krichevsky and Trofimov 1981), so that a cell that one side
    never saw is finite.
    """
    p, q = (_shares(side + 0.5) for side in (left, right))
    return np.asarray((p * np.log(p / q)).sum(axis=-1))


def wasserstein_cells(left: Floats, right: Floats, middles: Floats) -> Floats:
    """Earth mover's distance of counts [..., cells] that sit at `middles` [cells], in their unit, shape [...]."""
    return np.asarray((_gap(left, right)[..., :-1] * np.diff(middles)).sum(axis=-1))


def exact_distances(left: Floats, right: Floats) -> tuple[float, float]:
    """Kolmogorov-Smirnov and Wasserstein distance of two samples, the latter over the first one's deviation.

    NaN where a sample is empty.
    """
    left, right = left[np.isfinite(left)], right[np.isfinite(right)]
    if len(left) == 0 or len(right) == 0:
        return float("nan"), float("nan")
    spread = float(left.std())
    steepest = float(ks_2samp(left, right, method="asymp").statistic)
    return steepest, float(wasserstein_distance(left, right)) / (spread if spread > 0 else 1.0)


def rate_difference(left: Floats, right: Floats) -> Floats:
    """Difference of the share of the first cell, counts [..., cells], shape [...]; NaN where a side is empty."""
    a, b = left.sum(axis=-1), right.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(left[..., 0] / a - right[..., 0] / b))


def _gap(left: Floats, right: Floats) -> Floats:
    return np.asarray(np.abs(_shares(left).cumsum(axis=-1) - _shares(right).cumsum(axis=-1)))


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(counts / np.where(total > 0, total, 1.0))
