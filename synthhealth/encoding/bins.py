"""Coarse bins of a fine public grid, placed by a noisy histogram: post-processing, free of charge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthhealth.encoding.cell_grid import CellGrid

_PULSE = np.array([0.06, 0.12, 0.2, 0.24, 0.2, 0.12, 0.06])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Neighbouring fine cells gathered into bins, with the noisy distribution inside each.

    Bin b holds the cells edges[b] .. edges[b + 1] - 1; `density` [cells] sums to 1.
    """

    edges: NDArray[np.int64]
    density: NDArray[np.float64]

    @staticmethod
    def of(histogram: NDArray[np.float64], sigma: float, *, bins: int) -> Bins:
        """At most `bins` bins of about equal noisy mass, from a histogram with noise of scale `sigma` a cell."""
        density = denoise(histogram, sigma)
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

    def draw(self, bins: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """A fine cell for each bin, by the noisy density inside it."""
        below = np.concatenate(([0.0], np.cumsum(self.density)))
        low, high = below[self.edges[bins]], below[self.edges[bins + 1]]
        cells = np.searchsorted(below, low + rng.random(len(bins)) * (high - low), side="right") - 1
        return np.asarray(np.clip(cells, self.edges[bins], self.edges[bins + 1] - 1))

    def sample(self, grid: CellGrid, bins: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """A value in the schema's precision for each bin."""
        return grid.draw(self.draw(bins, rng), rng)


def denoise(histogram: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """A noisy histogram [cells] as positive shares: smoothed the more the noise covers it, then projected.

    The histogram is a mixture of itself and a kernel-smoothed copy; each cell's weight on itself is its
    signal-to-noise share s / (s + sigma^2), with s the local squared mass (the shrinkage of James and Stein).
    """
    cells = len(histogram)
    if cells < len(_PULSE):
        shares = project(histogram)
    else:
        padded = np.pad(np.maximum(histogram, 0.0), len(_PULSE) // 2, mode="edge")
        smooth = np.convolve(padded, _PULSE, mode="valid")
        spread = np.convolve(np.pad((histogram - smooth) ** 2, 3, mode="edge"), _PULSE, mode="valid")
        trust = np.maximum(spread - sigma**2, 0.0) / np.maximum(spread, 1e-12)
        shares = project(trust * histogram + (1 - trust) * smooth)
    return np.asarray((shares + 1e-4 / cells) / (1 + 1e-4), dtype=np.float64)


def project(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest point of the probability simplex to values / sum(values) (Held, Wolfe, Crowder 1974), any shape."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    flat = flat / max(float(flat.sum()), 1.0)
    descending = np.sort(flat)[::-1]
    excess = np.cumsum(descending) - 1.0
    last = np.flatnonzero(descending - excess / np.arange(1, len(flat) + 1) > 0)[-1]
    return np.asarray(np.maximum(flat - excess[last] / (last + 1), 0.0).reshape(np.shape(values)))
