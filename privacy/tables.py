"""Reads a table from disk as text: CSV or Parquet, every cell as it was written and nothing inferred."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypedDict

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from privacy.errors import DataError, refusal

_CSV = (".csv", ".csv.gz")
_PARQUET = (".parquet", ".pq")
_BLOCK = 1 << 22


def read_table(path: str | Path, name: str) -> pd.DataFrame:
    """The table at `path` with one text column for each of its columns; `name` is its name in refusals.

    CSV is UTF-8 with or without a byte order mark, separated by commas, quoted by RFC 4180
    (line breaks inside quotes are part of the cell), `.csv` or `.csv.gz`; an empty cell is the
    empty text. Parquet columns of any plain type are written out as text, null stays missing.

    Raises DataError, naming table and rule and never a cell, when there is no such file, or it
    is empty, of another format, not UTF-8, cut short or ragged, or names a column twice.

    Privacy: internal only.
    """
    file = known_file(path, name)
    try:
        frame: pd.DataFrame = (_csv(file, name) if is_csv(file) else _parquet(file, name)).to_pandas()
    except OSError as error:
        raise unreadable(file, name) from error
    return frame


def known_file(path: str | Path, name: str) -> Path:
    """The path of a file that is there and of a known format; raises DataError."""
    file = Path(path)
    ending = _ending(file)
    if ending not in (*_CSV, *_PARQUET):
        _refuse(name, "be a file of a known format", f"{file.name}", f"name it {' or '.join((*_CSV, *_PARQUET))}")
    if not file.is_file():
        _refuse(name, "be a file that exists", f"{file}", "check the path in the config")
    return file


def is_csv(file: Path) -> bool:
    """Whether the file's name says CSV."""
    return _ending(file) in _CSV


def unreadable(file: Path, name: str) -> DataError:
    """The refusal of a file that the system does not let be read, or that is cut short."""
    return _refusal(name, "be a file that can be read", f"{file}", "check its permissions and export it again")


def _ending(file: Path) -> str:
    return "".join(file.suffixes[-2:]).lower() if file.suffix.lower() == ".gz" else file.suffix.lower()


def _csv(file: Path, name: str) -> pa.Table:
    names = csv_names(file, name)
    try:
        return pyarrow.csv.read_csv(file, **csv_options(names))
    except pa.ArrowInvalid as error:
        refused = not_csv(error, name)  # Arrow's own sentence quotes the row, so it is neither repeated nor chained
    raise refused


class CsvOptions(TypedDict):
    """How Arrow is told to read a CSV file."""

    read_options: pyarrow.csv.ReadOptions
    parse_options: pyarrow.csv.ParseOptions
    convert_options: pyarrow.csv.ConvertOptions


def csv_options(names: Sequence[str], wanted: Sequence[str] = ()) -> CsvOptions:
    """Every cell of the columns `wanted`, of all by default, as the text it is; nothing is inferred."""
    return {
        "read_options": pyarrow.csv.ReadOptions(column_names=names, skip_rows_after_names=1, block_size=_BLOCK),
        "parse_options": pyarrow.csv.ParseOptions(newlines_in_values=True),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()),
            strings_can_be_null=False,
            include_columns=list(wanted),
        ),
    }


def not_csv(error: pa.ArrowInvalid, name: str) -> DataError:
    """The refusal of what Arrow could not read as CSV, without a word of what it is."""
    what = "UTF-8 text" if "UTF8" in str(error) else "well-formed CSV, each row as long as the header"
    return _refusal(name, f"be {what}", "other content", "export it again as CSV in UTF-8, separated by commas")


def csv_names(file: Path, name: str) -> list[str]:
    """The columns of a CSV file whose bytes can be text; raises DataError."""
    _check_bytes(file, name)
    return _header(file, name)


def _check_bytes(file: Path, name: str) -> None:
    """Refuse what Arrow would read without complaint: an odd number of quotes swallows the rest of the file."""
    size = quotes = zeros = 0
    with pa.input_stream(str(file), compression="detect") as stream:
        while block := stream.read(_BLOCK):
            size += len(block)
            quotes += block.count(b'"')
            zeros += block.count(b"\0")
    if size == 0:
        _refuse(name, "hold a header and rows", "an empty file", "export it again")
    if zeros > 0:
        _refuse(name, "be UTF-8 text", "zero bytes (UTF-16, or no text at all)", "export it again as CSV in UTF-8")
    if quotes % 2:
        _refuse(name, "close every quote", "an odd number of quotes", "export it again; a cell may be cut short")


def _header(file: Path, name: str) -> list[str]:
    with pa.input_stream(str(file), compression="detect") as stream:
        start = stream.read(_BLOCK)
    try:
        text = start[: start.rfind(b"\n") + 1 or None].decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is None:
        _refuse(name, "be UTF-8 text", "other bytes", "export it again as CSV in UTF-8")
    row = next(csv.reader(io.StringIO(text, newline="")), [])
    names = [column.strip() for column in row]
    _check_names(names, name)
    return names


def _check_names(names: list[str], name: str) -> None:
    if not any(names):
        _refuse(name, "begin with a header", "an empty first line", "put the column names into the first line")
    if len(set(names)) < len(names):
        _refuse(name, "name each column once", "a name that stands there twice", "rename or leave out one of them")


def _parquet(file: Path, name: str) -> pa.Table:
    names, opened = open_parquet(file, name)
    table = opened.read()
    return pa.table([as_text(column, name) for column in table.columns], names=names)


def open_parquet(file: Path, name: str) -> tuple[list[str], pyarrow.parquet.ParquetFile]:
    """The columns of a Parquet file, and the file opened; raises DataError."""
    if file.stat().st_size == 0:
        _refuse(name, "hold a header and rows", "an empty file", "export it again")
    try:
        opened = pyarrow.parquet.ParquetFile(file)
    except pa.ArrowInvalid:
        opened = None
    if opened is None:
        _refuse(name, "be a Parquet file", "other content", "export it again as Parquet or CSV")
    names = [column.strip() for column in opened.schema_arrow.names]
    _check_names(names, name)
    return names, opened


def as_text(column: pa.ChunkedArray | pa.Array, name: str) -> pa.ChunkedArray | pa.Array:
    """A column of plain values as text, null as null; raises DataError for any other."""
    try:
        text = None if pa.types.is_binary(column.type) else column.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        text = None
    if text is None:
        _refuse(name, "have columns of plain values", "a column of lists, records or bytes", "leave that column out")
    return text


def _refuse(name: str, must: str, got: str, fix: str) -> NoReturn:
    raise _refusal(name, must, got, fix)


def _refusal(name: str, must: str, got: str, fix: str) -> DataError:
    return DataError(refusal(what=f"the {name} table", must=must, got=got, fix=fix))
