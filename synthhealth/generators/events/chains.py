"""What a patient's draws say in bins: each value with the one before it, and what sums the patient up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthhealth.encoding.bins import Bins
from synthhealth.encoding.cell_grid import CellGrid
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout, Slot

VALUE_BINS = 12
LEVELS = 6
PANEL_STEP = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """Records in coarse bins.

    `bin` [r] the value's bin, `last` [r] the bin of the same patient's previous value of that test
    (VALUE_BINS where there is none), `level` [patients, tests] the class of the patient's mean bin
    (LEVELS where the test was never measured).
    """

    bin: NDArray[np.int64]
    last: NDArray[np.int64]
    level: NDArray[np.int64]

    @staticmethod
    def of(draws: Draws, bins: tuple[Bins, ...]) -> Chains:
        """The chains of a cohort's draws.

        Privacy: internal only; a per-patient map.
        """
        tests = len(bins)
        owner = draws.record_owner
        coded = np.zeros(len(owner), dtype=np.int64)
        last = np.full(len(owner), VALUE_BINS, dtype=np.int64)
        for t, grouping in enumerate(bins):
            mine = np.flatnonzero(draws.test == t)  # in the order of patients and draws, as all records are
            coded[mine] = grouping.of_cell(draws.cell[mine])
            again = owner[mine[1:]] == owner[mine[:-1]]
            last[mine[1:][again]] = coded[mine[:-1][again]]
        return Chains(bin=coded, last=last, level=_levels(owner * tests + draws.test, coded, bins, draws.patients))


def _levels(
    series: NDArray[np.int64], coded: NDArray[np.int64], bins: tuple[Bins, ...], patients: int
) -> NDArray[np.int64]:
    tests = len(bins)
    count = np.bincount(series, minlength=patients * tests).reshape(patients, tests)
    total = np.bincount(series, weights=coded, minlength=patients * tests).reshape(patients, tests)
    width = np.array([grouping.count for grouping in bins], dtype=np.float64)
    share = (total / np.maximum(count, 1) + 0.5) / width
    return np.where(count > 0, np.minimum((share * LEVELS).astype(np.int64), LEVELS - 1), LEVELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summaries:
    """The four numbers that describe a patient's draws, each on a public grid; missing where there is no draw.

    Fine cells, shape [patients, 4]: number of draws, first step, last step, records a draw.
    """

    cells: NDArray[np.int64]

    @staticmethod
    def of(draws: Draws, slots: tuple[Slot, ...]) -> Summaries:
        """The summaries of a cohort's draws.

        Privacy: internal only; a per-patient map.
        """
        count = draws.per_patient()
        some = count > 0
        stop = np.cumsum(count)
        first = np.zeros(draws.patients)
        final = np.zeros(draws.patients)
        first[some] = draws.step[stop[some] - count[some]]
        final[some] = draws.step[stop[some] - 1]
        panel = draws.records_a_draw()
        columns = []
        for slot, values in zip(slots, (count.astype(np.float64), first, final, panel), strict=True):
            assert slot.grid is not None  # noqa: S101  # summary slots are made below with a grid
            columns.append(np.where(some | (not slot.missing), slot.grid.cell(values), slot.grid.cells))
        return Summaries(cells=np.stack(columns, axis=1))


def summary_slots(layout: Layout) -> tuple[Slot, ...]:
    """The slots of the four summaries, from public facts."""
    cap = layout.schema.privacy_unit.max_records
    tests = max(len(layout.tests), 2)

    def slot(name: str, grid: CellGrid, *, missing: bool = True) -> Slot:
        return Slot(name=name, levels=0, missing=missing, ordered=True, grid=grid)

    return (
        slot("n_draws", CellGrid.of(0, min(cap, layout.steps), step=1, scale="log"), missing=False),
        slot("first_step", CellGrid.of(0, layout.steps - 1, step=1))
        if layout.steps > 1
        else slot("first_step", _point()),
        slot("last_step", CellGrid.of(0, layout.steps - 1, step=1))
        if layout.steps > 1
        else slot("last_step", _point()),
        slot("panel_size", CellGrid.of(1, tests, step=PANEL_STEP, scale="log")),
    )


def level_slots(layout: Layout) -> tuple[Slot, ...]:
    """One slot a test for the patient's mean level, the last level standing for `never measured`."""
    return tuple(Slot(name=name, levels=LEVELS, missing=True, ordered=True) for name in layout.schema.tests)


def _point() -> CellGrid:
    return CellGrid.of_codes((0,))
