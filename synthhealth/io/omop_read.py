"""Reads OMOP CDM 5.4 tables (CSV or Parquet) into tables that admission takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from privacy.cells import dates
from privacy.errors import DataError, refusal
from privacy.schema import Schema
from privacy.tables import read_table
from synthhealth.io.exchange import AGE_COLUMN, Instants, Tables, offsets, sex_code, sex_column
from synthhealth.io.omop_columns import FEMALE, MALE

_ENDINGS = (".parquet", ".csv", ".csv.gz")


def read_omop(schema: Schema, folder: Path) -> Tables:
    """The tables person and measurement, and visit_occurrence and observation where they are there.

    A record's time is its date less the patient's index date, the start of the first visit. A
    test is known by its concept id, else by its source value; an attribute by the source value
    of an observation, else sex comes from the person's gender and age from the year of birth.

    Raises DataError, naming table and column and never a cell.

    Privacy: internal only, when the tables are real.
    """
    person = _table(folder, "person", ("person_id", "gender_concept_id", "year_of_birth"))
    visits = _optional(folder, "visit_occurrence", ("person_id", "visit_start_date"))
    index = _index(person, visits)
    patients = _patients(schema, person, _optional(folder, "observation", ("person_id",)), index)
    measured = _table(folder, "measurement", ("person_id", "measurement_concept_id", "measurement_date"))
    if len(measured) > 0 and np.isnat(index).all():
        raise DataError(
            refusal(
                what="the dates of measurement",
                must="count from an index date of each patient",
                got="no visit",
                fix="export visit_occurrence as well: the start of the first visit is the index date",
            )
        )
    return Tables(patients=patients, labs=_labs(schema, measured, patients, person, index))


def _table(folder: Path, name: str, wanted: tuple[str, ...]) -> pd.DataFrame:
    table = _optional(folder, name, wanted)
    if table is None:
        raise DataError(
            refusal(
                what=f"the OMOP table {name}",
                must=f"be a file in {folder}, {' or '.join(_ENDINGS)}",
                got="none",
                fix="export it",
            )
        )
    return table


def _optional(folder: Path, name: str, wanted: tuple[str, ...]) -> pd.DataFrame | None:
    file = next((folder / f"{name}{ending}" for ending in _ENDINGS if (folder / f"{name}{ending}").is_file()), None)
    if file is None:
        return None
    table = read_table(file, name)
    table.columns = table.columns.str.lower()
    absent = [column for column in wanted if column not in table.columns]
    if absent:
        raise DataError(
            refusal(
                what=f"the OMOP table {name}",
                must=f"have the columns {', '.join(absent)}",
                got="a table without them",
                fix="export it with the column names of the CDM 5.4",
            )
        )
    return table


def _column(table: pd.DataFrame, *names: str) -> pd.Series:
    """The first of the columns that is there, each empty cell filled from the next one; empty text where none is."""
    found = pd.Series("", index=table.index, dtype=object)
    for name in reversed(names):
        if name in table.columns:
            cells = table[name].fillna("")
            found = cells.where(cells != "", found)
    return found


def _index(person: pd.DataFrame, visits: pd.DataFrame | None) -> Instants:
    """The start of each person's first visit, NaT where there is none, shape [n]."""
    if visits is None:
        return np.full(len(person), np.datetime64("NaT", "us"))
    start = pd.Series(dates(_column(visits, "visit_start_datetime", "visit_start_date")))
    first = start.groupby(visits["person_id"].to_numpy()).min()
    return first.reindex(person["person_id"]).to_numpy(dtype="datetime64[us]")


def _patients(schema: Schema, person: pd.DataFrame, told: pd.DataFrame | None, index: Instants) -> pd.DataFrame:
    own = _column(person, "person_source_value")
    key = own if (own != "").all() and own.is_unique else person["person_id"]
    frame = pd.DataFrame({schema.privacy_unit.key: key.to_numpy()})
    attributes = _attributes(schema, told)
    for name in schema.free_columns:
        if name in attributes:
            frame[name] = attributes[name].reindex(person["person_id"]).to_numpy()
        elif name == sex_column(schema):
            words = {str(FEMALE): sex_code(schema, "female"), str(MALE): sex_code(schema, "male")}
            frame[name] = person["gender_concept_id"].map(words).to_numpy()
        elif name == AGE_COLUMN and not np.isnat(index).all():
            year = pd.to_numeric(person["year_of_birth"], errors="coerce").to_numpy(dtype=np.float64)
            frame[name] = np.where(np.isnat(index), np.nan, index.astype("datetime64[Y]").astype(int) + 1970 - year)
        elif getattr(schema.columns[name], "missing", False):
            frame[name] = None
    return frame


def _attributes(schema: Schema, told: pd.DataFrame | None) -> pd.DataFrame:
    """One row a person and one column an attribute, from the first observation of each name."""
    if told is None:
        return pd.DataFrame()
    names, cells = _column(told, "observation_source_value"), _column(told, "value_as_string", "value_as_number")
    mine = names.isin(list(schema.free_columns)) & (cells != "")
    long = pd.DataFrame({"person": told["person_id"], "name": names, "cell": cells})[mine.to_numpy()]
    return long.drop_duplicates(["person", "name"]).pivot(index="person", columns="name", values="cell")  # noqa: PD010


def _labs(
    schema: Schema, measured: pd.DataFrame, patients: pd.DataFrame, person: pd.DataFrame, index: Instants
) -> pd.DataFrame:
    places = pd.Series(np.arange(len(person)), index=person["person_id"]).reindex(measured["person_id"]).to_numpy()
    row = np.where(np.isnan(places), len(person), places).astype(np.int64)
    when = dates(_column(measured, "measurement_datetime", "measurement_date"))
    key = schema.privacy_unit.key
    return pd.DataFrame(
        {
            key: np.append(patients[key].to_numpy(dtype=object), "")[row],
            "time": offsets(when, np.append(index, np.datetime64("NaT", "us"))[row], schema.time_unit),
            "test": _tests(schema, measured),
            "value": _column(measured, "value_as_number").to_numpy(),
            "unit": _column(measured, "unit_source_value").to_numpy(),
        }
    )


def _tests(schema: Schema, measured: pd.DataFrame) -> np.ndarray:
    """Each record's test by source value, else by concept id, else by LOINC code."""
    source = _column(measured, "measurement_source_value")
    known = list(schema.tests)
    by_code = {str(test.omop): name for name, test in schema.tests.items() if test.omop}
    by_code |= {test.loinc: name for name, test in schema.tests.items() if test.loinc}
    by_concept = measured["measurement_concept_id"].map(by_code)
    named = source.where(source.isin(known), by_concept)
    return named.fillna(source.map(by_code)).fillna(source).to_numpy(dtype=object)
