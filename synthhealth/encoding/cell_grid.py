"""Public grids: the cells into which numbers fall, fixed by bounds and precision before a row is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from privacy.grid import Grid, decimals_of, on_step
from privacy.schema import Number, Test

FINE_CELLS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGrid:
    """Cells of lattice points of a public step: cell c holds the `width[c]` points from `first[c]` on.

    A lattice point k is the value k * step; `first` and `width` have shape [cells] and cover [low, high].
    """

    step: float
    first: NDArray[np.int64]
    width: NDArray[np.int64]

    @staticmethod
    def of(
        low: float, high: float, *, step: float, scale: Literal["linear", "log"] = "linear", cells: int = FINE_CELLS
    ) -> CellGrid:
        """At most `cells` cells over [low, high], equally wide on the given scale and never narrower than one step."""
        whole = Grid(low=low, high=high, step=step)
        start, stop = whole.first, whole.last
        count = min(cells, stop - start + 1)
        if scale == "log":
            shift = max(start, 1)
            edges = np.geomspace(shift, max(stop + 1, shift + 1), count + 1) + (start - shift)
        else:
            edges = np.linspace(start, stop + 1, count + 1)
        first: NDArray[np.int64] = np.round(edges).astype(np.int64)
        first[0], first[-1] = start, stop + 1
        # a log scale crowds its low cells: push them apart to one lattice point each, then trim at the top
        for i in range(1, count + 1):
            first[i] = max(first[i], first[i - 1] + 1)
        cuts = np.unique(np.minimum(first, stop + 1)).astype(np.int64)
        return CellGrid(step=step, first=cuts[:-1], width=np.diff(cuts))

    @staticmethod
    def of_codes(codes: tuple[int, ...]) -> CellGrid:
        """One cell for each of the sorted integer codes."""
        points = sorted(codes)
        return CellGrid(step=1.0, first=np.array(points, dtype=np.int64), width=np.ones(len(points), dtype=np.int64))

    @staticmethod
    def of_number(column: Number) -> CellGrid:
        """The grid of a numeric column."""
        return CellGrid.of(column.low, column.high, step=column.step, scale=column.scale)

    @staticmethod
    def of_test(test: Test) -> CellGrid:
        """The grid of a laboratory test; a categorical test has one cell a code."""
        if test.codes:
            return CellGrid.of_codes(test.codes)
        return CellGrid.of(test.low, test.high, step=test.step, scale=test.scale)

    @property
    def cells(self) -> int:
        """How many cells the grid has."""
        return len(self.first)

    def cell(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The cell of each finite value, shape as `values`; values beyond the bounds fall in the outermost cells."""
        # half a step of slack absorbs that 0.3 / 0.1 is not 3 in floating point
        points = np.round(values / self.step)
        return np.clip(np.searchsorted(self.first, points, side="right") - 1, 0, self.cells - 1)

    def point(self, cells: NDArray[np.int64], place: NDArray[np.float64]) -> NDArray[np.float64]:
        """One lattice value for each cell, `place` in [0, 1) of the way through the cell's lattice points."""
        points = self.first[cells].astype(np.float64) + np.floor(place * self.width[cells])
        return on_step(points, step=self.step, decimals=decimals_of(self.step))
