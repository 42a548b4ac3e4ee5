"""The command `benchmark`: finds the cohort, then lets the engines compete on it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.schema import Schema
from synthhealth.benchmark.scoreboard import DEFAULT, Contender, benchmark, read_others, write_train
from synthhealth.config import Config
from synthhealth.demo import CohortName
from synthhealth.generators.protocol import Progress
from synthhealth.results import Result

HOLDOUT = 0.3
DELTA = 1e-6
KNOWN: tuple[Contender, ...] = get_args(Contender)


def run_benchmark(
    *,
    cohort: CohortName | None,
    config: Path,
    engines: tuple[str, ...] | None,
    epsilons: tuple[float, ...],
    synthetic: tuple[str, ...],
    out: Path,
    train_to: Path | None,
    seed: int,
    progress: Progress,
) -> Result:
    """The scoreboard of an embedded cohort, or of the tables that a config names; or only the patients to learn from.

    Privacy: internal only; every figure is exact.
    """
    settings = None if cohort is not None else Config.load(config)
    people = _embedded(cohort) if settings is None else _own(settings)
    holdout = HOLDOUT if settings is None else settings.data.holdout
    others = read_others(synthetic)
    if train_to is not None:
        return write_train(people, train_to, holdout=holdout, seed=seed)
    return benchmark(
        people,
        engines=_engines(engines, others),
        epsilons=epsilons,
        others=others,
        out=out,
        holdout=holdout,
        delta=DELTA if settings is None or settings.budget.delta is None else settings.budget.delta,
        seed=seed,
        progress=progress,
    )


def _engines(asked: tuple[str, ...] | None, others: dict[str, str]) -> tuple[Contender, ...]:
    """The engines that were named; none beside folders, and four by default."""
    if asked is not None:
        unknown = [name for name in asked if name not in KNOWN]
        if unknown:
            raise ConfigError(
                refusal(
                    what="--engine",
                    must="name a contender",
                    got=", ".join(unknown),
                    fix=f"choose among {', '.join(KNOWN)}; another generator's files come with --synthetic",
                )
            )
        return tuple(name for name in KNOWN if name in asked)
    return () if others else DEFAULT


def _embedded(name: CohortName | None) -> Cohort:
    if name == "nafld":
        from synthhealth.cohorts.nafld import nafld

        tables = nafld()
        return Cohort.of(tables.schema, tables.patients, tables.labs)
    from synthhealth.demo import PATIENTS, SEED
    from synthhealth.generators.simulator import simulate

    return simulate(PATIENTS, SEED)


def _own(settings: Config) -> Cohort:
    data = settings.data
    return Cohort.read(Schema.load(data.schema_file), patients=data.patients, labs=data.labs)
