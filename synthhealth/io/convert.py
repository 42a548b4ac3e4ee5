"""From one format to another: a source is read into tables, admitted by the schema's rules, and written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from privacy.admission import Admission, admit
from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.schema import Schema
from privacy.tables import read_table
from synthhealth.io.csv_files import write_csv
from synthhealth.io.exchange import Format, Tables
from synthhealth.io.fhir_read import read_fhir
from synthhealth.io.fhir_write import write_fhir
from synthhealth.io.meds_files import read_meds, write_meds
from synthhealth.io.omop_read import read_omop
from synthhealth.io.omop_write import write_omop
from synthhealth.io.parquet_files import write_parquet
from synthhealth.io.sql_query import is_database, read_queries


def read_source(
    schema: Schema,
    source: str,
    *,
    patients: Path | None = None,
    patients_query: str | None = None,
    labs_query: str | None = None,
) -> Admission:
    """Read a folder of any known format, or a database, and admit it.

    The format is told by what is in the folder: `*.ndjson` is FHIR, `person.*` OMOP, `data/`
    MEDS, `patients.*` CSV or Parquet. `patients` names a table of attributes to be used in place
    of the ones in the source, by the same patient ids.

    Raises ConfigError for a source that is none of these, DataError for one that breaks a rule.

    Privacy: internal only, when the source is real.
    """
    if is_database(source):
        tables = read_queries(source, patients=patients_query, labs=labs_query)
    else:
        tables = _read_folder(schema.reported, Path(source))
    table = tables.patients if patients is None else read_table(patients, "patients")
    return admit(schema, table, tables.labs)


def write_format(cohort: Cohort, folder: Path, form: Format) -> tuple[Path, ...]:
    """Write a cohort into `folder` in a format; returns the paths.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    match form:
        case "csv":
            return write_csv(cohort, patients=folder / "patients.csv", labs=folder / "labs.csv")
        case "parquet":
            return write_parquet(cohort, patients=folder / "patients.parquet", labs=folder / "labs.parquet")
        case "fhir":
            return write_fhir(cohort, folder)
        case "omop":
            return write_omop(cohort, folder)
        case "meds":
            return write_meds(cohort, folder)


def _read_folder(schema: Schema, folder: Path) -> Tables:
    if any(folder.glob("*.ndjson")):
        return read_fhir(schema, folder)
    if any(folder.glob("person.*")):
        return read_omop(schema, folder)
    if any((folder / "data").rglob("*.parquet")):
        return read_meds(schema, folder)
    patients = _table(folder, "patients")
    if patients is None:
        raise ConfigError(
            refusal(
                what=f"the source {folder}",
                must="be a database's URL or a folder with *.ndjson (FHIR), person.* (OMOP), data/*.parquet (MEDS) "
                "or patients.* (CSV, Parquet)",
                got="none of these" if folder.is_dir() else "no such folder",
                fix="check the path",
            )
        )
    return Tables(patients=patients, labs=_table(folder, "labs"))


def _table(folder: Path, name: str) -> pd.DataFrame | None:
    file = next((file for file in sorted(folder.glob(f"{name}.*")) if not file.name.startswith(".")), None)
    return None if file is None else read_table(file, name)
