"""Lab records as draws: one draw is one patient at one time step, a panel of tests with at most one value each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort
from synthhealth.encoding.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """The draws of `patients` patients, sorted by patient and step, and their records, sorted by draw and test.

    Draws: `owner` [d] the patient's row, `step` [d] time steps since the window's start,
    `index` [d] the draw's place among its patient's draws, `bits` [d, tests] which tests it holds.
    Records: `draw` [r], `test` [r], `cell` [r] the fine cell of the value.
    """

    patients: int
    owner: NDArray[np.int64]
    step: NDArray[np.int64]
    index: NDArray[np.int64]
    bits: NDArray[np.bool_]
    draw: NDArray[np.int64]
    test: NDArray[np.int64]
    cell: NDArray[np.int64]

    @staticmethod
    def of(cohort: Cohort, layout: Layout) -> Draws:
        """The draws of a cohort; of several values of one test in one step the first is kept.

        Privacy: internal only; a per-patient map.
        """
        records = cohort.records
        return Draws.of_records(
            patients=len(cohort),
            owner=records.owner.astype(np.int64),
            step=layout.step_of(records.time),
            test=records.test.astype(np.int64),
            cell=_cells(layout, records.test, records.value),
            tests=len(layout.tests),
        )

    @staticmethod
    def of_records(
        *,
        patients: int,
        owner: NDArray[np.int64],
        step: NDArray[np.int64],
        test: NDArray[np.int64],
        cell: NDArray[np.int64],
        tests: int,
    ) -> Draws:
        """The same from columns of records in any order."""
        place = (owner * (int(step.max(initial=0)) + 1) + step) * tests + test
        if (place[1:] < place[:-1]).any():  # most exports stand in this order already; to look is cheaper than to sort
            order = np.argsort(place, kind="stable")
            owner, step, test, cell = owner[order], step[order], test[order], cell[order]
        new_draw = _changes(owner, step)
        first_of_test = new_draw | _changes(test)
        draw = np.cumsum(new_draw) - 1
        keep = np.flatnonzero(first_of_test)
        heads = np.flatnonzero(new_draw)
        bits = np.zeros((len(heads), tests), dtype=np.bool_)
        bits[draw[keep], test[keep]] = True
        return Draws(
            patients=patients,
            owner=owner[heads],
            step=step[heads],
            index=places(owner[heads]),
            bits=bits,
            draw=draw[keep],
            test=test[keep],
            cell=cell[keep],
        )

    @property
    def record_owner(self) -> NDArray[np.int64]:
        """The patient of each record, shape [r]."""
        return self.owner[self.draw]

    def per_patient(self) -> NDArray[np.int64]:
        """How many draws each patient has, shape [patients]."""
        return np.bincount(self.owner, minlength=self.patients)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each patient's sums of `values` [d, ...] over draws, 0 without a draw, shape [patients, ...]."""
        total = np.zeros((self.patients, *values.shape[1:]))
        starts = np.flatnonzero(self.index == 0)
        if len(starts):
            total[self.owner[starts]] = np.add.reduceat(values, starts, axis=0)
        return total

    def records_a_draw(self) -> NDArray[np.float64]:
        """The mean number of records in a patient's draws, 0 without a draw, shape [patients]."""
        records = np.bincount(self.record_owner, minlength=self.patients)
        return np.asarray(records / np.maximum(self.per_patient(), 1))

    def previous_bits(self) -> NDArray[np.bool_]:
        """The tests of the patient's draw before, all False for a first draw, shape [d, tests]."""
        shifted = np.zeros_like(self.bits)
        shifted[1:] = self.bits[:-1]
        shifted[self.index == 0] = False
        return shifted

    def ever_bits(self) -> NDArray[np.bool_]:
        """The tests of any of the patient's earlier draws, shape [d, tests]."""
        if len(self.owner) == 0:
            return self.bits.copy()
        counts = np.cumsum(self.bits, axis=0, dtype=np.int32) - self.bits
        starts = np.flatnonzero(self.index == 0)
        base = np.repeat(counts[starts], np.diff(np.append(starts, len(self.owner))), axis=0)
        return np.asarray(counts > base)


def places(owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place 0, 1, 2 ... of each row among the neighbouring rows of one owner."""
    starts = np.flatnonzero(_changes(owner))
    return np.arange(len(owner)) - np.repeat(starts, np.diff(np.append(starts, len(owner))))


def _changes(*columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where any of the columns differs from the row before; True at the first row."""
    changed = np.zeros(len(columns[0]), dtype=np.bool_)
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    changed[:1] = True
    return changed


def _cells(layout: Layout, test: NDArray[np.int16], value: NDArray[np.float64]) -> NDArray[np.int64]:
    cells = np.zeros(len(test), dtype=np.int64)
    for t, grid in enumerate(layout.tests):
        mine = test == t
        cells[mine] = grid.cell(value[mine])
    return cells
