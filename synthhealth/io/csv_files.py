"""Writes a cohort as two CSV files, patients and a long table of labs, with the digits that the schema gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.grid import decimals_of
from synthhealth.io.typed_tables import column_decimals, labs_table, patients_table
from synthhealth.output import write_files

# Without it a column of whole numbers with a missing cell would be written with decimal points.
_NULLABLE = {pa.int64(): pd.Int64Dtype()}


def write_csv(cohort: Cohort, *, patients: Path, labs: Path) -> tuple[Path, ...]:
    """Write both tables, whole or not at all; no labs file where the schema has no tests. Returns the paths.

    UTF-8, commas, a line feed after each row, quotes only where RFC 4180 needs them, a missing
    cell empty. Every number of a column or a test has the same digits after the point. Reading
    them back with the cohort's schema gives the same cohort.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    fills: dict[Path, Callable[[Path], None]] = {patients: partial(_write, patients_text(cohort))}
    if len(cohort.schema.tests) > 0:
        fills[labs] = partial(_write, labs_text(cohort))
    write_files(fills)
    return tuple(fills)


def patients_text(cohort: Cohort) -> pa.Table:
    """One row a patient as `patients_table` gives it, every number as text in the digits of its column.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    table = patients_table(cohort)
    for place, name in enumerate(table.column_names[1:], 1):
        decimals = column_decimals(cohort.schema, name)
        if decimals is not None:
            table = table.set_column(place, name, _written(cohort.numbers(name), decimals))
    return table


def labs_text(cohort: Cohort) -> pa.Table:
    """One row a record as `labs_table` gives it, every value as text in the digits of its test.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    table, records = labs_table(cohort), cohort.records
    values = np.empty(len(records), dtype=object)
    for place, test in enumerate(cohort.schema.tests.values()):
        mine = records.test == place
        values[mine] = _written(records.value[mine], decimals_of(test.step)).to_numpy(zero_copy_only=False)
    column = table.column_names.index("value")
    return table.set_column(column, "value", pa.array(values, type=pa.string()))


def _written(values: NDArray[np.float64], decimals: int) -> pa.Array:
    """Numbers as text; a column has far fewer different values than rows, and only those are formatted."""
    different, place = np.unique(values, return_inverse=True)
    texts = [None if np.isnan(value) else f"{value:.{decimals}f}" for value in different.tolist()]
    return pa.array(np.array([*texts, None], dtype=object)[place], type=pa.string())


def _write(table: pa.Table, path: Path) -> None:
    # Arrow's own writer puts quotes around every text
    table.to_pandas(types_mapper=_NULLABLE.get).to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
