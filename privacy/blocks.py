"""A cohort in blocks of patients, so that memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort

PATIENTS_A_BLOCK = 8192  # public: nothing about the rows decides it


def blocks(cohort: Cohort, size: int = PATIENTS_A_BLOCK) -> Iterator[Cohort]:
    """The patients in their order, `size` at a time; an empty cohort has no block.

    Privacy: internal only; a patient's block depends on the order of the others, so only a
    result that treats each patient alone may be made from it.
    """
    return blocks_of(cohort, np.arange(len(cohort)), size)


def blocks_of(cohort: Cohort, rows: NDArray[np.int64], size: int = PATIENTS_A_BLOCK) -> Iterator[Cohort]:
    """The same for the patients at `rows`, which ascend.

    Privacy: internal only; see `blocks`.
    """
    if size < 1:
        raise ValueError(f"a block must hold at least 1 patient; got {size}")
    owner = cohort.records.owner
    for start in range(0, len(rows), size):
        mine = rows[start : start + size]
        first, stop = int(mine[0]), int(mine[-1]) + 1
        # bounds of the owners' own type: for any other, numpy would copy all owners for each block
        place = np.searchsorted(owner, np.array((first, stop), dtype=owner.dtype))
        block = _rows(cohort, first, stop, slice(int(place[0]), int(place[1])))
        yield block if len(block) == len(mine) else block.take(mine - first)


def nobody(cohort: Cohort) -> Cohort:
    """The cohort without its patients: what can be known about it from the schema alone."""
    return _rows(cohort, 0, 0, slice(0, 0))


def _rows(cohort: Cohort, start: int, stop: int, records: slice) -> Cohort:
    mine = cohort.records.piece(records)
    return Cohort(
        schema=cohort.schema,
        patients=cohort.patients.iloc[start:stop].reset_index(drop=True),
        records=replace(mine, owner=(mine.owner - start).astype(np.int32)),
    )
