"""The steps from tables to report, a command each."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from privacy.errors import ConfigError, refusal
from synthhealth.commands.options import HERE, ConfigFile, Json, OnDask, OnDevice, Quiet, lead, show
from synthhealth.generators.protocol import EngineName


def check(*, config: ConfigFile = HERE, json: Json = False, quiet: Quiet = False) -> None:
    """Hold the tables against the schema; the answer stays inside."""
    from synthhealth import pipeline

    lead(pipeline.check, config, json=json, quiet=quiet)


def plan(
    *,
    config: ConfigFile = HERE,
    epsilon: Annotated[float | None, typer.Option(help="Try another epsilon than the config's.")] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Try another engine than the config's.")] = None,
    time: Annotated[bool, typer.Option("--time", help="Forecast seconds and memory, by trials (a minute).")] = False,
    records: Annotated[int | None, typer.Option(help="About how many a patient has, for --time.", min=0)] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What a fit would cost and promise, before any row is read; the data need not exist."""
    from synthhealth import pipeline
    from synthhealth.config import Config
    from synthhealth.progress import shown

    tried = Config.load(config).tried_with(epsilon=epsilon, engine=engine)
    with shown(silent=quiet) as progress:
        result = pipeline.plan(tried, timed=time, records=records, progress=progress)
    show(result, json=json)


def fit(
    *,
    config: ConfigFile = HERE,
    again: Annotated[bool, typer.Option("--again", help="Spend anew although there is a model.")] = False,
    device: OnDevice = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Spend the budget and write the model; under `torchrun`, all its processes take the private steps together."""
    from synthhealth import fitting
    from synthhealth.config import Config
    from synthhealth.progress import shown
    from synthhealth.together import assisted, leading

    if assisted():
        return
    with shown(silent=quiet) as progress, leading():
        result = fitting.fit(Config.load(config).on(device), again=again, progress=progress)
    show(result, json=json)


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
    dask: OnDask = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write synthetic patients; reads no rows and costs nothing."""
    from synthhealth import pipeline
    from synthhealth.cluster import cluster
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
    with shown(silent=quiet) as progress, cluster(dask):
        if to is None:
            result = pipeline.sample(settings, progress=progress)
        else:
            result = pipeline.draw(
                settings, to, patients=patients, where=extra, balance=balance, mix=shares, seed=seed, progress=progress
            )
    show(result, json=json)


def quality(*, config: ConfigFile = HERE, json: Json = False, quiet: Quiet = False) -> None:
    """Buy quality numbers that may leave, with `quality_epsilon` of the config."""
    from synthhealth import pipeline

    lead(pipeline.quality, config, json=json, quiet=quiet)


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
    lead(step, config, json=json, quiet=quiet)


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
    dask: OnDask = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try to find the real patients in what was sampled, with controls; the answer stays inside."""
    from synthhealth import pipeline
    from synthhealth.cluster import cluster

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
    with cluster(dask):
        lead(step, config, json=json, quiet=quiet)


def report(*, config: ConfigFile = HERE, json: Json = False, quiet: Quiet = False) -> None:
    """Both editions of the report, and the verdict against the policy."""
    from synthhealth import pipeline

    lead(pipeline.report, config, json=json, quiet=quiet)
