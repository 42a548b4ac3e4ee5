"""A table is read as the text it is, or refused by name and rule without a word of what it holds."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.errors import DataError
from privacy.tables import read_table

CANARY = "ZZCANARYZZ"


def read(tmp_path: Path, content: bytes, name: str = "table.csv") -> pd.DataFrame:
    file = tmp_path / name
    file.write_bytes(content)
    return read_table(file, "labs")


def cells(frame: pd.DataFrame) -> list[list[str]]:
    return frame.to_numpy(dtype=object).tolist()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n", [["1", "2"]]),
        (b"a,b\n1,2", [["1", "2"]]),
        (b"a,b\r1,2\r", [["1", "2"]]),
        (b"a,b\r\n1,2\r\n", [["1", "2"]]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [["1", "2"]]),
        (b'"a","b"\n"1","2"\n', [["1", "2"]]),
        (b'\xef\xbb\xbf"a",b\n1,2\n', [["1", "2"]]),
        (b' a , b\n" 1",2 \n', [[" 1", "2 "]]),
        (b'a,b\n1,"x\ny"\n2,"x\r\ny"\n', [["1", "x\ny"], ["2", "x\r\ny"]]),
        (b'a,b\n1,"say ""no"""\n', [["1", 'say "no"']]),
        (b'a,b\n1,"x,y"\n', [["1", "x,y"]]),
        (b"a,b\n007,1e5\nNA,\n", [["007", "1e5"], ["NA", ""]]),
        (b"a,b\n1,2\n\n3,4\n", [["1", "2"], ["3", "4"]]),
        ("a,b\nü,é\n".encode(), [["ü", "é"]]),
        (b"a,b\n", []),
    ],
)
def test_csv_is_read_as_text_and_nothing_is_inferred(tmp_path: Path, content: bytes, expected: list[list[str]]):
    frame = read(tmp_path, content)
    assert list(frame.columns) == ["a", "b"]
    assert cells(frame) == expected


def test_csv_may_be_compressed(tmp_path: Path):
    assert cells(read(tmp_path, gzip.compress(b"a,b\n1,2\n"), "table.csv.gz")) == [["1", "2"]]


def test_a_long_table_with_a_quoted_line_break_in_its_header_is_read(tmp_path: Path):
    rows = b"".join(b'%d,"x\n%d"\n' % (i, i) for i in range(20_000))
    frame = read(tmp_path, b'"a\nb",c\n' + rows)
    assert list(frame.columns) == ["a\nb", "c"]
    assert cells(frame.iloc[[0, -1]]) == [["0", "x\n0"], ["19999", "x\n19999"]]


# (content, file name, what the refusal says)
BAD = {
    "empty file": (b"", "t.csv", "an empty file"),
    "empty Parquet file": (b"", "t.parquet", "an empty file"),
    "no header": (b"\n\n", "t.csv", "begin with a header"),
    "column twice": (b"a,a\n1,2\n", "t.csv", "name each column once"),
    "column twice but for a space": (b"a, a\n1,2\n", "t.csv", "name each column once"),
    "row too short": (f"a,b\n1,2\n{CANARY}\n".encode(), "t.csv", "each row as long as the header"),
    "row too long": (f"a,b\n1,2,{CANARY}\n".encode(), "t.csv", "each row as long as the header"),
    "quote never closed": (f'a,b\n1,"{CANARY}\n2,3\n'.encode(), "t.csv", "close every quote"),
    "Latin-1 cell": (f"a,b\n{CANARY},K\xf6ln\n".encode("latin-1"), "t.csv", "UTF-8 text"),
    "Latin-1 header": ("a,b\xf6\n1,2\n".encode("latin-1"), "t.csv", "UTF-8 text"),
    "UTF-16": (f"a,b\n{CANARY},2\n".encode("utf-16"), "t.csv", "UTF-8 text"),
    "zero byte": (f"a,b\n{CANARY}\0,2\n".encode(), "t.csv", "UTF-8 text"),
    "text as Parquet": (f"a,b\n{CANARY},2\n".encode(), "t.parquet", "a Parquet file"),
    "spreadsheet": (b"PK\x03\x04", "t.xlsx", "a known format"),
    "no ending": (b"a,b\n", "t", "a known format"),
    "broken compression": (b"a,b\n1,2\n", "t.csv.gz", "can be read"),
}


@pytest.mark.parametrize(("content", "name", "says"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_by_rule_and_never_by_cell(tmp_path: Path, content: bytes, name: str, says: str):
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, name)
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith("the labs table must ")
    assert says in str(caught.value)
    assert "to fix: " in str(caught.value)
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert CANARY not in "".join(str(error) for error in chain)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    for path in (tmp_path / "none.csv", tmp_path / "none.parquet"):
        with pytest.raises(DataError, match=r"be a file that exists; got .*none"):
            read_table(path, "patients")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="be a file that exists"):
        read_table(tmp_path / "folder.csv", "patients")


def test_parquet_of_any_plain_type_becomes_text(tmp_path: Path):
    table = pa.table(
        {
            "id": pa.array([7, None]),
            "float": pa.array([0.1, 54.0]),
            "single": pa.array([np.float32(33.7), None], type=pa.float32()),
            "flag": pa.array([True, False]),
            "day": pa.array([pd.Timestamp("2024-01-05").date(), None]),
            "instant": pa.array([pd.Timestamp("2024-01-05 06:30"), None]),
            "word": pa.array(["x", ""]).dictionary_encode(),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet", "patients")
    first = frame.iloc[0].tolist()
    assert first == ["7", "0.1", "33.7", "true", "2024-01-05", "2024-01-05 06:30:00.000000", "x"]
    assert frame["id"].isna().tolist() == [False, True]
    assert frame["word"].tolist() == ["x", ""]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1, 2]]),
        pa.array([{"a": 1}]),
        pa.array([b"\xff"]),
        pa.array([b"text"]),
        pa.array([b"\xff"], type=pa.large_binary()),
        pa.array([b"\xff\xfe"], type=pa.binary(2)),
    ],
    ids=lambda column: str(column.type),
)
def test_parquet_with_columns_of_no_plain_values_is_refused(tmp_path: Path, column: pa.Array):
    pyarrow.parquet.write_table(pa.table({"a": column}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="plain values"):
        read_table(tmp_path / "t.parquet", "patients")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([None]), None),
        (pa.array([1], type=pa.uint8()), "1"),
        (pa.array([Decimal("1.50")]), "1.50"),
        (pa.array([90], type=pa.duration("s")), "90"),
        (pa.array([1, 1]).dictionary_encode().slice(0, 1), "1"),
        (pa.array([float("nan")]), "nan"),
    ],
    ids=lambda column: str(getattr(column, "type", column)),
)
def test_parquet_of_a_rarer_type_becomes_text_too(tmp_path: Path, column: pa.Array, text: str | None):
    pyarrow.parquet.write_table(pa.table({"a": column}), tmp_path / "t.parquet")
    cell = read_table(tmp_path / "t.parquet", "patients")["a"].iloc[0]
    assert cell == text if text is not None else pd.isna(cell)


def test_a_cell_longer_than_a_block_is_read(tmp_path: Path):
    note = "x" * 3_000_000
    assert cells(read(tmp_path, f"a,b\n1,{note}\n".encode())) == [["1", note]]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6), min_size=2, max_size=2)))
def test_what_pandas_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]):
    file = tmp_path_factory.mktemp("csv") / "t.csv"
    pd.DataFrame(rows, columns=["a", "b"], dtype=object).to_csv(file, index=False, quoting=1)
    assert cells(read_table(file, "labs")) == rows
