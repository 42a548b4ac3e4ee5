"""Writes a cohort as OMOP CDM 5.4 tables: person, visit_occurrence, measurement, and observation for attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.schema import Category, Number, Schema
from synthhealth.io.csv_files import labs_text, patients_text
from synthhealth.io.exchange import (
    AGE_COLUMN,
    DAY_ZERO,
    DAYS_A_YEAR,
    MICROSECONDS,
    Instants,
    instants,
    iso,
    sex_column,
    sex_of,
)
from synthhealth.io.omop_columns import COLUMNS, FEMALE, LONGEST_SOURCE_VALUE, MALE, UNKNOWN
from synthhealth.output import write_files

_NO_AGE = 1900
_CONCEPT = {"female": FEMALE, "male": MALE, None: UNKNOWN}
Cells = Mapping[str, Sequence[object] | np.ndarray | int | str]


def write_omop(cohort: Cohort, folder: Path) -> tuple[Path, ...]:
    """Write the four tables as CSV into `folder`, whole or not at all. Returns the paths.

    The model asks for dates, so that every patient's visit begins on the same made-up day.
    `measurement_concept_id` is the schema's `omop` of the test, 0 where it has none; names, codes
    and units stand in the source values. Reading them back with `read_omop` and admission gives
    the same cohort.

    Raises ConfigError for names that are longer than the model's 50 characters.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    cohort = cohort.reported()
    _check_names(cohort.schema)
    tables = {
        "person": _person(cohort),
        "visit_occurrence": _visit(cohort),
        "measurement": _measurement(cohort),
        "observation": _observation(cohort),
    }
    fills: dict[Path, Callable[[Path], None]] = {
        folder / f"{name}.csv": partial(_write, name, cells) for name, cells in tables.items()
    }
    write_files(fills)
    return tuple(fills)


def _check_names(schema: Schema) -> None:
    for name in (*schema.columns, *schema.tests):
        if len(name) > LONGEST_SOURCE_VALUE:
            raise ConfigError(
                refusal(
                    what=f"the name {name!r}",
                    must=f"have at most {LONGEST_SOURCE_VALUE} characters to be an OMOP source value",
                    got=f"{len(name)}",
                    fix="shorten it in the schema",
                )
            )


def _write(name: str, cells: Cells, path: Path) -> None:
    pd.DataFrame(cells, columns=list(COLUMNS[name])).to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def _person(cohort: Cohort) -> Cells:
    sex, numbers = sex_column(cohort.schema), np.arange(1, len(cohort) + 1)
    codes = [] if sex is None else [None if code is pd.NA else code for code in patients_text(cohort)[sex].to_pylist()]
    return {
        "person_id": numbers,
        "gender_concept_id": [_CONCEPT[sex_of(code)] for code in codes] if codes else 0,
        "year_of_birth": _birth_years(cohort),
        "race_concept_id": 0,
        "ethnicity_concept_id": 0,
        "person_source_value": cohort.ids,
        "gender_source_value": codes or "",
    }


def _birth_years(cohort: Cohort) -> np.ndarray:
    """Counted back from the made-up year; a schema or a patient without an age gets 1900, for the model wants one."""
    column = cohort.schema.columns.get(AGE_COLUMN)
    if not isinstance(column, Number):
        return np.full(len(cohort), _NO_AGE)
    years = np.floor(cohort.numbers(AGE_COLUMN) / (DAYS_A_YEAR if column.unit == "days" else 1.0))
    return np.where(np.isnan(years), _NO_AGE, DAY_ZERO.astype("datetime64[Y]").astype(int) + 1970 - years).astype(int)


def _visit(cohort: Cohort) -> Cells:
    end = _last_instants(cohort)
    numbers = np.arange(1, len(cohort) + 1)
    return {
        "visit_occurrence_id": numbers,
        "person_id": numbers,
        "visit_concept_id": 0,
        "visit_start_date": str(DAY_ZERO.astype("datetime64[D]")),
        "visit_start_datetime": str(DAY_ZERO.astype("datetime64[s]")),
        "visit_end_date": np.datetime_as_string(end.astype("datetime64[D]")),
        "visit_end_datetime": iso(end),
        "visit_type_concept_id": 0,
        "visit_source_value": cohort.schema.name[:LONGEST_SOURCE_VALUE],
    }


def _last_instants(cohort: Cohort) -> Instants:
    """The end of each patient's follow-up, else of the last record, at least day zero, shape [n]."""
    name, last = cohort.schema.end_of_followup, np.full(len(cohort), DAY_ZERO)
    if name is not None:
        span = np.rint(cohort.numbers(name) * MICROSECONDS[cohort.schema.time_unit]).astype("timedelta64[us]")
        return np.asarray(np.maximum(last, DAY_ZERO + span))
    np.maximum.at(last, cohort.records.owner, instants(cohort))
    return last


def _measurement(cohort: Cohort) -> Cells:
    labs, when, tests = labs_text(cohort), instants(cohort), tuple(cohort.schema.tests.values())
    concepts = np.array([*(test.omop for test in tests), 0])
    person = cohort.records.owner.astype(np.int64) + 1
    return {
        "measurement_id": np.arange(1, len(labs) + 1),
        "person_id": person,
        "measurement_concept_id": concepts[cohort.records.test],
        "measurement_date": np.datetime_as_string(when.astype("datetime64[D]")),
        "measurement_datetime": iso(when),
        "measurement_type_concept_id": 0,
        "value_as_number": labs["value"].to_pandas().to_numpy(dtype=object),
        "visit_occurrence_id": person,
        "measurement_source_value": labs["test"].to_pandas().to_numpy(dtype=object),
        "unit_source_value": labs["unit"].to_pandas().to_numpy(dtype=object),
    }


def _observation(cohort: Cohort) -> Cells:
    """Every known attribute but the derived ones, patient by patient."""
    table, schema = patients_text(cohort), cohort.schema
    rows = [
        (row + 1, name, cell)
        for name in schema.free_columns
        for row, cell in enumerate(table[name].to_pylist())
        if cell is not None
    ]
    person, names, cells = ([row[place] for row in rows] for place in range(3))
    is_number = [not isinstance(schema.columns[str(name)], Category) for name in names]
    return {
        "observation_id": np.arange(1, len(rows) + 1),
        "person_id": person,
        "observation_concept_id": 0,
        "observation_date": str(DAY_ZERO.astype("datetime64[D]")),
        "observation_datetime": str(DAY_ZERO.astype("datetime64[s]")),
        "observation_type_concept_id": 0,
        "value_as_number": [cell if number else None for cell, number in zip(cells, is_number, strict=True)],
        "value_as_string": [None if number else cell for cell, number in zip(cells, is_number, strict=True)],
        "visit_occurrence_id": person,
        "observation_source_value": names,
        "unit_source_value": [getattr(schema.columns[str(name)], "unit", "") for name in names],
    }
