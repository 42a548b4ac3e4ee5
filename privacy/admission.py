"""The door of the house: tables as they are come in, a cohort that keeps every public rule goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from privacy.admission_labs import admit_labs
from privacy.admission_patients import admit_patients
from privacy.cohort import Cohort
from privacy.notice import Notice
from privacy.schema import PATIENT_ID, Schema
from privacy.table_blocks import Blocks, read_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A cohort in its schema, and what had to be done to the tables for it.

    Privacy: internal only; notices hold exact counts.
    """

    cohort: Cohort
    notices: tuple[Notice, ...]


def admit(
    schema: Schema, patients: pd.DataFrame, labs: pd.DataFrame | Blocks | None = None, *, files: Path | None = None
) -> Admission:
    """Bring a table of patients and a long table of labs into `schema`, by rules that look at one patient at a time.

    `patients` has the schema's key and its columns; `labs` the key, `time`, `test`, `value` and,
    where units differ, `unit`. Cells may be text or typed. docs/reference/admission-rules.md
    lists each rule. `labs` may come by blocks (`read_labs`), so that the table is never in memory
    as a whole. With a folder for `files` the records are not either; see `records.Records`. A cohort's
    own frames come back as they are.

    Raises DataError, naming table, column and rule and never a cell, when a column is missing,
    an id stands twice, or no patient is left; ConfigError where the folder has no room.

    Privacy: internal only; each repair is a per-patient map with stability 1.
    """
    admitted = admit_patients(schema, patients)
    records, lab_notices = admit_labs(schema, labs, admitted, files)
    return Admission(
        cohort=Cohort(schema=schema, patients=admitted.frame, records=records),
        notices=(*admitted.notices, *lab_notices),
    )


def read_labs(schema: Schema, path: str | Path) -> Blocks:
    """The long table of labs at `path`, by blocks, with the columns that `schema` has a use for.

    Raises DataError as `tables.read_table` does.

    Privacy: internal only.
    """
    words = (schema.privacy_unit.key, PATIENT_ID, "test", "unit")
    return read_blocks(path, "labs", words=words, numbers=("time", "value"))
