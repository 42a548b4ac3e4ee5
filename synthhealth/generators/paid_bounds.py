"""Bounds that are bought: a noisy histogram of a generous public range, and the narrower grid that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from privacy.choices import outer_cells
from privacy.cohort import Cohort
from privacy.plan import Charge
from synthhealth.encoding.cell_grid import CellGrid
from synthhealth.encoding.layout import Layout, Slot
from synthhealth.generators.charges import table_charge
from synthhealth.generators.looks import Looks
from synthhealth.generators.table.measure import one_hot_rows

NAME = "bounds"
COARSE_CELLS = 32
OUTSIDE = 0.002  # the share of patients that may lie beyond each bound, beside what noise hides
Ends = Mapping[int, tuple[float, float]]


def bound_charges(layout: Layout, *, share: float, scale: float) -> tuple[Charge, ...]:
    """The one charge of all bounds that are bought, none where all are public.

    Privacy: free; reads no rows.
    """
    paid = len(_paid(layout))
    if paid == 0:
        return ()
    reads = "numbers whose bounds are bought, in coarse cells of their public range"
    return (table_charge(NAME, share=share, tables=paid, scale=scale, reads=reads),)


def bought(looks: Looks, layout: Layout) -> Layout:
    """The layout with bought bounds in the place of generous public ones; the same one where all are public.

    Privacy: spends the charge of `bound_charges`, where the looks are paid ones.
    """
    paid = _paid(layout)
    if not paid:
        return layout
    grids = [_coarse(layout, slot) for slot in paid.values()]
    width = np.array([grid.cells + 1 for grid in grids])

    def rows(block: Cohort) -> sp.csr_matrix:
        cells = [_cells(block.numbers(slot.name), grid) for slot, grid in zip(paid.values(), grids, strict=True)]
        return one_hot_rows(np.stack(cells, axis=1), width)

    table = looks.histograms(NAME, rows)
    pieces = np.split(table.values, np.cumsum(width)[:-1])
    ends = {
        place: _ends(grid, piece[: grid.cells], table.sigma)
        for place, grid, piece in zip(paid, grids, pieces, strict=True)
    }
    return narrowed(layout, ends)


def narrowed(layout: Layout, ends: Ends) -> Layout:
    """The layout with `ends`, lowest and highest value, in the place of the bounds of the slots at these places.

    Privacy: free; post-processing.
    """
    slots = list(layout.attributes)
    for place, (low, high) in ends.items():
        column = layout.schema.free_columns[slots[place].name]
        grid = CellGrid.of_number(column.model_copy(update={"low": low, "high": high}))  # type: ignore[arg-type]
        slots[place] = replace(slots[place], grid=grid)
    return replace(layout, attributes=tuple(slots))


def ends_of(layout: Layout) -> Ends:
    """Lowest and highest value of each slot whose bounds are bought, by place.

    Privacy: free; post-processing.
    """
    return {place: _span(slot.grid) for place, slot in _paid(layout).items() if slot.grid is not None}


def _paid(layout: Layout) -> dict[int, Slot]:
    return {place: slot for place, slot in enumerate(layout.attributes) if slot.paid}


def _coarse(layout: Layout, slot: Slot) -> CellGrid:
    column = layout.schema.free_columns[slot.name]
    assert column.kind != "categorical"  # noqa: S101  # a slot whose bounds are bought is a number
    assert column.kind != "ordinal"  # noqa: S101  # the same
    return CellGrid.of(column.low, column.high, step=column.step, scale=column.scale, cells=COARSE_CELLS)


def _cells(values: NDArray[np.float64], grid: CellGrid) -> NDArray[np.int64]:
    """Each patient's cell, the one behind the last for none."""
    known = np.isfinite(values)
    return np.where(known, grid.cell(np.where(known, values, 0.0)), grid.cells)


def _ends(grid: CellGrid, counts: NDArray[np.float64], sigma: float) -> tuple[float, float]:
    """The outermost values of the cells between which patients stand out of the noise, one cell more on each side."""
    low, high = outer_cells(counts, sigma, share=OUTSIDE)
    return _span(grid, max(low - 1, 0), min(high + 1, grid.cells - 1))


def _span(grid: CellGrid, low: int = 0, high: int = -1) -> tuple[float, float]:
    ends = np.array([grid.first[low], grid.first[high] + grid.width[high] - 1], dtype=np.float64)
    return float(ends[0] * grid.step), float(ends[1] * grid.step)
