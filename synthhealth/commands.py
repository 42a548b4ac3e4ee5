"""Further commands of the command line, each a function that `synthhealth.cli` puts up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from synthhealth.results import Result

FormatName = Literal["csv", "parquet", "fhir", "omop", "meds"]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def convert(
    *,
    source: Annotated[
        str,
        typer.Option("--from", help="A folder (CSV, Parquet, FHIR, OMOP, MEDS), a .duckdb file, or a database URL."),
    ],
    to: Annotated[Path, typer.Option(help="A new folder.")],
    form: Annotated[FormatName, typer.Option("--format", help="What to write.")],
    schema: Annotated[Path, typer.Option(help="The schema by which the source is read.")] = Path("schema.toml"),
    patients: Annotated[Path | None, typer.Option(help="A table of attributes, in place of the source's own.")] = None,
    patients_query: Annotated[str | None, typer.Option(help="SQL for the patients' table.")] = None,
    labs_query: Annotated[str | None, typer.Option(help="SQL for the labs' table.")] = None,
    validate: Annotated[bool, typer.Option("--validate", help="Hold what was written against published models.")] = (
        False
    ),
    json: Json = False,
) -> None:
    """From one format to another, by the schema's rules; real rows stay real in any format.

    Example: [bold]synthhealth convert --from out/release --to fhir --format fhir --validate[/]
    """
    from synthhealth.converting import convert as convert_source

    _show(
        convert_source(
            schema,
            source,
            to,
            form,
            patients=patients,
            patients_query=patients_query,
            labs_query=labs_query,
            validate=validate,
        ),
        json=json,
    )


def _show(result: Result, *, json: bool) -> None:
    from synthhealth.screens import show

    show(result, json=json)
