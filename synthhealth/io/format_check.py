"""Holds what was written against published models: FHIR resources against R4B, MEDS files against their schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet

from privacy.errors import CheckError, refusal
from synthhealth.io.exchange import Format, needed


def check_format(files: tuple[Path, ...], form: Format) -> int:
    """How many resources (FHIR) or files (MEDS) were held against the published models, all of them valid.

    Raises CheckError, naming file and line, where one is not; ConfigError where the models are
    not installed. Formats without published models give 0.

    Privacy: internal only where the files are real.
    """
    match form:
        case "fhir":
            return sum(_check_resources(file) for file in files)
        case "meds":
            return _check_meds(files)
    return 0


def _check_resources(file: Path) -> int:
    patient = needed("fhir.resources.R4B.patient", extra="fhir").Patient
    observation = needed("fhir.resources.R4B.observation", extra="fhir").Observation
    models = {"Patient": patient, "Observation": observation}
    number = 0
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                models[json.loads(line)["resourceType"]].model_validate_json(line)
            except (KeyError, ValueError):
                # pydantic's own sentence quotes the resource, so it is neither repeated nor chained
                raise _broken(file, f"line {number}", "a FHIR R4B resource") from None
    return number


def _check_meds(files: tuple[Path, ...]) -> int:
    meds = needed("meds", extra="meds")
    wrong = needed("flexible_schema.exceptions", extra="meds")
    for file in files:
        try:
            if file.name == "dataset.json":
                meds.DatasetMetadataSchema.validate(json.loads(file.read_text(encoding="utf-8")))
            else:
                schema = meds.DataSchema if file.parent.name == meds.data_subdirectory else meds.CodeMetadataSchema
                schema.validate(pyarrow.parquet.read_table(file))
        except (ValueError, wrong.SchemaValidationError, wrong.TableValidationError):
            raise _broken(file, "the file", "valid MEDS 0.4") from None
    return len(files)


def _broken(file: Path, place: str, kind: str) -> CheckError:
    return CheckError(
        refusal(
            what=f"{file.name}, {place},",
            must=f"be {kind}",
            got="something else",
            fix="look at the names in the schema: blanks and control characters are not allowed everywhere",
        )
    )
