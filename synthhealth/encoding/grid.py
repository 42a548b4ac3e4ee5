"""Public grids: the cells into which numbers fall, fixed by bounds and precision before a row is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from privacy.schema import Number, Test

FINE_CELLS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells between lattice points of a public step: cell c holds the lattice points first[c] .. first[c + 1] - 1.

    A lattice point k is the value k * step; `first` has shape [cells + 1] and covers [low, high].
    """

    step: float
    first: NDArray[np.int64]

    @staticmethod
    def of(
        low: float, high: float, *, step: float, scale: Literal["linear", "log"] = "linear", cells: int = FINE_CELLS
    ) -> Grid:
        """At most `cells` cells over [low, high], equally wide on the given scale and never narrower than one step."""
        start, stop = round(low / step), round(high / step)
        count = min(cells, stop - start + 1)
        if scale == "log":
            shift = max(start, 1)
            edges = np.geomspace(shift, max(stop + 1, shift + 1), count + 1) + (start - shift)
        else:
            edges = np.linspace(start, stop + 1, count + 1)
        first = np.round(edges).astype(np.int64)
        first[0], first[-1] = start, stop + 1
        # a log scale crowds its low cells: push them apart to one lattice point each, then trim at the top
        for i in range(1, count + 1):
            first[i] = max(first[i], first[i - 1] + 1)
        return Grid(step=step, first=np.unique(np.minimum(first, stop + 1)))

    @staticmethod
    def of_codes(codes: tuple[int, ...]) -> Grid:
        """One cell for each of the sorted integer codes."""
        points = sorted(codes)
        return Grid(step=1.0, first=np.array([*points, points[-1] + 1], dtype=np.int64))

    @staticmethod
    def of_number(column: Number) -> Grid:
        """The grid of a numeric column."""
        return Grid.of(column.low, column.high, step=column.step, scale=column.scale)

    @staticmethod
    def of_test(test: Test) -> Grid:
        """The grid of a laboratory test; a categorical test has one cell a code."""
        if test.codes:
            return Grid.of_codes(test.codes)
        return Grid.of(test.low, test.high, step=test.step, scale=test.scale)

    @property
    def cells(self) -> int:
        """How many cells the grid has."""
        return len(self.first) - 1

    def cell(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The cell of each finite value, shape as `values`; values beyond the bounds fall in the outermost cells."""
        # half a step of slack absorbs that 0.3 / 0.1 is not 3 in floating point
        points = np.round(values / self.step)
        return np.clip(np.searchsorted(self.first, points, side="right") - 1, 0, self.cells - 1)

    def draw(self, cells: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """One lattice value for each cell, uniform among the cell's lattice points."""
        low, width = self.first[cells], np.diff(self.first)[cells]
        points = low + np.floor(rng.random(len(cells)) * width)
        return np.round(points * self.step, 10)
