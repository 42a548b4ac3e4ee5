"""Records in files are the same records to the cell, a piece in memory at a time, and leave nothing behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import assert_same, cohorts, schemas, tables

from privacy import column_files, record_sort, records
from privacy.admission import admit
from privacy.blocks import blocks
from privacy.cohort import Cohort, Records
from privacy.errors import ConfigError, DataError
from privacy.schema import Schema
from privacy.table_blocks import Blocks

KEY = b"k" * 32


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORDS_A_PIECE", 3)
    monkeypatch.setattr(record_sort, "PATIENTS_A_FILE", 2)


@pytest.fixture
def folder(small_pieces: None, tmp_path: Path) -> Iterator[Path]:
    """A folder for files, in which no name may be left."""
    del small_pieces
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def in_blocks(labs: pd.DataFrame, size: int) -> Blocks:
    return Blocks(tuple(labs.columns), iter([labs[at : at + size] for at in range(0, max(len(labs), 1), size)]))


def filed(cohort: Cohort, folder: Path) -> Cohort:
    columns = cohort.records
    return Cohort(schema=cohort.schema, patients=cohort.patients, records=Records.filed([columns], folder))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_tables_in_any_order_are_the_same_cohort_with_the_same_notices(data: st.DataObject):
    schema = data.draw(schemas())
    told, size = data.draw(tables(schema)), data.draw(st.integers(1, 6))
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(records, "RECORDS_A_PIECE", 3)
        patch.setattr(record_sort, "PATIENTS_A_FILE", 2)
        try:
            wanted = admit(schema, told.patients, told.labs)
        except DataError:
            with pytest.raises(DataError):
                admit(schema, told.patients, in_blocks(told.labs, size), files=Path(folder))
            return
        found = admit(schema, told.patients, in_blocks(told.labs, size), files=Path(folder))
        assert_same(found.cohort, wanted.cohort)
        assert sorted(map(str, found.notices)) == sorted(map(str, wanted.notices))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_made_of_a_cohort_in_files_is_the_same(data: st.DataObject):
    cohort = data.draw(cohorts(data.draw(schemas()), max_patients=8, max_records=30))
    order = np.array(data.draw(st.permutations(range(len(cohort)))))
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(records, "RECORDS_A_PIECE", 4)
        kept = filed(cohort, Path(folder))
        for mine, theirs in zip(kept.split(key=KEY), cohort.split(key=KEY), strict=True):
            assert_same(mine, theirs)
        assert_same(kept.take(order), cohort.take(order))
        assert_same(kept.bound_records(2, key=KEY), cohort.bound_records(2, key=KEY))
        assert kept.records_per_patient().tolist() == cohort.records_per_patient().tolist()
        for mine, theirs in zip(blocks(kept, 3), blocks(cohort, 3), strict=True):
            assert_same(mine, theirs)
        pd.testing.assert_frame_equal(kept.labs, cohort.labs)


def test_what_is_made_of_filed_records_is_filed_too(simulated_small: Cohort, folder: Path):
    kept = filed(simulated_small, folder)
    train, holdout = kept.split(key=KEY)
    for cohort in (kept, train, holdout, train.bound_records(5, key=KEY)):
        assert cohort.records.files is not None
        assert not cohort.records.value.flags.writeable
    assert next(blocks(train, 10)).records.files is None


def test_cohorts_are_read_into_files(six_schema: Schema, six_tables: tuple[pd.DataFrame, pd.DataFrame], folder: Path):
    patients, labs = six_tables
    with tempfile.TemporaryDirectory() as source:
        patients.to_csv(f"{source}/patients.csv", index=False)
        labs.sample(frac=1, random_state=1).to_csv(f"{source}/labs.csv", index=False)
        places = {"patients": f"{source}/patients.csv", "labs": f"{source}/labs.csv"}
        found = Cohort.read(six_schema, **places, files=folder)
        assert found.records.files is not None
        assert_same(found, Cohort.read(six_schema, **places))


@pytest.mark.parametrize("count", [0, 1])
def test_no_record_or_one_is_no_special_case(six_patients: Cohort, folder: Path, count: int):
    few = Records.filed([six_patients.records.piece(slice(0, count))], folder)
    assert len(few) == count
    assert [len(piece) for _, piece in few.pieces()] == [1] * count
    assert len(few.each(lambda _, piece: piece)) == count


def test_a_file_is_for_its_owner_alone_and_has_no_name(folder: Path):
    with column_files.nameless(folder) as file:
        told = os.fstat(file.fileno())
        assert (told.st_mode & 0o777, told.st_nlink) == (0o600, 0)


def test_what_breaks_off_leaves_nothing(six_patients: Cohort, folder: Path):
    def breaks_off() -> Iterator[Records]:
        yield six_patients.records
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Records.filed(breaks_off(), folder)
    with pytest.raises(KeyboardInterrupt):
        list(record_sort.sorted_by_patient(breaks_off(), 6, folder))


def test_memory_that_was_let_go_is_read_again(six_patients: Cohort, folder: Path):
    kept = filed(six_patients, folder)
    files = kept.records.files
    assert files is not None
    before = kept.records.value.sum()
    files.let_go()
    assert kept.records.value.sum() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_a_full_disk_is_refused_in_words(six_patients: Cohort, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(column_files, "TemporaryFile", lambda **_: Path("/dev/full").open("wb", buffering=0))  # noqa: SIM115
    with pytest.raises(ConfigError, match=r"must have room for the encoded records .* to fix: make room"):
        Records.filed([six_patients.records], folder)
    with pytest.raises(ConfigError, match="must have room"):
        list(record_sort.sorted_by_patient([six_patients.records], 6, folder))


def test_a_folder_that_is_not_there_is_refused_in_words(six_patients: Cohort, folder: Path):
    with pytest.raises(ConfigError, match="must not be written to"):
        Records.filed([six_patients.records], folder / "none")
