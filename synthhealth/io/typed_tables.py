"""A cohort as two Arrow tables in the schema's types, units, order and precision, ready to be written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.grid import decimals_of
from privacy.schema import Category, Derived, Schema


def patients_table(cohort: Cohort) -> pa.Table:
    """One row a patient: the key, then the schema's columns.

    Whole numbers are int64, other numbers float64, codes text, or int64 where every code is a
    number; a missing cell is null.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    columns = {cohort.schema.privacy_unit.key: pa.array(cohort.ids, type=pa.string())}
    for name, column in cohort.schema.columns.items():
        if isinstance(column, Category):
            columns[name] = _codes(column, cohort.codes(name))
        else:
            columns[name] = _numbers(cohort.numbers(name), column_decimals(cohort.schema, name))
    return pa.table(columns)


def labs_table(cohort: Cohort) -> pa.Table:
    """One row a record, by patient, time and test: the key, time, test, value, unit.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    records, tests = cohort.records, cohort.schema.tests
    units = np.array([*(test.unit for test in tests.values()), ""], dtype=object)
    return pa.table(
        {
            cohort.schema.privacy_unit.key: pa.array(cohort.ids[records.owner], type=pa.string()),
            "time": _numbers(records.time, decimals_of(cohort.schema.time_precision)),
            "test": pa.array(np.array([*tests, ""], dtype=object)[records.test], type=pa.string()),
            "value": pa.array(records.value),
            "unit": pa.array(units[records.test], type=pa.string()),
        }
    )


def column_decimals(schema: Schema, name: str) -> int | None:
    """Digits after the point of a column's values; None for codes and for derived columns of no precision."""
    column = schema.columns[name]
    if isinstance(column, Category) or (isinstance(column, Derived) and column.precision == 0):
        return None
    return decimals_of(column.precision if isinstance(column, Derived) else column.step)


def _codes(column: Category, places: NDArray[np.int64]) -> pa.Array:
    all_numbers = all(isinstance(level, int) for level in column.levels)
    levels = np.array([*(column.levels if all_numbers else map(str, column.levels)), None], dtype=object)
    return pa.array(levels[places], type=pa.int64() if all_numbers else pa.string())


def _numbers(values: NDArray[np.float64], decimals: int | None) -> pa.Array:
    if decimals == 0:
        return pa.array(pd.array(values, dtype="Float64").astype("Int64"), type=pa.int64())
    return pa.array(values, from_pandas=True)
