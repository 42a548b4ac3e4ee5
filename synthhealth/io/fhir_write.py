"""Writes a cohort as FHIR R4 resources, one JSON object a line: Patient with its attributes, Observation by record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.grid import decimals_of
from privacy.schema import Category, Schema, Test
from synthhealth.catalogue.units import ucum
from synthhealth.io.csv_files import labs_text, patients_text
from synthhealth.io.exchange import DAY_ZERO, UCUM_TIME, instants, iso, sex_column, sex_of
from synthhealth.output import write_files

ATTRIBUTE, OFFSET = "urn:synthhealth:attribute", "urn:synthhealth:offset"
PATIENT_ID, TEST = "urn:synthhealth:patient_id", "urn:synthhealth:test"
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_CATEGORY = [
    {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
]
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_LINES_AT_ONCE = 20_000
_DAY_ZERO = f"{DAY_ZERO.astype('datetime64[s]')}Z"


def write_fhir(cohort: Cohort, folder: Path) -> tuple[Path, ...]:
    """Write `Patient.ndjson` and `Observation.ndjson` into `folder`, whole or not at all. Returns the paths.

    Times are offsets in an extension of `effectiveDateTime`; only where the schema has an
    `index_date` are they dates, counted from the same made-up day for every patient. Reading
    them back with `read_fhir` and admission gives the same cohort.

    Privacy: internal only where the cohort is real; free where it is synthetic.
    """
    cohort = cohort.reported()
    references = _resource_ids(cohort)
    fills: dict[Path, Callable[[Path], None]] = {
        folder / "Patient.ndjson": partial(_write, _patients(cohort, references)),
        folder / "Observation.ndjson": partial(_write, _observations(cohort, references)),
    }
    write_files(fills)
    return tuple(fills)


def _write(lines: Iterator[str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        pending: list[str] = []
        for line in lines:
            pending.append(line)
            if len(pending) == _LINES_AT_ONCE:
                file.write("".join(pending))
                pending.clear()
        file.write("".join(pending))


def _resource_ids(cohort: Cohort) -> list[str]:
    """The patients' own identifiers where FHIR takes all of them as resource ids, else numbers."""
    ids = [str(one) for one in cohort.ids]
    return ids if all(_ID.fullmatch(one) for one in ids) else [f"p{number}" for number in range(1, len(ids) + 1)]


def _patients(cohort: Cohort, references: list[str]) -> Iterator[str]:
    schema, columns = cohort.schema, patients_text(cohort).to_pydict()
    sex = sex_column(schema)
    for row, reference in enumerate(references):
        resource: dict[str, object] = {
            "resourceType": "Patient",
            "id": reference,
            "identifier": [{"system": PATIENT_ID, "value": str(cohort.ids[row])}],
        }
        gender = None if sex is None else sex_of(columns[sex][row])
        if gender is not None:
            resource["gender"] = gender
        told = [
            _attribute(schema, name, columns[name][row]) for name in schema.columns if columns[name][row] is not None
        ]
        if schema.index_date is not None:
            name = {"url": "name", "valueString": schema.index_date}
            told.append({"url": ATTRIBUTE, "extension": [name, {"url": "value", "valueDateTime": _DAY_ZERO}]})
        if told:
            resource["extension"] = told
        yield json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n"


def _attribute(schema: Schema, name: str, cell: str | float) -> dict[str, object]:
    column = schema.columns[name]
    is_text = isinstance(column, Category) and not isinstance(cell, int)
    value = {"url": "value", "valueString": cell} if is_text else {"url": "value", "valueDecimal": _number(cell)}
    return {"url": ATTRIBUTE, "extension": [{"url": "name", "valueString": name}, value]}


def _number(cell: str | float) -> float | int:
    number = float(cell)
    return int(number) if number.is_integer() else number


def _observations(cohort: Cohort, references: list[str]) -> Iterator[str]:
    """Records as lines put together from pieces that are made once a test, a time and a patient."""
    tests = tuple(cohort.schema.tests.items())
    heads = [_head(name, test) for name, test in tests]
    ends = [_end(test) for _, test in tests]
    subjects = [f',"subject":{{"reference":"Patient/{reference}"}},' for reference in references]
    values = labs_text(cohort).column("value").to_pylist()
    records = cohort.records
    rows = zip(records.owner.tolist(), records.test.tolist(), _effective(cohort), values, strict=True)
    for number, (owner, test, effective, value) in enumerate(rows, 1):
        open_value, close_value = ends[test]
        yield (
            f'{{"resourceType":"Observation","id":"o{number}",{heads[test]}{subjects[owner]}{effective}'
            f"{open_value}{value}{close_value}"
        )


def _head(name: str, test: Test) -> str:
    codings: list[dict[str, str]] = [{"system": LOINC, "code": test.loinc}] if test.loinc else []
    code = " ".join(name.split())  # FHIR takes single blanks in a code, and nothing wider
    codings.append({"system": TEST, "code": code} | ({} if code == name else {"display": name}))
    parts = {"status": "final", "category": _CATEGORY, "code": {"coding": codings, "text": name}}
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))[1:-1]


def _end(test: Test) -> tuple[str, str]:
    """What stands before and after a value's digits; the values of a test with codes are whole numbers."""
    if test.codes:
        return ',"valueInteger":', "}\n"
    unit: dict[str, str] = {"unit": test.unit} if test.unit else {}
    code = ucum(test.unit)
    if code is not None:
        unit |= {"system": UCUM, "code": code}
    tail = json.dumps(unit, ensure_ascii=False, separators=(",", ":"))[1:-1]
    return ',"valueQuantity":{"value":', f"{',' if tail else ''}{tail}}}}}\n"


def _effective(cohort: Cohort) -> NDArray[np.object_]:
    """When each record was taken, as a piece of JSON, shape [r]."""
    if cohort.schema.index_date is not None:
        return np.array([f'"effectiveDateTime":"{text}Z"' for text in iso(instants(cohort))], dtype=object)
    different, place = np.unique(cohort.records.time, return_inverse=True)
    code, decimals = UCUM_TIME[cohort.schema.time_unit], decimals_of(cohort.schema.time_precision)
    pieces = [
        '"_effectiveDateTime":{"extension":[{"url":"'
        f'{OFFSET}","valueDuration":{{"value":{time:.{decimals}f},"unit":"{code}","system":"{UCUM}","code":"{code}"'
        "}}]}"
        for time in different.tolist()
    ]
    return np.array([*pieces, ""], dtype=object)[place]
