"""Cohorts with a known answer: copies of patients, copies with noise, labs redrawn across patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.cohort import Cohort, Records
from privacy.constraints import derived
from privacy.grid import Grid
from privacy.schema import Number

Floats = NDArray[np.float64]


def renamed(cohort: Cohort, prefix: str = "s") -> Cohort:
    """The same patients under new names, as a generator would name them.

    Privacy: internal only.
    """
    patients = cohort.patients.copy()
    patients["patient_id"] = [f"{prefix}{place}" for place in range(len(cohort))]
    return Cohort(schema=cohort.schema, patients=patients, records=cohort.records)


def joined(one: Cohort, two: Cohort) -> Cohort:
    """The patients of both cohorts under new names.

    Privacy: internal only.
    """
    patients = pd.concat([one.patients, two.patients], ignore_index=True)
    records = Records.sorted(
        owner=np.concatenate([one.records.owner, two.records.owner + len(one)]),
        time=np.concatenate([one.records.time, two.records.time]),
        test=np.concatenate([one.records.test, two.records.test]),
        value=np.concatenate([one.records.value, two.records.value]),
    )
    return renamed(Cohort(schema=one.schema, patients=patients, records=records))


def jittered(cohort: Cohort, spread: float, rng: np.random.Generator) -> Cohort:
    """A copy of every patient with Gaussian noise of `spread` standard deviations on every number and lab value.

    Values are clipped to the public bounds and rounded to the public step, as a generator's are; codes, times
    and what is missing stay as they are.

    Privacy: internal only.
    """
    numbers = {
        name: _noisy(cohort.numbers(name), column.grid, spread, rng)
        for name, column in cohort.schema.free_columns.items()
        if isinstance(column, Number)
    }
    patients = cohort.patients.assign(**numbers).assign(
        **derived(cohort.schema, cohort.cells(cohort.schema.free_columns) | numbers)
    )
    records = cohort.records
    noisy = Records(owner=records.owner, time=records.time, test=records.test, value=_noisy_values(cohort, spread, rng))
    return renamed(Cohort(schema=cohort.schema, patients=patients, records=noisy))


def _noisy_values(cohort: Cohort, spread: float, rng: np.random.Generator) -> Floats:
    records = cohort.records
    value = records.value.copy()
    for place, test in enumerate(cohort.schema.tests.values()):
        mine = records.test == place
        if mine.any() and not test.codes:
            low, high = test.bounds
            value[mine] = _noisy(value[mine], Grid(low=low, high=high, step=test.step), spread, rng)
    return value


def _noisy(values: Floats, grid: Grid, spread: float, rng: np.random.Generator) -> Floats:
    deviation = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
    return grid.snap(values + rng.normal(size=len(values)) * spread * deviation)


def redrawn_labs(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """Every patient keeps its attributes and its number of records, and gets records drawn from all patients'.

    A bootstrap of records across patients: no patient is copied, every record is.

    Privacy: internal only.
    """
    records = cohort.records
    drawn = rng.integers(0, max(1, len(records)), size=len(records))
    shuffled = Records.sorted(
        owner=records.owner, time=records.time[drawn], test=records.test[drawn], value=records.value[drawn]
    )
    return renamed(Cohort(schema=cohort.schema, patients=cohort.patients, records=shuffled))
