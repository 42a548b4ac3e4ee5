"""How good predictions are, for many redraws of the patients at once: ranking, precision, calibration, error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from evaluation.fidelity.histograms import Floats

CALIBRATION_BINS = 10
Measure = Callable[[Floats, Floats, Floats], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A measure by name, its range, and what a model that knows nothing gets."""

    name: str
    measure: Measure
    low: float = 0.0
    high: float = 1.0
    chance: float = 0.5


def auroc(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve, ties counted one half; `truth` is 0 or 1.

    Like all scores here: `truth` and `score` [n], `weights` [redraws, n], result [redraws], NaN where
    a redraw has one class only.
    """
    order = np.argsort(score, kind="stable")
    w, y = weights[:, order], truth[order]
    ends = _last_of_ties(score[order])
    positive = np.diff((w * y).cumsum(axis=1)[:, ends], axis=1, prepend=0.0)
    negative = np.diff((w * (1 - y)).cumsum(axis=1)[:, ends], axis=1, prepend=0.0)
    below = negative.cumsum(axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return _ratio((positive * below).sum(axis=1), pairs)


def average_precision(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Area under the precision-recall curve as the sum of precision times step of recall."""
    order = np.argsort(-score, kind="stable")
    w, y = weights[:, order], truth[order]
    ends = _last_of_ties(-score[order])
    hits, taken = (w * y).cumsum(axis=1)[:, ends], w.cumsum(axis=1)[:, ends]
    precision = hits / np.maximum(taken, 1e-300)
    return _ratio((precision * np.diff(hits, axis=1, prepend=0.0)).sum(axis=1), hits[:, -1])


def brier(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Mean squared error of a predicted probability."""
    return _ratio(weights @ (score - truth) ** 2, weights.sum(axis=1))


def calibration_error(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Mean gap between predicted and observed risk over ten classes of equal size (Naeini et al. 2015)."""
    bins = (rankdata(score, method="min") - 1) * CALIBRATION_BINS // len(score)
    member = (bins[:, None] == np.arange(CALIBRATION_BINS)).astype(np.float64)
    gap = np.abs(weights @ (member * (score - truth)[:, None])).sum(axis=1)
    return _ratio(gap, weights.sum(axis=1))


def explained(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """R2: one minus squared error over the variance; negative when worse than the mean."""
    total = weights.sum(axis=1)
    mean = weights @ truth / total
    variance = weights @ truth**2 - total * mean**2
    return 1 - _ratio(weights @ (score - truth) ** 2, variance)


def rank_correlation(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Spearman's correlation on the ranks of the whole holdout."""
    x, y, total = rankdata(truth), rankdata(score), weights.sum(axis=1)
    mx, my = weights @ x / total, weights @ y / total
    both = weights @ (x * y) - total * mx * my
    spread = (weights @ x**2 - total * mx**2) * (weights @ y**2 - total * my**2)
    return _ratio(both, np.sqrt(np.maximum(spread, 0.0)))


def absolute_error(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Mean absolute error, in the unit of the outcome."""
    return _ratio(weights @ np.abs(score - truth), weights.sum(axis=1))


def calibration_points(truth: Floats, score: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean predicted and mean observed risk in ten classes of equal size, empty ones left out."""
    bins = (rankdata(score, method="min") - 1) * CALIBRATION_BINS // len(score)
    used = [bins == place for place in range(CALIBRATION_BINS) if (bins == place).any()]
    return tuple(float(score[mine].mean()) for mine in used), tuple(float(truth[mine].mean()) for mine in used)


def _last_of_ties(ordered: Floats) -> NDArray[np.int64]:
    return np.append(np.flatnonzero(np.diff(ordered) != 0), len(ordered) - 1)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.asarray(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan))


CLASS_SCORES = (
    Score(name="AUROC", measure=auroc),
    Score(name="AUPRC", measure=average_precision),
    Score(name="Brier score", measure=brier),
    Score(name="calibration error", measure=calibration_error),
)
NUMBER_SCORES = (
    Score(name="R2", measure=explained, low=-np.inf, chance=0.0),
    Score(name="rank correlation", measure=rank_correlation, low=-1.0, chance=0.0),
    Score(name="mean absolute error", measure=absolute_error, high=np.inf),
)
