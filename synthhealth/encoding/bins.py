"""Coarse bins of a fine public grid, placed by a noisy histogram: post-processing, free of charge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthhealth.encoding.cell_grid import CellGrid

PENALTIES = (1e-2, 1e-4, 1e-6, 1e-8)
NEWTON_STEPS = 25
OUTSTANDING = 3.5
SEEN, REACH, LEAST_REACH = 3.5, 1 / 3, 1 / 25
FEW_CELLS = 6
FLOOR = 1e-5
FINEST, COARSEST = 5, 10  # cells: below the one a stretch is curved as it likes, above the other it bends little
STIFF, LEVEL = 1e4, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Neighbouring fine cells gathered into bins, with the noisy distribution inside each.

    Bin b holds the cells edges[b] .. edges[b + 1] - 1; `density` [cells] sums to 1. `inside`
    [lattice points] is each number's share of its cell, None where all in a cell are alike.
    """

    edges: NDArray[np.int64]
    density: NDArray[np.float64]
    inside: NDArray[np.float64] | None = None

    @staticmethod
    def of(histogram: NDArray[np.float64], sigma: float, *, bins: int, thin: bool = False) -> Bins:
        """At most `bins` bins of about equal noisy mass, from a histogram with noise of scale `sigma` a cell.

        `thin` lets the tails fall off beyond the last cells that noise does not explain.
        """
        density = denoise(histogram, sigma, thin=thin)
        cells = len(density)
        count = min(bins, cells)
        below = np.concatenate(([0.0], np.cumsum(density)))
        edges = [0]
        for b in range(1, count):
            wanted = int(np.argmin(np.abs(below - b / count)))
            edges.append(min(max(wanted, edges[-1] + 1), cells - (count - b)))
        return Bins(edges=np.array([*edges, cells], dtype=np.int64), density=density)

    @property
    def count(self) -> int:
        """How many bins there are."""
        return len(self.edges) - 1

    @property
    def mass(self) -> NDArray[np.float64]:
        """The noisy share of each bin, shape [count]."""
        return np.add.reduceat(self.density, self.edges[:-1])

    def of_cell(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bin of each fine cell."""
        return np.clip(np.searchsorted(self.edges, cells, side="right") - 1, 0, self.count - 1)

    def value(self, grid: CellGrid, bins: NDArray[np.int64], place: NDArray[np.float64]) -> NDArray[np.float64]:
        """A value in the schema's precision for each bin, at quantile `place` in [0, 1) of the density inside."""
        below = np.concatenate(([0.0], np.cumsum(self.density)))
        low, high = below[self.edges[bins]], below[self.edges[bins + 1]]
        level = low + place * (high - low)
        cells = np.clip(np.searchsorted(below, level, side="right") - 1, self.edges[bins], self.edges[bins + 1] - 1)
        rest = np.clip((level - below[cells]) / self.density[cells], 0.0, 1.0 - 1e-12)
        return grid.point(cells, rest if self.inside is None else _by_share(grid, self.inside, cells, rest))


def _by_share(
    grid: CellGrid, inside: NDArray[np.float64], cells: NDArray[np.int64], place: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`place` in each cell bent so that its points come by their shares `inside` [points]."""
    start = np.cumsum(grid.width) - grid.width
    # shares sum to 1 in a cell, so that cell c lies between c and c + 1
    upto = np.cumsum(inside)
    point = np.searchsorted(upto, cells + place, side="right")
    point = np.clip(point, start[cells], start[cells] + grid.width[cells] - 1)
    return np.asarray((point - start[cells] + 0.5) / grid.width[cells])


def denoise(histogram: NDArray[np.float64], sigma: float, *, thin: bool = False) -> NDArray[np.float64]:
    """A noisy histogram [cells] as positive shares: as smooth as the noise demands, sharp where counts stand out.

    The log density is fitted with a penalty on its third differences, which pulls it to a normal
    curve (Silverman 1982), and the largest penalty is taken that leaves no more misfit than the
    noise explains (Morozov's rule). The penalty grows where only a wide stretch of counts stands
    out of its noise; there one on second differences joins it, and a slight one on first, so that
    a tail in which nobody can be seen goes on as it left the last who can: by a steady factor a
    cell. A cell that still stands out keeps its own count, so that favourite digits stay. Where
    `thin` says so, tails fall off beyond what can be seen. No share is 0.
    """
    cells = len(histogram)
    if cells <= FEW_CELLS or sigma == 0:
        shares = project(histogram)
    else:
        total = max(float(histogram.sum()), sigma * np.sqrt(cells))
        fitted = _smooth(histogram, sigma, total)
        if thin:
            fitted = _thinned(fitted, histogram, sigma)
        outstanding = np.abs(histogram - fitted) > OUTSTANDING * sigma
        shares = project(np.where(outstanding, np.maximum(histogram, 0.0), fitted))
    shares = shares + FLOOR / cells * np.exp(-_away(shares > FLOOR) / (LEAST_REACH * cells))
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _away(present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How many cells off the nearest one of those that are present is, [cells]."""
    place = np.arange(len(present), dtype=np.float64)
    return np.asarray(np.abs(place[:, None] - place[present]).min(axis=1))


def _thinned(fitted: NDArray[np.float64], histogram: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Expected counts [cells] whose tails decay from where the noisy counts no longer show that anybody is there.

    Noise alone puts a mass of about sigma sqrt(cells) into a tail, far out where few are. Beyond the
    last stretch of counts that stands out of its noise, counts fall by e in REACH of the way there
    from the largest cell, and never faster than in LEAST_REACH of the grid.
    """
    bounded = fitted.copy()
    for side in (slice(None), slice(None, None, -1)):
        kept = bounded[side]  # a view: what is written to it stays
        top = int(np.argmax(kept))
        last = max(_last_seen(histogram[side], sigma), min(top + 1, len(kept) - 1))
        beyond = np.arange(1, len(kept) - last)
        reach = max(REACH * (last - top), LEAST_REACH * len(kept))
        kept[last + 1 :] = np.minimum(kept[last + 1 :], kept[last] * np.exp(-beyond / reach))
    return bounded


def _last_seen(counts: NDArray[np.float64], sigma: float) -> int:
    """The last cell at which a stretch of 1, 2, 4, ... noisy counts begins that noise does not explain; 0 if none."""
    below = np.concatenate(([0.0], np.cumsum(counts)))
    last, length = 0, 1
    while length <= len(counts):
        seen = np.flatnonzero(below[length:] - below[:-length] >= SEEN * sigma * np.sqrt(length))
        last = max(last, int(seen[-1]) if len(seen) else 0)
        length *= 2
    return last


def _smooth(histogram: NDArray[np.float64], sigma: float, total: float) -> NDArray[np.float64]:
    """Smooth expected counts [cells] under the largest penalty of PENALTIES that the noise allows."""
    cells = len(histogram)
    needed = _stretches(histogram, sigma)
    bends = _roughness(3, np.clip((needed / FINEST) ** 4, 1.0, STIFF))
    slopes = _roughness(2, np.clip((needed / COARSEST) ** 4 - 1, 0.0, STIFF))
    slopes += LEVEL * _roughness(1, np.clip((needed / COARSEST) ** 4 - 1, 0.0, 1.0))
    allowed = cells + 1.5 * np.sqrt(2 * cells)
    logits = np.zeros(cells)
    for strength in PENALTIES:
        logits = _fit_logits(histogram / sigma, total / sigma, strength * bends + slopes, logits)
        shares = np.exp(logits - logits.max())
        fitted = total * shares / shares.sum()
        misfit = np.minimum(((histogram - fitted) / sigma) ** 2, OUTSTANDING**2).sum()
        if misfit <= allowed:
            break
    return np.asarray(fitted)


def _roughness(order: int, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The squared differences of this order as a quadratic form [cells, cells], weighed by `weight` [cells].

    In units of the grid's width, so that a penalty means the same on a fine and on a coarse grid.
    """
    cells = len(weight)
    differences = np.diff(np.eye(cells), n=order, axis=0)
    local = np.convolve(weight, np.full(order + 1, 1 / (order + 1)), "valid")
    return np.asarray(differences.T @ (local[:, None] * differences) * (cells / 10) ** (2 * order - 1))


def _stretches(histogram: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """For each cell the number of cells around it whose noisy counts together stand out of their noise, [cells].

    The number of all cells where no stretch does.
    """
    cells = len(histogram)
    below = np.concatenate(([0.0], np.cumsum(histogram)))
    place = np.arange(cells)
    needed = np.full(cells, float(cells))
    half = 0
    while half < cells:
        low, high = np.maximum(place - half, 0), np.minimum(place + half + 1, cells)
        seen = below[high] - below[low] >= SEEN * sigma * np.sqrt(high - low)
        needed = np.where(seen, np.minimum(needed, 2 * half + 1), needed)
        half = max(half + 1, round(1.4 * half))
    return needed


def _fit_logits(
    scaled: NDArray[np.float64], total: float, penalty: NDArray[np.float64], logits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimise |scaled - total softmax(logits)|^2 + logits.penalty.logits by damped Gauss-Newton steps."""

    def cost(trial: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = np.exp(trial - trial.max())
        chances = odds / odds.sum()
        return float(((scaled - total * chances) ** 2).sum() + trial @ penalty @ trial), chances

    value, chances = cost(logits)
    damping = 1.0
    for _ in range(NEWTON_STEPS):
        slope = total * (np.diag(chances) - np.outer(chances, chances))
        gradient = slope.T @ (scaled - total * chances) - penalty @ logits
        told = slope.T @ slope
        # damped by what counts tell alone: a stiff penalty must not slow what it leaves free
        ease = damping * (np.diag(told) + 1e-3 * np.diag(told).mean()) + 1e-6 + 1e-13 * penalty.max()
        step = np.linalg.solve(told + penalty + np.diag(ease), gradient)
        trial, tried = cost(logits + step)
        if trial < value:
            gain, value, chances, logits = value - trial, trial, tried, logits + step
            damping /= 3
            if gain < 1e-3:  # noqa: PLR2004  # far below one unit of misfit
                break
        else:
            damping *= 4
    return logits


def project(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest point of the probability simplex to values / sum(values) (Held, Wolfe, Crowder 1974), any shape."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    flat = flat / max(float(flat.sum()), 1.0)
    descending = np.sort(flat)[::-1]
    excess = np.cumsum(descending) - 1.0
    last = np.flatnonzero(descending - excess / np.arange(1, len(flat) + 1) > 0)[-1]
    return np.asarray(np.maximum(flat - excess[last] / (last + 1), 0.0).reshape(np.shape(values)))
