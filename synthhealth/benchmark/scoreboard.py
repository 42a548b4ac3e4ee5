"""Fits each engine at each epsilon on the same patients, and holds everybody against the same holdout."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.benchmark_labs import lab_figures
from evaluation.benchmark_metrics import benchmark_figures
from privacy.budget import Budget
from privacy.cohort import Cohort, Records
from privacy.errors import ConfigError, refusal
from privacy.randomness import public
from synthhealth.benchmark.answer import FLOOR, Benchmarked, Line, figures_of
from synthhealth.benchmark.plot import draw_scoreboard
from synthhealth.generators.protocol import EngineName, Progress
from synthhealth.io.convert import read_source
from synthhealth.io.csv_files import write_csv
from synthhealth.job import UNSAFE_ENGINES
from synthhealth.output import write_whole
from synthhealth.results import Converted
from synthhealth.synthesizer import Synthesizer

Contender = Literal["independent", "marginal", "vae", "vae-dpsgd", "vae-nonprivate"]
DEFAULT: tuple[Contender, ...] = ("independent", "marginal", "vae", "vae-nonprivate")
NOT_PRIVATE: EngineName = "vae-nonprivate"
LEARNERS: tuple[EngineName, ...] = ("vae", "vae-dpsgd")


def benchmark(
    cohort: Cohort,
    *,
    engines: Sequence[Contender],
    epsilons: Sequence[float],
    others: Mapping[str, str],
    out: Path,
    holdout: float,
    delta: float,
    seed: int,
    progress: Progress,
) -> Benchmarked:
    """Every engine at every epsilon, and every folder of `others`, against the same holdout; `out` gets the files.

    A contender writes as many patients as are learnt from. `independent` is the engine marginal with
    each column, and each patient's records as a whole, dealt out anew: what single columns are worth
    alone. Models are thrown away, and nothing is charged to a population: no figure may leave.

    Raises ConfigError for no engine and no folder, DataError for a folder that breaks the schema's rules.

    Privacy: internal only; every figure is exact.
    """
    _check(engines, epsilons, others)
    train, held = split(cohort, holdout, seed)
    jobs = _jobs(engines, epsilons)
    stages = len(jobs) + len(others) + 1
    progress("benchmark", 0, stages)
    guests = {name: read_source(cohort.schema, source).cohort for name, source in others.items()}
    lines = [_floor(train, held)]
    for name, synthetic in guests.items():
        lines.append(_line(name, None, synthetic, train, held, private=True))
        progress("benchmark", len(lines), stages)
    for engine, epsilon, names in jobs:
        lines += _fitted(engine, epsilon, names, train, held, Budget(epsilon=epsilon, delta=delta), seed)
        progress("benchmark", min(len(lines), stages - 1), stages)
    progress("benchmark", stages, stages)
    result = Benchmarked(
        cohort=cohort.schema.name,
        train=len(train),
        holdout=len(held),
        delta=delta,
        seed=seed,
        lines=tuple(lines),
        files=(str(out / "benchmark.json"), str(out / "benchmark.svg")),
    )
    write_whole(out / "benchmark.json", result.model_dump_json(indent=2) + "\n")
    write_whole(out / "benchmark.svg", draw_scoreboard(result))
    return result


def split(cohort: Cohort, holdout: float, seed: int) -> tuple[Cohort, Cohort]:
    """Train and holdout of a benchmark: the same for the same seed, so that others can learn from the same patients.

    Privacy: internal only; whoever has the seed and the data knows who was held out.
    """
    return cohort.split(holdout, key=hashlib.sha256(f"benchmark {seed}".encode()).digest())


def write_train(cohort: Cohort, folder: Path, *, holdout: float, seed: int) -> Converted:
    """Write the patients that the engines learn from, for a generator in an environment of its own.

    Privacy: internal only; these are real rows.
    """
    train, _ = split(cohort, holdout, seed)
    files = write_csv(train, patients=folder / "patients.csv", labs=folder / "labs.csv")
    return Converted(
        form="csv, REAL rows",
        patients=len(train),
        records=len(train.records),
        files=tuple(str(file) for file in files),
        valid=None,
        notices=(),
    )


def _check(engines: Sequence[Contender], epsilons: Sequence[float], others: Mapping[str, str]) -> None:
    if not engines and not others:
        raise ConfigError(
            refusal(
                what="a benchmark", must="have a contender", got="none", fix="name an --engine or a --synthetic folder"
            )
        )
    if engines and not epsilons:
        raise ConfigError(refusal(what="a benchmark", must="have an epsilon", got="none", fix="add --epsilon 3"))


def _jobs(engines: Sequence[Contender], epsilons: Sequence[float]) -> list[tuple[EngineName, float, tuple[str, ...]]]:
    """One fit each: engine, epsilon, and the names of the contenders that come of it; independent shares a fit."""
    jobs: list[tuple[EngineName, float, tuple[str, ...]]] = []
    for epsilon in epsilons:
        baselines = tuple(name for name in ("independent", "marginal") if name in engines)
        if baselines:
            jobs.append(("marginal", epsilon, baselines))
        jobs += [(name, epsilon, (name,)) for name in LEARNERS if name in engines]
    if NOT_PRIVATE in engines:
        jobs.append((NOT_PRIVATE, max(epsilons), (NOT_PRIVATE,)))
    return jobs


def _fitted(
    engine: EngineName, epsilon: float, names: tuple[str, ...], train: Cohort, held: Cohort, budget: Budget, seed: int
) -> list[Line]:
    began = time.monotonic()
    synthesizer = Synthesizer(train.schema, budget=budget, cohort_size=len(train), engine=engine, seed=seed)
    synthesizer.fit(train)
    fitted = time.monotonic()
    synthetic = synthesizer.sample(len(train))
    seconds = (round(fitted - began, 1), round(time.monotonic() - fitted, 1))
    private = engine not in UNSAFE_ENGINES
    spent = epsilon if private else None
    cohorts = {"independent": lambda: dealt_anew(synthetic, seed)}
    return [
        _line(name, spent, cohorts.get(name, lambda: synthetic)(), train, held, private=private, seconds=seconds)
        for name in names
    ]


def _floor(train: Cohort, held: Cohort) -> Line:
    """What real patients give each other: no figure compares a cohort with itself.

    Distances to the training data are those of the holdout. Distances to the holdout, and both
    areas under the curve, are those of the training data.
    """
    labs = asdict(lab_figures(train, held))
    figures = figures_of(replace(benchmark_figures(train, held, train), **labs))
    return Line(
        name=FLOOR,
        epsilon=None,
        private=True,
        fit_seconds=None,
        sample_seconds=None,
        patients=len(held),
        figures=figures,
    )


def _line(
    name: str,
    epsilon: float | None,
    synthetic: Cohort,
    train: Cohort,
    held: Cohort,
    *,
    private: bool,
    seconds: tuple[float | None, float | None] = (None, None),
) -> Line:
    return Line(
        name=name,
        epsilon=epsilon,
        private=private,
        fit_seconds=seconds[0],
        sample_seconds=seconds[1],
        patients=len(synthetic),
        figures=figures_of(benchmark_figures(train, held, synthetic)),
    )


def dealt_anew(cohort: Cohort, seed: int) -> Cohort:
    """The same cells in each column, and the same histories of records, with no column knowing of another.

    The end of follow-up goes with the history that it ends.

    Privacy: free where the cohort is synthetic.
    """
    chance = public(seed, "benchmark", "independent")
    source = chance.permutation(len(cohort))  # whose history each patient gets
    patients = cohort.patients.copy()
    for name in cohort.schema.free_columns:
        dealt = source if name == cohort.schema.end_of_followup else chance.permutation(len(cohort))
        patients[name] = cohort.patients[name].array.take(dealt)
    fresh = Cohort.of(cohort.schema, patients)
    owner = np.argsort(source)[cohort.records.owner]
    records = cohort.records
    return Cohort(
        schema=cohort.schema,
        patients=fresh.patients,
        records=Records.sorted(owner=owner.astype(np.int32), time=records.time, test=records.test, value=records.value),
    )


def read_others(words: Sequence[str]) -> dict[str, str]:
    """`name=folder` as it is typed; raises ConfigError for anything else, or a name that stands twice."""
    pairs = [word.partition("=") for word in words]
    names = [name for name, _, _ in pairs]
    if any(not (name and folder) for name, _, folder in pairs) or len(set(names)) < len(names):
        raise ConfigError(
            refusal(
                what="--synthetic",
                must="read name=folder, each name once",
                got=json.dumps(list(words)),
                fix="try --synthetic ctgan=out/ctgan",
            )
        )
    return {name: folder for name, _, folder in pairs}
