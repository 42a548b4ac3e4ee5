"""Writes a cohort as two CSV files, patients and a long table of labs, with the digits that the schema gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.grid import decimals_of
from privacy.schema_parts import Test
from synthhealth.io.typed_tables import column_decimals, labs_blocks, patients_table, plain
from synthhealth.output import write_files

# Without it a column of whole numbers with a missing cell would be written with decimal points.
_NULLABLE = {pa.int64(): pd.Int64Dtype()}
_SPECIAL = re.compile(r"[,\"\r\n]")


def write_csv(cohort: Cohort, *, patients: Path, labs: Path) -> tuple[Path, ...]:
    """Write both tables, whole or not at all; no labs file where the schema has no tests. Returns the paths.

    UTF-8, commas, a line feed after each row, quotes only where RFC 4180 needs them, a missing
    cell empty. Every number of a column or a test has the same digits after the point. Reading
    them back with the cohort's schema gives the same cohort.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    cohort = cohort.reported()
    fills: dict[Path, Callable[[Path], None]] = {patients: lambda path: _write([patients_text(cohort)], path)}
    if len(cohort.schema.tests) > 0:
        fills[labs] = lambda path: _write(labs_text_blocks(cohort), path)
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
    return pa.concat_tables([plain(block) for block in labs_text_blocks(cohort)])


def labs_text_blocks(cohort: Cohort) -> Iterator[pa.Table]:
    """The rows of `labs_text` by blocks; texts are dictionaries.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    tests = list(cohort.schema.tests.values())
    for block in labs_blocks(cohort):
        test = block["test"].chunk(0).indices.to_numpy()
        column = block.column_names.index("value")
        yield block.set_column(column, "value", _values(block["value"].to_numpy(), test, tests))


def _values(values: NDArray[np.float64], test: NDArray[np.integer], tests: list[Test]) -> pa.DictionaryArray:
    """The values as text, each in the digits of its test; a block has far fewer different values than rows."""
    words, place = list[str](), np.zeros(len(values), dtype=np.int32)
    for number, of in enumerate(tests):
        mine = np.flatnonzero(test == number)
        different, where = np.unique(values[mine], return_inverse=True)
        place[mine] = len(words) + where
        words += [f"{value:.{decimals_of(of.step)}f}" for value in different.tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(place), pa.array(words, type=pa.string()))


def _written(values: NDArray[np.float64], decimals: int) -> pa.Array:
    """Numbers as text; a column has far fewer different values than rows, and only those are formatted."""
    different, place = np.unique(values, return_inverse=True)
    texts = [None if np.isnan(value) else f"{value:.{decimals}f}" for value in different.tolist()]
    return pa.array(np.array([*texts, None], dtype=object)[place], type=pa.string())


def _write(blocks: Iterable[pa.Table], path: Path) -> None:
    """Header and rows, block by block."""
    with path.open("wb") as file:
        for number, block in enumerate(blocks):
            if any(map(_needs_quotes, [block.column_names, *_words(block)])):
                # Arrow's own writer quotes every text or none
                text = plain(block).to_pandas(types_mapper=_NULLABLE.get)
                text.to_csv(file, index=False, header=number == 0, lineterminator="\n", encoding="utf-8")
            else:
                options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
                if number == 0:
                    file.write((",".join(block.column_names) + "\n").encode())
                pyarrow.csv.write_csv(plain(block), file, options)


def _words(block: pa.Table) -> Iterator[list[str]]:
    """The different texts of each column of text."""
    for column in block.itercolumns():
        if pa.types.is_dictionary(column.type):
            yield from (chunk.dictionary.to_pylist() for chunk in column.chunks)
        elif pa.types.is_string(column.type):
            yield column.unique().drop_null().to_pylist()


def _needs_quotes(words: list[str]) -> bool:
    """Whether RFC 4180 wants quotes around one of them."""
    return any(_SPECIAL.search(word) is not None for word in words)
