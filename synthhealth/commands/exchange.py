"""Other formats, simulated patients, and other generators: convert, simulate and benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from synthhealth.commands.options import HERE, CohortName, ConfigFile, Json, Quiet, show

FormatName = Literal["csv", "parquet", "fhir", "omop", "meds"]
Scenario = Literal["hospital", "sepsis", "acute-kidney-injury", "diabetes", "anaemia"]


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
    """From one format to another, by the schema's rules; real rows stay real in any format."""
    from synthhealth.converting import convert as convert_source

    show(
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


def simulate(
    *,
    to: Annotated[Path, typer.Option(help="A new folder.")],
    scenario: Annotated[Scenario, typer.Option(help="What befalls the patients; hospital: mixed stays.")] = "hospital",
    patients: Annotated[int, typer.Option(min=1, help="How many.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same patients.")] = 0,
    seeded_by: Annotated[
        Path | None, typer.Option(help="A fitted model's folder: it gives ages, sexes, wards and numbers of draws.")
    ] = None,
    form: Annotated[FormatName, typer.Option("--format", help="What to write.")] = "csv",
    json: Json = False,
) -> None:
    """Patients by rules, with the truth about each of them; reads no data at all, costs nothing."""
    from synthhealth.simulating import simulate as simulate_patients

    show(simulate_patients(scenario, patients, to, form, seed=seed, seeded_by=seeded_by), json=json)


def benchmark(
    *,
    cohort: Annotated[
        CohortName | None, typer.Option(help="An embedded cohort, in place of a config's tables.")
    ] = None,
    config: ConfigFile = HERE,
    engine: Annotated[
        list[str] | None, typer.Option(help="independent, marginal, vae, vae-dpsgd, vae-nonprivate; by default four.")
    ] = None,
    epsilon: Annotated[list[float] | None, typer.Option(help="Once for each; by default 1, 3 and 10.")] = None,
    synthetic: Annotated[
        list[str] | None, typer.Option(help="name=folder: what another generator wrote, in any format that is read.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where table, plot and JSON go; it stays inside.")] = Path("benchmark"),
    train_to: Annotated[
        Path | None, typer.Option(help="Only write the patients to learn from, for other generators; REAL rows.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which patients are held out.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The scoreboard: engines by epsilon on one cohort, beside real patients; the answer stays inside."""
    from synthhealth.benchmark import page
    from synthhealth.benchmarking import run_benchmark
    from synthhealth.progress import shown

    _ = page  # the scoreboard's screen registers itself
    with shown(silent=quiet) as progress:
        result = run_benchmark(
            cohort=cohort,
            config=config,
            engines=None if engine is None else tuple(engine),
            epsilons=(1.0, 3.0, 10.0) if epsilon is None else tuple(epsilon),
            synthetic=() if synthetic is None else tuple(synthetic),
            out=out,
            train_to=train_to,
            seed=seed,
            progress=progress,
        )
    show(result, json=json)
