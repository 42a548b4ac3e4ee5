"""A long table that is read by blocks gives the records and the notices of the table read whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from lab_cohorts import SCHEMA, lab_cohort
from strategies import assert_same

from privacy import table_blocks, tables
from privacy.admission import admit, read_labs
from privacy.errors import DataError
from privacy.notice import Rule
from privacy.table_blocks import read_blocks

CANARY = "ZZCANARYZZ"


def spoilt() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients and their labs with something wrong of every kind in different places."""
    cohort = lab_cohort(30, 2)
    labs = cohort.labs.astype(object)
    unknown, many = labs.iloc[:1], len(labs)
    labs.loc[many // 2, "value"] = "high"
    labs.loc[many - 2, "value"] = 1e9
    labs.loc[3, "test"] = "nothing"
    labs.loc[many - 3, "unit"] = "stone"
    labs.loc[many - 1, "time"] = None
    labs.loc[7, "patient_id"] = ""
    labs = pd.concat([labs, unknown.assign(patient_id="nobody")], ignore_index=True)
    return cohort.patients, labs.assign(note="x")


@pytest.fixture(params=["csv", "parquet", "typed parquet"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    _, labs = spoilt()
    if request.param == "csv":
        labs.to_csv(tmp_path / "labs.csv", index=False)
        return tmp_path / "labs.csv"
    if request.param == "parquet":
        pyarrow.parquet.write_table(pa.Table.from_pandas(labs.astype("string")), tmp_path / "labs.parquet")
    else:
        typed = labs.assign(value=pd.to_numeric(labs["value"], errors="coerce"), time=labs["time"].astype(float))
        pyarrow.parquet.write_table(pa.Table.from_pandas(typed), tmp_path / "labs.parquet", row_group_size=50)
    return tmp_path / "labs.parquet"


def test_blocks_give_what_the_whole_table_gives(stored: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table_blocks, "ROWS_A_BLOCK", 37)
    monkeypatch.setattr(tables, "_BLOCK", 800)
    patients, _ = spoilt()
    whole = admit(SCHEMA, patients, tables.read_table(stored, "labs"))
    blocks = read_labs(SCHEMA, stored)
    parts = admit(SCHEMA, patients, blocks)
    assert_same(parts.cohort, whole.cohort)
    assert parts.notices == whole.notices
    assert len(parts.notices) > 6
    assert "note" in blocks.names


def test_there_are_several_blocks_of_the_wanted_columns(stored: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table_blocks, "ROWS_A_BLOCK", 37)
    monkeypatch.setattr(tables, "_BLOCK", 800)
    frames = list(read_labs(SCHEMA, stored).frames)
    assert len(frames) > 3
    assert all(set(frame.columns) == {"patient_id", "time", "test", "value", "unit"} for frame in frames)
    assert max(map(len, frames)) < sum(map(len, frames)) / 2


def test_patients_may_stand_in_any_order_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table_blocks, "ROWS_A_BLOCK", 23)
    cohort = lab_cohort(30, 2)
    shuffled = cohort.labs.iloc[np.random.default_rng(0).permutation(len(cohort.labs))]
    pyarrow.parquet.write_table(pa.Table.from_pandas(shuffled, preserve_index=False), tmp_path / "labs.parquet")
    again = admit(SCHEMA, cohort.patients, read_labs(SCHEMA, tmp_path / "labs.parquet")).cohort
    sort = ["patient_id", "time", "test", "value"]
    assert again.labs.sort_values(sort, ignore_index=True).equals(cohort.labs.sort_values(sort, ignore_index=True))


@pytest.mark.parametrize("name", ["labs.csv", "labs.parquet"])
def test_a_table_without_rows_is_noticed(tmp_path: Path, name: str):
    patients, labs = spoilt()
    nothing = labs.iloc[:0].astype("string")
    if name == "labs.csv":
        nothing.to_csv(tmp_path / name, index=False)
    else:
        pyarrow.parquet.write_table(pa.Table.from_pandas(nothing), tmp_path / name)
    whole = admit(SCHEMA, patients, tables.read_table(tmp_path / name, "labs"))
    parts = admit(SCHEMA, patients, read_labs(SCHEMA, tmp_path / name))
    assert parts.notices == whole.notices
    assert Rule.NO_ROWS in {notice.rule for notice in parts.notices}
    assert len(parts.cohort.records) == 0


def test_what_breaks_in_the_middle_is_refused_without_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "_BLOCK", 200)
    lines = [f"p{i},1,na,140" for i in range(60)] + [f"{CANARY},1"]
    (tmp_path / "labs.csv").write_text("patient_id,time,test,value\n" + "\n".join(lines) + "\n")
    frames = read_blocks(tmp_path / "labs.csv", "labs", words=("patient_id", "test"), numbers=("time", "value")).frames
    assert len(next(frames)) == 0
    assert len(next(frames)) > 0
    with pytest.raises(DataError, match="each row as long as the header") as caught:
        list(frames)
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert CANARY not in "".join(map(str, chain))


def test_a_column_that_is_not_wanted_may_be_of_any_kind(tmp_path: Path):
    table = pa.table({"patient_id": ["a"], "time": [1], "test": ["na"], "value": [140.0], "blob": [b"x"]})
    pyarrow.parquet.write_table(table, tmp_path / "labs.parquet")
    (_, frame) = read_labs(SCHEMA, tmp_path / "labs.parquet").frames
    assert frame["value"].tolist() == [140.0]
    pyarrow.parquet.write_table(table.set_column(3, "value", [[b"x"]]), tmp_path / "labs.parquet")
    with pytest.raises(DataError, match="columns of plain values"):
        list(read_labs(SCHEMA, tmp_path / "labs.parquet").frames)
