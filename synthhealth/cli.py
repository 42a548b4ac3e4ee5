"""The command line: a command a step, progress on stderr, results on stdout, and an exit code that says which no."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from privacy.errors import SynthhealthError
from synthhealth.bugs import told_without_values
from synthhealth.commands import account, begin, exchange, steps
from synthhealth.examples import example_of

ABOUT = "Synthetic patients with their lab records, made under differential privacy, and the evidence to sign for them."
EPILOG = (
    "Begin with [bold]synthhealth demo[/]: it needs no file of yours. "
    "Exit codes: 0 fine, 1 bug, 2 settings, 3 data, 4 budget, 5 a check failed."
)
PANELS = {
    "Begin here": (begin.demo, begin.init, begin.run),
    "Step by step": (
        steps.check,
        steps.plan,
        steps.fit,
        steps.sample,
        steps.quality,
        steps.evaluate,
        steps.attack,
        steps.report,
        exchange.convert,
        exchange.simulate,
    ),
    "Account and proof": (
        account.ledger,
        account.audit,
        account.verify,
        account.sign,
        account.key,
        exchange.benchmark,
    ),
}
INTERRUPTED = 130  # what shells and typer make of Ctrl-C

app = typer.Typer(
    name="synthhealth",
    help=ABOUT,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _panel, _commands in PANELS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel, epilog=example_of(_command.__name__))(_command)


def main() -> None:
    """Run the command line; a refusal becomes one sentence on stderr and its exit code."""
    try:
        app(prog_name="synthhealth")
    except SynthhealthError as error:
        _say("refused", f"{error}")
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _say("interrupted", "nothing half-written counts; `synthhealth run` goes on from here")
        raise
    except Exception as error:  # noqa: BLE001  # the last resort: a bug must not print a cell of real data
        _say("bug", told_without_values(error))
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        from synthhealth import __version__

        typer.echo(f"synthhealth {__version__}")
        raise typer.Exit


def _say(kind: str, words: str) -> None:
    """One message on stderr."""
    style = typer.colors.RED if kind in ("refused", "bug") else typer.colors.YELLOW
    typer.echo(typer.style(f"{kind}: ", fg=style, bold=True) + words, err=True)
