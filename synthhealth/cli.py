"""The command line: a command a step, progress on stderr, results on stdout, and an exit code that says which no."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import typer

from privacy.errors import ConfigError, SynthhealthError, refusal
from synthhealth import commands
from synthhealth.bugs import told_without_values
from synthhealth.examples import example_of
from synthhealth.generators.protocol import EngineName

if TYPE_CHECKING:
    from synthhealth.config import Config
    from synthhealth.generators.protocol import Progress
    from synthhealth.results import Result

    class StepCall(Protocol):
        """A step of the pipeline that needs the config alone."""

        def __call__(self, config: Config, *, progress: Progress) -> Result:
            """Do the step."""
            ...


ABOUT = "Synthetic patients with their lab records, made under differential privacy, and the evidence to sign for them."
EPILOG = (
    "Begin with [bold]synthhealth demo[/]: it needs no file of yours. "
    "Exit codes: 0 fine, 1 bug, 2 settings, 3 data, 4 budget, 5 a check failed."
)
BEGIN, STEPS, ACCOUNT = "Begin here", "Step by step", "Account and proof"
HERE = Path("synthhealth.toml")
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

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The settings of the project.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
CohortName = Literal["nafld", "simulated"]


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


@app.command(rich_help_panel=BEGIN)
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
    _show(result, json=json)


@app.command(rich_help_panel=BEGIN)
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

    _show(start(folder, tests=tests), json=json)


@app.command(rich_help_panel=BEGIN)
def run(*, config: ConfigFile = HERE, json: Json = False, quiet: Quiet = False) -> None:
    """Everything in one go: check, plan, fit, sample, evaluate, attack, report. Goes on where it was stopped."""
    from synthhealth import pipeline

    _lead(pipeline.run, config, json=json, quiet=quiet)


@app.command(rich_help_panel=STEPS)
def check(*, config: ConfigFile = HERE, json: Json = False, quiet: Quiet = False) -> None:
    """Hold the tables against the schema; the answer stays inside."""
    from synthhealth import pipeline

    _lead(pipeline.check, config, json=json, quiet=quiet)


@app.command(rich_help_panel=STEPS)
def plan(
    *,
    config: ConfigFile = HERE,
    epsilon: Annotated[float | None, typer.Option(help="Try another epsilon than the config's.")] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Try another engine than the config's.")] = None,
    json: Json = False,
) -> None:
    """What a fit would cost and promise, before any row is read; the data need not exist."""
    from synthhealth import pipeline
    from synthhealth.config import Config

    _show(pipeline.plan(Config.load(config).tried_with(epsilon=epsilon, engine=engine)), json=json)


@app.command(rich_help_panel=STEPS)
def fit(
    *,
    config: ConfigFile = HERE,
    again: Annotated[bool, typer.Option("--again", help="Spend anew although there is a model.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Spend the budget and write the model; under `torchrun`, all its processes take the private steps together."""
    from synthhealth import pipeline
    from synthhealth.config import Config
    from synthhealth.progress import shown
    from synthhealth.together import assisted, leading

    if assisted():
        return
    with shown(silent=quiet) as progress, leading():
        result = pipeline.fit(Config.load(config), again=again, progress=progress)
    _show(result, json=json)


@app.command(rich_help_panel=STEPS)
def sample(
    *,
    config: ConfigFile = HERE,
    to: Annotated[Path | None, typer.Option(help="Another folder than the release: extra draws cost nothing.")] = None,
    patients: Annotated[int | None, typer.Option(help="How many (with --to).")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="sex=F, ward=A,B or age=60..80, once for each (with --to).")
    ] = None,
    balance: Annotated[str | None, typer.Option(help="A category whose codes shall stand equally often.")] = None,
    mix: Annotated[list[str] | None, typer.Option(help="died=1:0.2 for 20 % of code 1 (with --to).")] = None,
    seed: Annotated[int | None, typer.Option(help="Another draw (with --to).")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write synthetic patients; reads no rows and costs nothing."""
    from synthhealth import pipeline
    from synthhealth.conditions import parse_conditions
    from synthhealth.config import Config
    from synthhealth.mixes import parse_mix
    from synthhealth.progress import shown

    shares = parse_mix(() if mix is None else tuple(mix))
    extra = parse_conditions(() if where is None else tuple(where))
    settings = Config.load(config)
    if to is None and (patients is not None or seed is not None or extra or shares or balance is not None):
        raise ConfigError(
            refusal(
                what="--patients, --where, --balance, --mix and --seed",
                must="come with --to",
                got="no other folder",
                fix="add --to FOLDER, or change the config for the release itself",
            )
        )
    with shown(silent=quiet) as progress:
        if to is None:
            result = pipeline.sample(settings, progress=progress)
        else:
            result = pipeline.draw(
                settings, to, patients=patients, where=extra, balance=balance, mix=shares, seed=seed, progress=progress
            )
    _show(result, json=json)


@app.command(rich_help_panel=STEPS)
def quality(*, config: ConfigFile = HERE, json: Json = False, quiet: Quiet = False) -> None:
    """Buy quality numbers that may leave, with `quality_epsilon` of the config."""
    from synthhealth import pipeline

    _lead(pipeline.quality, config, json=json, quiet=quiet)


@app.command(rich_help_panel=STEPS)
def evaluate(
    *,
    config: ConfigFile = HERE,
    compare: Annotated[
        list[Path] | None, typer.Option(help="A folder of synthetic patients, once for each set to be compared.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fidelity, utility and fairness of what was sampled; the answer stays inside."""
    from synthhealth import pipeline

    step = pipeline.evaluate if compare is None else partial(pipeline.compare, folders=tuple(compare))
    _lead(step, config, json=json, quiet=quiet)


@app.command(rich_help_panel=STEPS)
def attack(
    *,
    config: ConfigFile = HERE,
    full: Annotated[
        bool, typer.Option("--full/--quick", help="More patients, more doses of each control, shadow models; slower.")
    ] = False,
    exposed: Annotated[
        Path | None, typer.Option(help="Write the patients most exposed into this CSV, by name; it must stay inside.")
    ] = None,
    synthetic: Annotated[
        Path | None, typer.Option(help="Patients that another tool has made, in place of the release's.")
    ] = None,
    synthetic_labs: Annotated[Path | None, typer.Option(help="Their lab records (with --synthetic).")] = None,
    members: Annotated[
        Path | None, typer.Option(help="A table with the ids that tool learnt from (with --synthetic).")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Where its findings go (with --synthetic).")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try to find the real patients in what was sampled, with controls; the answer stays inside."""
    from synthhealth import pipeline

    if synthetic is None:
        if synthetic_labs is not None or members is not None or to is not None:
            raise ConfigError(
                refusal(
                    what="--synthetic-labs, --members and --to",
                    must="come with --synthetic",
                    got="no file of another tool",
                    fix="add --synthetic FILE, or leave them out to attack the release itself",
                )
            )
        step = partial(pipeline.attack, quick=not full, exposed=exposed)
    else:
        from synthhealth.other_release import attack_other

        files = partial(attack_other, synthetic=synthetic, labs=synthetic_labs, members=members, to=to)
        step = partial(files, exposed=exposed, full=full)
    _lead(step, config, json=json, quiet=quiet)


@app.command(rich_help_panel=STEPS)
def report(*, config: ConfigFile = HERE, json: Json = False, quiet: Quiet = False) -> None:
    """Both editions of the report, and the verdict against the policy."""
    from synthhealth import pipeline

    _lead(pipeline.report, config, json=json, quiet=quiet)


@app.command(rich_help_panel=ACCOUNT)
def ledger(*, config: ConfigFile = HERE, json: Json = False) -> None:
    """What this population has spent, and what is left."""
    from synthhealth import pipeline
    from synthhealth.config import Config

    _show(pipeline.ledger(Config.load(config)), json=json)


@app.command(rich_help_panel=ACCOUNT)
def audit(
    *,
    config: ConfigFile = HERE,
    canaries: Annotated[int, typer.Option(min=100, help="Patients planted to be looked for.")] = 2000,
    runs: Annotated[int, typer.Option(min=16, help="Fits of each tiny world.")] = 16,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try the engine against its own claim, with canaries; reads no rows. Exit code 5: the claim is falsified."""
    from synthhealth.audit import page, verdict
    from synthhealth.config import Config
    from synthhealth.progress import shown

    _ = page  # the audit's screen registers itself
    with shown(silent=quiet) as progress:
        result = verdict.audit(Config.load(config), canaries=canaries, runs=runs, progress=progress)
    _show(result, json=json)
    raise typer.Exit(result.exit_code)


@app.command(rich_help_panel=ACCOUNT)
def verify(
    folder: Annotated[Path, typer.Argument(help="A release folder.")],
    *,
    key: Annotated[
        list[Path] | None, typer.Option(help="A public key that came over another channel; any other then fails.")
    ] = None,
    account: Annotated[
        Path | None, typer.Option(help="The population's ledger (inside the institution): it must hold these runs.")
    ] = None,
    account_key: Annotated[Path | None, typer.Option(help="The file with the secret that signs the ledger.")] = None,
    json: Json = False,
) -> None:
    """Check a release offline: hashes, signatures, epsilon, odds, verdict. Exit code 5: a check fails; 6: unsigned."""
    from synthhealth.reporting import verify as verify_release

    trusted = () if key is None else tuple(key)
    result = verify_release(folder, trusted=trusted, account=account, account_key=account_key)
    _show(result, json=json)
    raise typer.Exit(result.exit_code)


@app.command(rich_help_panel=ACCOUNT)
def sign(
    folder: Annotated[Path, typer.Argument(help="A release folder.")],
    *,
    role: Annotated[str, typer.Option(help="One of the roles that the policy asks for.")],
    name: Annotated[str, typer.Option(help="The person who signs.")],
    key: Annotated[Path, typer.Option(help="The person's Ed25519 key (PEM).")],
    months: Annotated[int, typer.Option(min=1, max=36, help="For how long.")] = 12,
    decline: Annotated[bool, typer.Option("--decline", help="Put on record that the person does not sign.")] = False,
    json: Json = False,
) -> None:
    """Sign a release for one role; set SYNTHHEALTH_KEY_PASSWORD for a key that has one."""
    from synthhealth.reporting import sign as sign_release

    secret = os.environ.get("SYNTHHEALTH_KEY_PASSWORD")
    _show(
        sign_release(
            folder,
            role=role,
            name=name,
            key=key,
            months=months,
            declined=decline,
            password=None if secret is None else secret.encode(),
        ),
        json=json,
    )


@app.command(rich_help_panel=ACCOUNT)
def key(path: Annotated[Path, typer.Argument(help="Where the key will stand.")], *, json: Json = False) -> None:
    """Make a signing key for one person."""
    from synthhealth.reporting import make_key

    _show(make_key(path), json=json)


app.command(rich_help_panel=STEPS)(commands.convert)
app.command(rich_help_panel=ACCOUNT)(commands.benchmark)
for _command in app.registered_commands:
    if _command.callback is not None:
        _command.epilog = example_of(_command.callback.__name__)


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        from synthhealth import __version__

        typer.echo(f"synthhealth {__version__}")
        raise typer.Exit


def _lead(step: StepCall, config: Path, *, json: bool, quiet: bool) -> None:
    """One step of the pipeline, from the config's file to its screen."""
    from synthhealth.config import Config
    from synthhealth.progress import shown

    with shown(silent=quiet) as progress:
        result = step(Config.load(config), progress=progress)
    _show(result, json=json)


def _show(result: Result, *, json: bool) -> None:
    from synthhealth.screens import show

    show(result, json=json)


def _say(kind: str, words: str) -> None:
    """One message on stderr."""
    style = typer.colors.RED if kind in ("refused", "bug") else typer.colors.YELLOW
    typer.echo(typer.style(f"{kind}: ", fg=style, bold=True) + words, err=True)
