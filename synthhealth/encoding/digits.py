"""Favourite digits: how the numbers inside a cell of a grid are spread, told by noisy counts; free of charge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthhealth.encoding.cell_grid import CellGrid

Floats = NDArray[np.float64]
MOST_POINTS = 5_000
LAST_DIGITS = 10
MODULI = (LAST_DIGITS, 50, 100)
REPEATS = 3  # a pattern must fit so often into the grid before it is looked for
OUTSTANDING = 4.0
PEELS = 4
FAINTEST = 0.02


def is_wide(grid: CellGrid) -> bool:
    """Whether some cell holds several lattice points, and not too many points in all to count one by one."""
    return int(grid.width.max()) > 1 and len(points_of(grid)) <= MOST_POINTS


def points_of(grid: CellGrid) -> NDArray[np.int64]:
    """The lattice points of a grid with contiguous cells, in order."""
    return np.arange(int(grid.first[0]), int(grid.first[-1] + grid.width[-1]), dtype=np.int64)


def place_of(grid: CellGrid, values: Floats) -> NDArray[np.int64]:
    """The place of each finite value among `points_of`; values beyond the bounds take the outermost."""
    whole = np.round(values / grid.step).astype(np.int64) - int(grid.first[0])
    return np.clip(whole, 0, len(points_of(grid)) - 1)


def spread_of_points(grid: CellGrid, density: Floats, counts: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Shares of cells [cells] and of each point in its cell [points], from noisy counts [points] and a smooth density.

    Counts are pooled over the whole grid by the last digits (MODULI), shrunk to even shares by
    their noise; a point that still stands out keeps its own count, as do the inches in a height in
    centimetres, and what is left belongs to the others.

    Privacy: free; post-processing.
    """
    shares = _even(grid)
    total = max(float(counts.sum()), sigma * float(np.sqrt(len(counts))), 1.0)
    smooth = np.repeat(density, grid.width) * total
    points = points_of(grid)
    for modulus in MODULI:
        if len(points) >= REPEATS * modulus:
            sums = np.bincount(points % modulus, weights=counts, minlength=modulus).astype(np.float64)
            noise = sigma * np.sqrt(np.bincount(points % modulus, minlength=modulus).astype(np.float64))
            shares = _tilted(grid, shares, smooth, points % modulus, sums, noise)
    expected = smooth * shares
    outstanding = np.zeros(len(points), dtype=np.bool_)
    for _ in range(PEELS):
        left = max(total - float(counts[outstanding].sum()), 0.0)
        background = smooth * shares * left / max(float((smooth * shares)[~outstanding].sum()), 1e-9)
        expected = np.where(outstanding, counts, background)
        outstanding |= counts - expected > OUTSTANDING * max(sigma, 1e-9)
    cells = np.add.reduceat(expected, np.cumsum(grid.width) - grid.width) + 1e-9
    return np.asarray(cells / cells.sum()), _normalised(grid, expected)


def inside_of_last_digits(grid: CellGrid, density: Floats, counts: Floats, sigma: float) -> Floats:
    """The same from noisy counts of the last digits alone, [LAST_DIGITS].

    Privacy: free; post-processing.
    """
    total = max(float(counts.sum()), sigma * np.sqrt(len(counts)), 1.0)
    mass = np.repeat(density, grid.width) * total
    return _tilted(grid, _even(grid), mass, points_of(grid) % LAST_DIGITS, counts, np.full(LAST_DIGITS, sigma))


def _even(grid: CellGrid) -> Floats:
    return np.repeat(1.0 / grid.width, grid.width)


def _normalised(grid: CellGrid, weights: Floats) -> Floats:
    floored = weights + 1e-9
    sums = np.add.reduceat(floored, np.cumsum(grid.width) - grid.width)
    return np.asarray(floored / np.repeat(sums, grid.width))


def _tilted(
    grid: CellGrid, shares: Floats, mass: Floats, residue: NDArray[np.int64], seen: Floats, noise: Floats
) -> Floats:
    """Shares times the ratio of seen to expected counts of each residue, the ratio shrunk to 1 by its noise."""
    expected = np.maximum(np.bincount(residue, weights=mass * shares, minlength=len(seen)), 1e-9)
    ratio, blur = seen / expected, noise / expected
    # residues that the grid hardly holds say nothing
    told = expected > 1e-3 * expected.sum() / len(seen)
    if not told.any():
        return shares
    # what noise alone would scatter, and twice the standard error of that scatter, are no signal
    weight = 1 / (blur[told] ** 2 + 1e-3)
    scatter = float(np.average((ratio[told] - 1) ** 2, weights=weight))
    noise_alone = float(np.average(blur[told] ** 2, weights=weight)) * (1 + 2 * np.sqrt(2 / told.sum()))
    signal = max(scatter - noise_alone, 0.0)
    trust = np.where(told, signal / (signal + blur**2 + 1e-12), 0.0)
    return _normalised(grid, shares * np.maximum(1 + trust * (ratio - 1), FAINTEST)[residue])
