"""Reads a long table from disk a block of rows at a time, with the columns that are wanted and no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from privacy.tables import as_text, csv_names, csv_options, is_csv, known_file, not_csv, open_parquet, unreadable

ROWS_A_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Blocks:
    """A table's `names` of all columns, and `frames`: its rows in order, in blocks, each with the same wanted columns.

    There is at least one block; `frames` can be gone through once.

    Privacy: internal only.
    """

    names: tuple[str, ...]
    frames: Iterator[pd.DataFrame]

    @staticmethod
    def of(table: pd.DataFrame) -> Blocks:
        """A table that is in memory already, as one block."""
        return Blocks(tuple(table.columns), iter([table]))


def read_blocks(path: str | Path, name: str, *, words: tuple[str, ...], numbers: tuple[str, ...]) -> Blocks:
    """The table at `path` as `tables.read_table` reads it, by blocks, with its columns among `words` and `numbers`.

    Cells are text, words as categoricals; numbers that Parquet holds as whole or double numbers stay
    numbers, which read the same. Memory is that of a block.

    Raises DataError as `read_table` does; for content that shows late, when its block is reached.

    Privacy: internal only.
    """
    file = known_file(path, name)
    try:
        names, batches = (
            _csv(file, name, (*words, *numbers)) if is_csv(file) else _parquet(file, name, (*words, *numbers))
        )
    except OSError as error:
        raise unreadable(file, name) from error

    def frames() -> Iterator[pd.DataFrame]:
        for batch in _guarded(batches, file, name):
            cells = zip(batch.schema.names, batch.columns, strict=True)
            yield pd.DataFrame({column: _cells(told, name, number=column in numbers) for column, told in cells})

    return Blocks(tuple(names), frames())


def _csv(file: Path, name: str, wanted: tuple[str, ...]) -> tuple[list[str], Iterator[pa.RecordBatch]]:
    names = csv_names(file, name)
    mine = [column for column in names if column in wanted]

    def batches() -> Iterator[pa.RecordBatch]:
        with pyarrow.csv.open_csv(file, **csv_options(names, mine)) as opened:
            yield pa.RecordBatch.from_pylist([], schema=opened.schema)
            yield from opened

    return names, batches()


def _parquet(file: Path, name: str, wanted: tuple[str, ...]) -> tuple[list[str], Iterator[pa.RecordBatch]]:
    names, opened = open_parquet(file, name)
    stored = opened.schema_arrow.names
    mine = {own: column for own, column in zip(stored, names, strict=True) if column in wanted}

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_arrays(
            [pa.array([], opened.schema_arrow.field(own).type) for own in mine], list(mine.values())
        )
        for batch in opened.iter_batches(batch_size=ROWS_A_BLOCK, columns=list(mine)):
            yield batch.rename_columns([mine[own] for own in batch.schema.names])

    return names, batches()


def _guarded(batches: Iterator[pa.RecordBatch], file: Path, name: str) -> Iterator[pa.RecordBatch]:
    """The batches, with Arrow's complaints turned into refusals that quote no cell."""
    while True:
        refused = None
        try:
            batch = next(batches, None)
        except pa.ArrowInvalid as error:
            refused = not_csv(error, name)
        except OSError as error:
            raise unreadable(file, name) from error
        if refused is not None:
            raise refused
        if batch is None:
            return
        yield batch


def _cells(cells: pa.Array, name: str, *, number: bool) -> pd.Series:
    if number and (pa.types.is_integer(cells.type) or pa.types.is_float64(cells.type)):
        kept = cells
    else:
        text = as_text(cells, name)
        kept = text if number else text.dictionary_encode()
    told: pd.Series = kept.to_pandas()
    return told
