"""Writes a cohort as two Parquet files, patients and a long table of labs, in the schema's types."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from privacy.cohort import Cohort
from synthhealth.io.typed_tables import labs_table, patients_table
from synthhealth.output import write_files


def write_parquet(cohort: Cohort, *, patients: Path, labs: Path) -> tuple[Path, ...]:
    """Write both tables, whole or not at all; no labs file where the schema has no tests. Returns the paths.

    Reading them back with the cohort's schema gives the same cohort.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    fills: dict[Path, Callable[[Path], None]] = {patients: partial(_write, patients_table(cohort))}
    if len(cohort.schema.tests) > 0:
        fills[labs] = partial(_write, labs_table(cohort))
    write_files(fills)
    return tuple(fills)


def _write(table: pa.Table, path: Path) -> None:
    pyarrow.parquet.write_table(table, path, compression="zstd")
