"""The command `convert`: from any known format to any other, through the schema's own door."""

from __future__ import annotations

from pathlib import Path

from privacy.errors import ConfigError, refusal
from privacy.schema import Schema
from synthhealth.io.convert import read_source, write_format
from synthhealth.io.exchange import Format
from synthhealth.io.format_check import check_format
from synthhealth.results import Converted, NoticeLine


def convert(
    schema: Path,
    source: str,
    target: Path,
    form: Format,
    *,
    patients: Path | None = None,
    patients_query: str | None = None,
    labs_query: str | None = None,
    validate: bool = False,
) -> Converted:
    """Read `source`, admit it by the schema's rules and write it to `target` as `form`.

    Raises ConfigError where `target` is the source's own folder or holds files already, DataError
    where the source breaks a rule, CheckError where `validate` is set and a file is not valid by
    the published models.

    Privacy: internal only where the source is real; what is real stays so in any format.
    """
    if target.exists() and any(target.iterdir()):
        raise ConfigError(
            refusal(what=f"the folder {target}", must="be new or empty", got="one with files", fix="name another")
        )
    admission = read_source(
        Schema.load(schema), source, patients=patients, patients_query=patients_query, labs_query=labs_query
    )
    files = write_format(admission.cohort, target, form)
    return Converted(
        form=form,
        patients=len(admission.cohort),
        records=len(admission.cohort.records),
        files=tuple(str(file) for file in files),
        valid=check_format(files, form) if validate and form in ("fhir", "meds") else None,
        notices=tuple(NoticeLine.of(notice) for notice in admission.notices),
    )
