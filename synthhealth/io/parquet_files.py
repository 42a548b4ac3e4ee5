"""Writes a cohort as two Parquet files, patients and a long table of labs, in the schema's types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from privacy.cohort import Cohort
from synthhealth.io.typed_tables import labs_blocks, patients_table
from synthhealth.output import write_files


def write_parquet(cohort: Cohort, *, patients: Path, labs: Path) -> tuple[Path, ...]:
    """Write both tables, whole or not at all; no labs file where the schema has no tests. Returns the paths.

    Reading them back with the cohort's schema gives the same cohort.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    cohort = cohort.reported()
    fills: dict[Path, Callable[[Path], None]] = {patients: lambda path: _write([patients_table(cohort)], path)}
    if len(cohort.schema.tests) > 0:
        fills[labs] = lambda path: _write(labs_blocks(cohort), path)
    write_files(fills)
    return tuple(fills)


def _write(blocks: Iterable[pa.Table], path: Path) -> None:
    """Each block as it comes, so that memory is that of one of them."""
    coming = iter(blocks)
    block = next(coming)
    # a dictionary is how a text is stored, not what it is: without Arrow's own schema beside it, readers see text
    with pyarrow.parquet.ParquetWriter(path, block.schema, compression="zstd", store_schema=False) as file:
        for table in chain([block], coming):
            file.write_table(table)
