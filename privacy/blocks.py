"""A cohort in blocks of patients, so that memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from privacy.cohort import Cohort, Records

PATIENTS_A_BLOCK = 8192  # public: nothing about the rows decides it


def blocks(cohort: Cohort, size: int = PATIENTS_A_BLOCK) -> Iterator[Cohort]:
    """The patients in their order, `size` at a time; an empty cohort has no block.

    Privacy: internal only; a patient's block depends on the order of the others, so only a
    result that treats each patient alone may be made from it.
    """
    if size < 1:
        raise ValueError(f"a block must hold at least 1 patient; got {size}")
    edges = np.arange(0, len(cohort) + size, size).clip(max=len(cohort))
    places = np.searchsorted(cohort.records.owner, edges)
    for i in range(len(edges) - 1):
        if edges[i] < edges[i + 1]:
            yield _rows(cohort, int(edges[i]), int(edges[i + 1]), slice(int(places[i]), int(places[i + 1])))


def nobody(cohort: Cohort) -> Cohort:
    """The cohort without its patients: what can be known about it from the schema alone."""
    return _rows(cohort, 0, 0, slice(0, 0))


def _rows(cohort: Cohort, start: int, stop: int, records: slice) -> Cohort:
    mine = cohort.records
    return Cohort(
        schema=cohort.schema,
        patients=cohort.patients.iloc[start:stop].reset_index(drop=True),
        records=Records(
            owner=(mine.owner[records] - start).astype(np.int32),
            time=mine.time[records],
            test=mine.test[records],
            value=mine.value[records],
        ),
    )
