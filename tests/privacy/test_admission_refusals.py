"""Tables that are turned away as a whole: by table, column and rule, with the way to mend it, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from privacy.admission import admit
from privacy.cohort import Cohort
from privacy.errors import DataError
from privacy.schema import Schema

CANARY = "ZZCANARYZZ"
Tables = tuple[pd.DataFrame, pd.DataFrame]


def no_header(patients: pd.DataFrame) -> pd.DataFrame:
    """What a reader makes of a file that begins with its first patient."""
    return patients.set_axis([CANARY, *patients.iloc[0, 1:].astype(str)], axis=1).iloc[1:]


# (what happens to the patients, what happens to the labs, what the refusal says)
BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "patients without a column": (
        lambda patients: patients.drop(columns="age"),
        lambda labs: labs,
        "the patients table must have the column 'age'; got a table of 8 without it",
    ),
    "patients without two columns": (
        lambda patients: patients.drop(columns=["age", "ward"]),
        lambda labs: labs,
        "the patients table must have the columns 'age', 'ward'; got a table of 7 without them",
    ),
    "patients without the id": (
        lambda patients: patients.drop(columns="patient_id"),
        lambda labs: labs,
        "the patients table must have the column 'patient_id'",
    ),
    "patients without a header": (no_header, lambda labs: labs, "check that the first line names the columns"),
    "an id twice": (
        lambda patients: pd.concat([patients, patients.iloc[[2]]]),
        lambda labs: labs,
        "the patients table, column 'patient_id', must name each patient once",
    ),
    "an id twice but for a space": (
        lambda patients: patients.assign(patient_id=["a", " a", "c", "d", "e", "f"]),
        lambda labs: labs,
        "must name each patient once",
    ),
    "no patients": (lambda patients: patients.iloc[:0], lambda labs: labs, "have a patient who fits the schema"),
    "no patient who fits": (
        lambda patients: patients.assign(sex=CANARY),
        lambda labs: labs,
        "the patients table must have a patient who fits the schema; got none (column 'sex': code that the schema does",
    ),
    "labs without the id": (
        lambda patients: patients,
        lambda labs: labs.drop(columns="patient_id"),
        "the labs table must have the column 'patient_id'",
    ),
    "labs without time": (
        lambda patients: patients,
        lambda labs: labs.drop(columns="time"),
        "the labs table must have the column 'time'",
    ),
    "labs with a column for each test": (
        lambda patients: patients,
        lambda labs: labs.drop(columns=["test", "value"]).assign(K=4.0),
        "a table with a column for each test must be made long",
    ),
    "labs without test and value": (
        lambda patients: patients,
        lambda labs: labs.drop(columns=["test", "value"]),
        "the labs table must have the columns 'test', 'value'",
    ),
}


@pytest.mark.parametrize(("patients_are", "labs_are", "says"), BAD.values(), ids=BAD)
def test_a_bad_table_is_refused(
    tmp_path: Path,
    six_schema: Schema,
    six_tables: Tables,
    patients_are: Callable[[pd.DataFrame], pd.DataFrame],
    labs_are: Callable[[pd.DataFrame], pd.DataFrame],
    says: str,
):
    patients, labs = tmp_path / "patients.csv", tmp_path / "labs.csv"
    patients_are(six_tables[0]).to_csv(patients, index=False)
    labs_are(six_tables[1]).to_csv(labs, index=False)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(DataError) as caught:
        Cohort.read(six_schema, patients=patients, labs=labs)
    assert caught.value.exit_code == 3
    assert says in str(caught.value)
    assert "to fix: " in str(caught.value)
    assert CANARY not in str(caught.value)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("table", ["patients", "labs"])
def test_the_name_of_the_table_is_in_every_refusal(tmp_path: Path, six_schema: Schema, six_tables: Tables, table: str):
    paths = {"patients": tmp_path / "p.csv", "labs": tmp_path / "l.csv"}
    for path, frame in zip(paths.values(), six_tables, strict=True):
        frame.to_csv(path, index=False)
    paths[table].write_bytes(b"")
    with pytest.raises(DataError, match=f"the {table} table must hold a header"):
        Cohort.read(six_schema, patients=paths["patients"], labs=paths["labs"])
    paths[table].unlink()
    with pytest.raises(DataError, match=f"the {table} table must be a file that exists"):
        Cohort.read(six_schema, patients=paths["patients"], labs=paths["labs"])


def test_a_refusal_does_not_count(six_schema: Schema, six_tables: Tables):
    """The text of a refusal is the same for one wrong row and for many, so that it says nothing on anybody."""
    patients, labs = six_tables
    texts = set()
    for again in ([1], [1, 2], [1, 2, 3, 4]):
        with pytest.raises(DataError) as caught:
            admit(six_schema, pd.concat([patients, patients.iloc[again]]), labs)
        texts.add(str(caught.value))
    assert len(texts) == 1


@pytest.mark.parametrize("column", ["patient_id", "age", "sex", "height", "weight", "ward", "urgency", "died", "extra"])
def test_no_notice_repeats_a_cell_of_the_patients(six_schema: Schema, six_tables: Tables, column: str):
    patients, labs = six_tables
    cells = [CANARY, *(patients[column].iloc[1:] if column in patients else [CANARY] * 5)]
    admission = admit(six_schema, patients.assign(**{column: cells}), labs)
    assert CANARY not in "".join(map(str, admission.notices))
    assert CANARY not in repr(admission.notices)


@pytest.mark.parametrize("column", ["patient_id", "time", "test", "value", "unit", CANARY])
def test_no_notice_repeats_a_cell_of_the_labs(six_schema: Schema, six_tables: Tables, column: str):
    patients, labs = six_tables
    admission = admit(six_schema, patients, labs.assign(**{column: [CANARY, *["" for _ in labs.index[1:]]]}))
    assert admission.notices
    assert CANARY not in repr(admission.notices)
