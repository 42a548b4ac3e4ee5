"""Where each column and test sits in the numbers a model learns from; derived from the schema alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.schema import Category, Number, Schema
from synthhealth.encoding.cell_grid import CellGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One column of the model's patient table: public codes, or a number on a grid that bins will coarsen.

    `levels` counts the codes of a category (0 for a number), `missing` says whether an extra
    last level stands for missing, `ordered` whether neighbouring levels are alike, `paid` whether
    narrower bounds than the grid's are bought.
    """

    name: str
    levels: int
    missing: bool
    ordered: bool
    grid: CellGrid | None = None
    paid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The public shape of a cohort: attribute slots, test grids, and time as whole steps from the window's start."""

    schema: Schema
    attributes: tuple[Slot, ...]
    tests: tuple[CellGrid, ...]
    steps: int

    @staticmethod
    def of(schema: Schema) -> Layout:
        """The layout of a schema.

        Privacy: free; reads no rows.
        """
        start, end = schema.privacy_unit.window
        return Layout(
            schema=schema,
            attributes=tuple(_slot(name, column) for name, column in schema.free_columns.items()),
            tests=tuple(CellGrid.of_test(test) for test in schema.tests.values()),
            steps=max(1, math.ceil((end - start) / schema.time_precision - 1e-9)),
        )

    def step_of(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Whole time steps since the window's start, clipped into the window."""
        start = self.schema.privacy_unit.window[0]
        steps = np.floor((np.asarray(times, dtype=np.float64) - start) / self.schema.time_precision + 1e-9)
        return np.clip(steps, 0, self.steps - 1).astype(np.int64)

    def time_of(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """The times, in the schema's unit, at which steps begin."""
        start = self.schema.privacy_unit.window[0]
        return self.schema.times.cut(np.asarray(start + steps * self.schema.time_precision, dtype=np.float64))

    def fine(self, cohort: Cohort) -> NDArray[np.int64]:
        """Attributes as levels or fine cells, the count of levels or cells where missing, shape [n, attributes].

        Privacy: internal only; a per-patient map.
        """
        columns = [_fine(cohort, slot) for slot in self.attributes]
        return np.stack(columns, axis=1) if columns else np.zeros((len(cohort), 0), dtype=np.int64)


def _slot(name: str, column: Category | Number) -> Slot:
    if isinstance(column, Category):
        # a binary code is its own order
        ordered = column.kind == "ordinal" and not column.other
        return Slot(name=name, levels=len(column.levels), missing=column.missing, ordered=ordered)
    grid, paid = CellGrid.of_number(column), column.bounds == "pay"
    return Slot(name=name, levels=0, missing=column.missing, ordered=True, grid=grid, paid=paid)


def _fine(cohort: Cohort, slot: Slot) -> NDArray[np.int64]:
    if slot.grid is None:
        codes = cohort.codes(slot.name)
        return np.where(codes < 0, slot.levels, codes)
    values = cohort.numbers(slot.name)
    known = np.isfinite(values)
    return np.where(known, slot.grid.cell(np.where(known, values, 0.0)), slot.grid.cells)
