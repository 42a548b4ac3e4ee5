"""Patients made up from a schema alone, so that an engine can be audited without a row of real data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.randomness import public
from privacy.schema import Category, Number, Schema


def stand_ins(schema: Schema, n: int, seed: int) -> Cohort:
    """`n` patients whose cells are drawn evenly from the public bounds, each with up to one record a test.

    Privacy: free; there is no real row.
    """
    rng = public(seed, "audit", "stand-ins")
    cells = {name: _cells(column, n, rng) for name, column in schema.free_columns.items()}
    patients = patient_frame(schema, [f"stand-in {number}" for number in range(n)], cells)
    held = rng.random((n, len(schema.tests))) < 0.5  # noqa: PLR2004  # half of the tests
    owner, test = np.nonzero(held)
    low = np.array([of.bounds[0] for of in schema.tests.values()])
    time = schema.times.cut(np.full(len(owner), schema.privacy_unit.window[0], dtype=np.float64))
    value = low[test] if len(low) else np.zeros(0)
    return Cohort(
        schema=schema, patients=patients, records=Records.sorted(owner=owner, time=time, test=test, value=value)
    )


def _cells(column: Category | Number, n: int, rng: np.random.Generator) -> NDArray[np.number]:
    if isinstance(column, Category):
        return rng.integers(0, len(column.levels), n)
    return rng.uniform(column.low, column.high, n)
