"""Reads and writes the Medical Event Data Standard (MEDS): one row an event, in Parquet, subject by subject."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from privacy.cohort import Cohort
from privacy.errors import DataError, refusal
from privacy.schema import Category, Schema
from synthhealth import __version__
from synthhealth.io.csv_files import labs_text, patients_text
from synthhealth.io.exchange import DAY_ZERO, Tables, instants, needed, offsets
from synthhealth.output import write_files

LAB, ATTRIBUTE, PATIENT_ID, INDEX = "LAB//", "ATTRIBUTE//", "PATIENT_ID", "INDEX"
ADMISSIONS = ("HOSPITAL_ADMISSION", "ICU_ADMISSION", "ADMISSION", "ENCOUNTER_START")
_ARROW = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us"), nullable=True),
        pa.field("code", pa.string(), nullable=False),
        pa.field("numeric_value", pa.float32()),
        pa.field("text_value", pa.large_string()),
        pa.field("unit", pa.string()),
    ]
)
_EXACT = 2**22  # a 32-bit float tells apart all values of a grid no larger than this


def write_meds(cohort: Cohort, folder: Path) -> tuple[Path, ...]:
    """Write `data/0.parquet`, `metadata/codes.parquet` and `metadata/dataset.json`, whole or not at all.

    Attributes are events without a time, records are `LAB//name//unit`. Every patient's `INDEX`
    event stands on the same made-up day. Numbers are 32-bit floats, as the standard says; those of
    a finer grid also stand in `text_value`. Reading them back with `read_meds` and admission gives
    the same cohort. Returns the paths.

    Raises ConfigError where the package meds is not installed.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    meds = needed("meds", extra="meds")
    cohort = cohort.reported()
    events = _events(cohort)
    paths = tuple(
        folder / name for name in ("data/0.parquet", meds.code_metadata_filepath, meds.dataset_metadata_filepath)
    )
    table = meds.DataSchema.align(pa.Table.from_pandas(events, schema=_ARROW, preserve_index=False))
    codes = meds.CodeMetadataSchema.align(_codes(cohort.schema, events))
    about = {
        "dataset_name": cohort.schema.name,
        "etl_name": "synthhealth",
        "etl_version": __version__,
        "meds_version": version("meds"),
        "code_modifier_columns": ["unit"],
    }
    write_files(
        {
            paths[0]: lambda path: pyarrow.parquet.write_table(table, path, compression="zstd"),
            paths[1]: lambda path: pyarrow.parquet.write_table(codes, path),
            paths[2]: lambda path: _write_text(path, json.dumps(about, indent=2)),
        }
    )
    return paths


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def _events(cohort: Cohort) -> pd.DataFrame:
    """All events, subject by subject, those without a time first."""
    pieces = [_attribute(cohort, name) for name in cohort.schema.free_columns]
    everyone = np.arange(1, len(cohort) + 1)
    ids = pd.DataFrame({"subject_id": everyone, "code": PATIENT_ID, "text_value": cohort.ids})
    index = pd.DataFrame({"subject_id": everyone, "time": DAY_ZERO, "code": INDEX})
    events = pd.concat([ids, *pieces, index, _records(cohort)], ignore_index=True)
    events["time"] = events["time"].astype("datetime64[us]")
    events = events.reindex(columns=_ARROW.names)
    events["order"] = np.arange(len(events))
    return events.sort_values(["subject_id", "time", "order"], na_position="first").drop(columns="order")


def _attribute(cohort: Cohort, name: str) -> pd.DataFrame:
    column, table = cohort.schema.columns[name], patients_text(cohort)
    cells = np.array(table[name].to_pylist(), dtype=object)
    known = np.array([cell is not None for cell in cells], dtype=bool)
    piece = pd.DataFrame({"subject_id": np.flatnonzero(known) + 1, "code": f"{ATTRIBUTE}{name}"})
    if isinstance(column, Category):
        return piece.assign(text_value=[str(cell) for cell in cells[known]])
    piece["numeric_value"] = cohort.numbers(name)[known].astype(np.float32)
    fine = column.kind != "derived" and column.grid.size > _EXACT
    return piece.assign(text_value=cells[known]) if fine else piece


def _records(cohort: Cohort) -> pd.DataFrame:
    labs, tests = labs_text(cohort), tuple(cohort.schema.tests.values())
    fine = np.array([*(test.grid.size > _EXACT for test in tests), False])[cohort.records.test]
    codes = np.array([*(_code(name, test.unit) for name, test in cohort.schema.tests.items()), ""], dtype=object)
    return pd.DataFrame(
        {
            "subject_id": cohort.records.owner.astype(np.int64) + 1,
            "time": instants(cohort),
            "code": codes[cohort.records.test],
            "numeric_value": cohort.records.value.astype(np.float32),
            "text_value": np.where(fine, labs["value"].to_pandas().to_numpy(dtype=object), None),
            "unit": labs["unit"].to_pandas().to_numpy(dtype=object),
        }
    )


def _code(name: str, unit: str) -> str:
    return f"{LAB}{name}//{unit}"


def _codes(schema: Schema, events: pd.DataFrame) -> pa.Table:
    """A line for each code that occurs, with LOINC as its parent where the schema gives one."""
    told: Mapping[str, tuple[str, list[str]]] = {
        _code(name, test.unit): (test.label, [f"LOINC/{test.loinc}"] if test.loinc else [])
        for name, test in schema.tests.items()
    }
    names = sorted(events["code"].unique())
    lines = [told.get(name, ("", [])) for name in names]
    return pa.table(
        {
            "code": pa.array(names, pa.string()),
            "description": pa.array([line[0] or name for name, line in zip(names, lines, strict=True)], pa.string()),
            "parent_codes": pa.array([line[1] for line in lines], pa.list_(pa.string())),
        }
    )


def read_meds(schema: Schema, folder: Path) -> Tables:
    """Every Parquet file under `folder/data` as tables that admission takes.

    A record's time is its event's time less the subject's index: the event `INDEX`, else the
    first event whose code begins with one of `ADMISSIONS`. A code is known as `LAB//name//unit`,
    as a test's name, or as a LOINC code.

    Raises DataError, naming the rule and never a cell.

    Privacy: internal only, when the events are real.
    """
    events = _read(folder)
    index = _index(events)
    patients = _patients(schema, events)
    coded = events["code"].map(_known_codes(schema))
    records = events[coded.notna().to_numpy() & events["time"].notna().to_numpy()]
    if len(records) > 0 and len(index) == 0:
        raise DataError(
            refusal(
                what="the times of MEDS events",
                must="count from an index event of each subject",
                got="none",
                fix=f"add an event {INDEX!r}, or one of {', '.join(ADMISSIONS)}, to each subject",
            )
        )
    names = patients.set_index("subject")[schema.privacy_unit.key]
    start = records["subject_id"].map(index).to_numpy(dtype="datetime64[us]")
    numbers = records["numeric_value"].to_numpy(dtype=np.float64)
    exact = pd.to_numeric(records["text_value"], errors="coerce").to_numpy(dtype=np.float64)
    labs = pd.DataFrame(
        {
            schema.privacy_unit.key: records["subject_id"].map(names).to_numpy(),
            "time": offsets(records["time"].to_numpy(dtype="datetime64[us]"), start, schema.time_unit),
            "test": coded[records.index].to_numpy(),
            "value": np.where(np.isnan(exact), numbers, exact),
            "unit": records["unit"].fillna("").to_numpy(),
        }
    )
    return Tables(patients=patients.drop(columns="subject"), labs=labs)


def _read(folder: Path) -> pd.DataFrame:
    files = sorted((folder / "data").rglob("*.parquet"))
    wanted = ("subject_id", "time", "code")
    if not files:
        raise DataError(
            refusal(what=f"the MEDS folder {folder}", must="hold data/*.parquet", got="none", fix="check the path")
        )
    tables = []
    for file in files:
        try:
            table = pyarrow.parquet.read_table(file)
        except pa.ArrowInvalid:
            table = pa.table({})
        if any(name not in table.column_names for name in wanted):
            raise DataError(
                refusal(
                    what=f"the MEDS file {file.name}",
                    must=f"have the columns {', '.join(wanted)}",
                    got="a file without them",
                    fix="export it by the MEDS schema 0.4",
                )
            )
        tables.append(table.select([name for name in _ARROW.names if name in table.column_names]))
    events: pd.DataFrame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
    return events.reindex(columns=_ARROW.names)


def _index(events: pd.DataFrame) -> pd.Series:
    """When each subject's offsets begin, by subject."""
    own = events[events["code"] == INDEX]
    mine = own if len(own) > 0 else events[events["code"].str.startswith(ADMISSIONS)]
    return mine.groupby("subject_id")["time"].min()


def _known_codes(schema: Schema) -> Mapping[str, str]:
    codes = {test.loinc: name for name, test in schema.tests.items() if test.loinc}
    codes |= {f"LOINC/{code}": name for code, name in codes.items()} | {name: name for name in schema.tests}
    return codes | {_code(name, test.unit): name for name, test in schema.tests.items()}


def _patients(schema: Schema, events: pd.DataFrame) -> pd.DataFrame:
    """One row a subject: `subject`, the key and every attribute that is told of."""
    subjects = np.sort(events["subject_id"].unique())
    told = events[events["time"].isna().to_numpy()].drop_duplicates(["subject_id", "code"])
    text, number = told["text_value"], told["numeric_value"]
    cells = text.where(text.notna(), number.astype(object))
    wide = told.assign(cell=cells).pivot(index="subject_id", columns="code", values="cell").reindex(subjects)  # noqa: PD010
    ids = wide[PATIENT_ID] if PATIENT_ID in wide else pd.Series(subjects.astype(str), index=subjects)
    frame = pd.DataFrame({"subject": subjects, schema.privacy_unit.key: ids.to_numpy()})
    for name in schema.free_columns:
        if f"{ATTRIBUTE}{name}" in wide:
            frame[name] = wide[f"{ATTRIBUTE}{name}"].to_numpy()
        elif getattr(schema.columns[name], "missing", False):
            frame[name] = None
    return frame
