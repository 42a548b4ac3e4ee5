"""Writes a cohort as two CSV files, patients and a long table of labs, with the digits that the schema gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.grid import decimals_of
from privacy.schema import Category, Derived, Schema
from synthhealth.output import write_whole


def write_csv(cohort: Cohort, *, patients: Path, labs: Path) -> tuple[Path, ...]:
    """Write both tables, each whole or not at all; no labs file where the schema has no tests. Returns the paths.

    Reading them back with the cohort's schema gives the same cohort.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    write_whole(patients, _as_csv(patients_table(cohort)))
    if len(cohort.schema.tests) == 0:
        return (patients,)
    write_whole(labs, _as_csv(labs_table(cohort)))
    return (patients, labs)


def patients_table(cohort: Cohort) -> pd.DataFrame:
    """The patients' frame with whole numbers written as such, missing cells empty."""
    whole = [name for name in cohort.schema.columns if _decimals(cohort.schema, name) == 0]
    table = cohort.patients.astype(dict.fromkeys(whole, "Int64"))
    return table.rename(columns={"patient_id": cohort.schema.privacy_unit.key})


def labs_table(cohort: Cohort) -> pd.DataFrame:
    """The long table of labs, times and values as text in the schema's precision."""
    records, tests = cohort.records, cohort.schema.tests
    values = np.empty(len(records), dtype=object)
    for place, test in enumerate(tests.values()):
        mine = records.test == place
        values[mine] = _written(records.value[mine], decimals_of(test.step))
    table = cohort.labs.assign(
        time=_written(records.time, decimals_of(cohort.schema.time_precision)),
        value=values,
    )
    return table.rename(columns={"patient_id": cohort.schema.privacy_unit.key})


def _decimals(schema: Schema, name: str) -> int | None:
    """Digits after the point of a numeric column; None for codes and for derived columns of no precision."""
    column = schema.columns[name]
    if isinstance(column, Category):
        return None
    if isinstance(column, Derived):
        return None if column.precision == 0 else decimals_of(column.precision)
    return decimals_of(column.step)


def _written(values: NDArray[np.float64], decimals: int) -> NDArray[np.object_]:
    return np.array([f"{value:.{decimals}f}" for value in values], dtype=object)


def _as_csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")
