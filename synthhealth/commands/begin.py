"""Commands to begin with: a demo, a new project, everything in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthhealth.commands.options import HERE, CohortName, ConfigFile, Json, Quiet, lead, show
from synthhealth.generators.protocol import EngineName


def demo(  # the options say what they are
    *,
    cohort: Annotated[CohortName, typer.Option(help="17,549 real patients (open data), or simulated ones.")] = "nafld",
    epsilon: Annotated[float, typer.Option(help="How much one patient may change what leaves.")] = 3.0,
    engine: Annotated[EngineName, typer.Option(help="What learns.")] = "vae",
    out: Annotated[Path, typer.Option(help="Where it puts its files; an earlier demo there is replaced.")] = Path(
        "out/demo"
    ),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Lead an embedded cohort from patients to report; no file of yours is needed."""
    from synthhealth import pipeline
    from synthhealth.demo import prepare
    from synthhealth.progress import shown

    config = prepare(cohort, out, epsilon=epsilon, engine=engine)
    with shown(silent=quiet) as progress:
        result = pipeline.run(config, progress=progress)
    show(result, json=json)


def init(
    folder: Annotated[Path, typer.Argument(help="Where the project will stand.")] = Path(),
    *,
    tests: Annotated[
        Path | None, typer.Option(help="Your data dictionary: a CSV with columns test and unit (low, high, precision).")
    ] = None,
    json: Json = False,
) -> None:
    """Write a commented config and schema to fill in; reads no rows."""
    from synthhealth.starting import start

    show(start(folder, tests=tests), json=json)


def run(*, config: ConfigFile = HERE, json: Json = False, quiet: Quiet = False) -> None:
    """Everything in one go: check, plan, fit, sample, evaluate, attack, report. Goes on where it was stopped."""
    from synthhealth import pipeline

    lead(pipeline.run, config, json=json, quiet=quiet)
