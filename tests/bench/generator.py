"""Measures the engines on real and simulated patients, seed by seed, and prints medians; see `make bench-generator`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from unittest.mock import patch

import numpy as np
from bench.generator_cohorts import Split, icu_split, nafld_split, nafld_table_split, simulated_split, wide_figures
from bench.histograms import smoothing
from bench.sequences import sequence_figures
from numpy.typing import NDArray

from evaluation.benchmark_metrics import BenchmarkFigures, benchmark_figures
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import calibrate
from synthhealth.engines import make_engine
from synthhealth.generators import first_looks, marginal, teacher
from synthhealth.generators.events import panel_moments, panels, value_moments
from synthhealth.generators.events.values import ValueHead
from synthhealth.generators.protocol import EngineName, quiet
from synthhealth.generators.table import measure
from synthhealth.generators.table.features import Scores
from synthhealth.generators.vae import engine as vae
from synthhealth.generators.vae import episodes

SECTIONS = ("icu", "nafld", "nafld-table", "ablation", "size", "histograms")
JUDGED_BY_THE_HOLDOUT = ("tstr", "two_sample", "one_way", "two_way", "three_way")
SEEING_LEVELS = (panels, panel_moments, episodes)


def _without_summaries(scores: tuple[Scores, ...], columns: tuple[measure.Column, ...]) -> NDArray[np.float64]:
    """Pairs of attributes alone: what sums up a patient's draws, and the levels of tests, come as if by themselves."""
    attributes = [column.name for column in columns].index("n_draws")
    owner = np.repeat(np.arange(len(scores)), [score.count for score in scores])
    return np.asarray(measure.pair_weights(scores, columns) * np.multiply.outer(owner < attributes, owner < attributes))


ABLATIONS: dict[str, tuple[tuple[object, str, object], ...]] = {
    "as it is": (),
    "no latent": ((vae, "FIRST_LOADING", 0.0),),
    "no ties": ((vae, "TIES_PAY", np.inf),),
    "two panel steps": ((vae, "PANEL_STEPS", 2),),
    "no count first": ((vae, "match_panels", lambda heads, *_a, **_k: heads.panels),),
    "counts not matched again": ((vae, "REMATCH_ROUNDS", 0),),
    "counts of half the share": ((vae, "COUNT_SHARE", 0.03),),
    "steps of half the share": ((vae, "STEP_SHARE", 0.0075),),
    "steps of twice the share": ((vae, "STEP_SHARE", 0.03),),
    "no digits": ((first_looks, "with_digits", lambda _looks, book, **_k: book),),
    "two scores a column": ((measure, "MOST_DEGREE", 2),),
    "value clipping kept": ((marginal, "lost_to_clipping", lambda rows, _norm: np.zeros(rows.shape[1])),),
    "outcomes like the rest": ((measure, "OUTCOME_WEIGHT", 1.0),),
    "no summaries": ((teacher, "pair_weights", _without_summaries),),
    "level not seen by panels": tuple((place, "USUAL", np.zeros_like(panels.USUAL)) for place in SEEING_LEVELS),
    "tests not pooled": ((value_moments, "like_the_others", lambda head, _moments: ValueHead.blank(head.width)),),
    "raked to all values": ((value_moments, "_followed", lambda _contexts, values: np.ones(len(values))),),
}


def main() -> int:
    """Every section that was asked for; rows go to standard output as they come, medians after them."""
    asked = _asked()
    sections: dict[str, Callable[[], Iterator[dict[str, object]]]] = {
        "icu": lambda: _engines(icu_split(asked.icu), asked, benchmark),
        "nafld": lambda: _engines(nafld_split(), asked, _with_sequences),
        "nafld-table": lambda: _engines(nafld_table_split(), asked, wide_figures),
        "ablation": lambda: _ablations(_ablated(asked), asked),
        "size": lambda: _sizes(asked),
        "histograms": lambda: smoothing(asked.icu, asked.seeds),
    }
    for name in asked.sections:
        rows = []
        for row in sections[name]():
            print(json.dumps({"section": name, **row}), flush=True)
            rows.append(row)
        print(_medians(rows))
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="+", choices=SECTIONS)
    parser.add_argument("--icu", type=Path, help="folder with the two tables of PhysioNet 2012")
    parser.add_argument("--engines", nargs="+", default=["vae", "marginal"], choices=["vae", "marginal", "vae-dpsgd"])
    parser.add_argument("--epsilons", nargs="+", type=float, default=[1.0, 3.0, 8.0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[1_000, 5_000, 20_000])
    parser.add_argument(
        "--ablated", default="icu", choices=["icu", "nafld", "simulated"], help="patients of `ablation`"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(ABLATIONS), choices=list(ABLATIONS))
    return parser.parse_args()


def _ablated(asked: argparse.Namespace) -> Split:
    """The patients on whom parts are left out."""
    if asked.ablated == "icu":
        return icu_split(asked.icu)
    return nafld_split() if asked.ablated == "nafld" else simulated_split(asked.sizes[0])


def benchmark(split: Split, synthetic: Cohort) -> dict[str, float]:
    """The figures of `synthhealth benchmark`; asked of the holdout itself, those that real patients reach."""
    names = [field.name for field in fields(BenchmarkFigures)]
    found = benchmark_figures(split.train, split.holdout, synthetic)
    figures = {name: float(getattr(found, name)) for name in names}
    if synthetic is split.holdout:
        # what is measured against the holdout, the training patients must stand for
        found = benchmark_figures(split.train, split.holdout, split.train)
        figures |= {name: float(getattr(found, name)) for name in names if name in JUDGED_BY_THE_HOLDOUT}
    return figures


def _with_sequences(split: Split, synthetic: Cohort) -> dict[str, float]:
    return benchmark(split, synthetic) | sequence_figures(split, synthetic)


Measure = Callable[[Split, Cohort], dict[str, float]]


def _fitted(split: Split, engine: EngineName, epsilon: float, seed: int, measure_it: Measure) -> dict[str, object]:
    begin, clock = time.process_time(), time.monotonic()
    budget, size = Budget(epsilon=epsilon, delta=split.delta), split.cohort_size
    made = make_engine(engine, split.train.schema, budget, cohort_size=size, seed=seed)
    plan = calibrate(budget, made.charges, cohort_size=size)
    model = made.fit(Gate(split.train, Ledger(plan)), quiet)
    spent = {"cpu_seconds": time.process_time() - begin, "seconds": time.monotonic() - clock}
    figures = measure_it(split, model.sample(len(split.train), seed + 7))
    return {"engine": engine, "epsilon": epsilon, "seed": seed, **spent, **figures}


def _engines(split: Split, asked: argparse.Namespace, measure_it: Measure) -> Iterator[dict[str, object]]:
    yield {"engine": "real patients", "epsilon": 0.0, "seed": 0, **measure_it(split, split.holdout)}
    for epsilon in asked.epsilons:
        for engine in asked.engines:
            for seed in range(asked.seeds):
                yield _fitted(split, engine, epsilon, seed, measure_it)


def _ablations(split: Split, asked: argparse.Namespace) -> Iterator[dict[str, object]]:
    for name in asked.only:
        with ExitStack() as stack:
            for place, attribute, value in ABLATIONS[name]:
                stack.enter_context(patch.object(place, attribute, value))
            for epsilon in asked.epsilons:
                for seed in range(asked.seeds):
                    yield {**_fitted(split, "vae", epsilon, seed, benchmark), "engine": name}


def _sizes(asked: argparse.Namespace) -> Iterator[dict[str, object]]:
    for size in asked.sizes:
        split = simulated_split(size)
        for epsilon in asked.epsilons:
            for engine in asked.engines:
                for seed in range(asked.seeds):
                    yield {**_fitted(split, engine, epsilon, seed, benchmark), "engine": f"{engine}, {size:,} patients"}


def _medians(rows: list[dict[str, object]]) -> str:
    """Medians with the range of the seeds, a line an engine and epsilon."""
    groups: dict[tuple[str, float], list[dict[str, object]]] = {}
    for row in rows:
        groups.setdefault((str(row["engine"]), float(str(row["epsilon"]))), []).append(row)
    names = [name for name in rows[-1] if name not in ("engine", "epsilon", "seed", "seconds")]
    lines = [f"| engine | epsilon | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for (engine, epsilon), group in groups.items():
        cells = []
        for name in names:
            values = [float(str(row[name])) for row in group if name in row]
            digits = 0 if name == "cpu_seconds" else 3
            span = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
            cells.append(f"{np.median(values):.{digits}f}{span}" if values else "")
        lines.append(f"| {engine} | {epsilon:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
