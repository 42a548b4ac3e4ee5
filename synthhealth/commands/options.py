"""What the commands share: options, the way from a config to a screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import typer

from synthhealth.generators.device import Device

if TYPE_CHECKING:
    from synthhealth.config import Config
    from synthhealth.generators.protocol import Progress
    from synthhealth.results import Result

    class StepCall(Protocol):
        """A step of the pipeline that needs the config alone."""

        def __call__(self, config: Config, *, progress: Progress) -> Result:
            """Do the step."""
            ...


HERE = Path("synthhealth.toml")
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The settings of the project.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
OnDevice = Annotated[
    Device | None, typer.Option("--device", help="Where vae-dpsgd computes its gradients; the config's by default.")
]
OnDask = Annotated[
    str | None,
    typer.Option(
        "--dask",
        help="A Dask scheduler's address, or `local`, to spread blocks. Its workers see patients: own machines only.",
    ),
]
CohortName = Literal["nafld", "simulated"]


def lead(step: StepCall, config: Path, *, json: bool, quiet: bool) -> None:
    """One step of the pipeline, from the config's file to its screen."""
    from synthhealth.config import Config
    from synthhealth.progress import shown

    with shown(silent=quiet) as progress:
        result = step(Config.load(config), progress=progress)
    show(result, json=json)


def show(result: Result, *, json: bool) -> None:
    """The result on stdout, as its screen or as JSON."""
    from synthhealth.screens import show as show_screen

    show_screen(result, json=json)
