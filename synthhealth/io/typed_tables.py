"""A cohort as two Arrow tables in the schema's types, units, order and precision, ready to be written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.grid import decimals_of
from privacy.schema import Category, Derived, Schema

RECORDS_A_BLOCK = 1 << 20


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
    return pa.concat_tables([plain(block) for block in labs_blocks(cohort)])


def labs_blocks(cohort: Cohort) -> Iterator[pa.Table]:
    """The rows of `labs_table`, at most RECORDS_A_BLOCK at a time and at least one block; texts are dictionaries.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    key, ids, tests = cohort.schema.privacy_unit.key, cohort.ids, cohort.schema.tests
    units, digits = [test.unit for test in tests.values()], decimals_of(cohort.schema.time_precision)
    for start in range(0, max(1, len(cohort.records)), RECORDS_A_BLOCK):
        mine = slice(start, start + RECORDS_A_BLOCK)
        owner, test = cohort.records.owner[mine], cohort.records.test[mine]
        first, last = (int(owner[0]), int(owner[-1]) + 1) if len(owner) else (0, 0)
        yield pa.table(
            {
                key: _picked(ids[first:last].tolist(), owner - first),
                "time": _numbers(cohort.records.time[mine], digits),
                "test": _picked(list(tests), test),
                "value": pa.array(cohort.records.value[mine]),
                "unit": _picked(units, test),
            }
        )


def plain(table: pa.Table) -> pa.Table:
    """The same rows without dictionaries."""
    columns = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in table.itercolumns()
    ]
    return pa.table(columns, names=table.column_names)


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


def _picked(words: list[str], places: NDArray[np.integer]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(places, type=pa.int32()), pa.array(words, type=pa.string()))


def _numbers(values: NDArray[np.float64], decimals: int | None) -> pa.Array:
    missing = np.isnan(values)
    if decimals == 0:
        return pa.array(np.where(missing, 0.0, values).astype(np.int64), mask=missing)
    return pa.array(values, mask=missing)
