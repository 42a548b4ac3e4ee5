"""How long the attacks take and how much memory they need, on simulated patients."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from threadpoolctl import threadpool_limits

from evaluation.attacks import distances
from evaluation.attacks.ground import prepared
from evaluation.attacks.planted import joined
from evaluation.attacks.stage import Side
from evaluation.attacks.suite import attack
from evaluation.embedding import Metric, embed
from evaluation.exhibit import Exhibit
from privacy.budget import Budget
from privacy.cohort import Cohort
from synthhealth.generators.simulator import simulate
from synthhealth.synthesizer import Synthesizer

TRAIN, HOLDOUT, MANY = 10_000, 3_000, 100_000
MINUTES = {"near": 10 / 60, "quick": 3.0, "full": 30.0, "large": 20.0}
GIGABYTES = {"near": 4.0, "quick": 4.0, "full": 4.0, "large": 6.0}


def pace(names: list[str], threads: int) -> bool:
    """A line for each bar, run in this order: the peak of memory is that of the process so far."""
    print("| what | threads | seconds | of processor | peak GB | within the bar |\n|---|---|---|---|---|---|")
    met = True
    for name in sorted(names, key=list(MINUTES).index):
        size = MANY if name == "large" else TRAIN
        exhibit = _exhibit(size, size * HOLDOUT // TRAIN)
        began, used = time.monotonic(), time.process_time()
        with threadpool_limits(limits=threads):
            _RUNS[name](exhibit)
        wall, worked = time.monotonic() - began, time.process_time() - used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        within = wall <= 60 * MINUTES[name] and peak <= GIGABYTES[name]
        met = met and within
        print(
            f"| {name} | {threads} | {wall:.1f} | {worked:.1f} | {peak:.2f} | {'yes' if within else 'NO'} |", flush=True
        )
    return met


def _exhibit(size: int, holdout: int) -> Exhibit:
    train, other, made = (simulate(n, seed, cohort_size=size) for n, seed in ((size, 1), (holdout, 2), (size, 3)))
    return Exhibit.of(train, other, made, key=b"pace")


def near(exhibit: Exhibit) -> None:
    """The nearest-neighbour family on all patients, from rows to findings."""
    metric = Metric.of(embed(exhibit.reference))
    targets = Side.of(joined(exhibit.train, exhibit.holdout), metric)
    member = targets.cohort.records_per_patient() >= 0
    member[len(exhibit.train) :] = False
    ground = prepared(targets, member, Side.of(exhibit.reference, metric), metric, quick=True, seed=0)
    distances.measure(ground.stage("release", exhibit.synthetic))


def _quick(exhibit: Exhibit) -> None:
    attack(exhibit.train, exhibit.holdout, exhibit.synthetic, reference=exhibit.reference)


def _full(exhibit: Exhibit) -> None:
    attack(
        exhibit.train,
        exhibit.holdout,
        exhibit.synthetic,
        reference=exhibit.reference,
        quick=False,
        train_shadow=_shadow,
    )


def _shadow(cohort: Cohort, seed: int) -> Cohort:
    """The default engine at epsilon 3, and as many patients as the release has."""
    shadow = Synthesizer(cohort.schema, budget=Budget(epsilon=3, delta=1e-6), cohort_size=len(cohort), seed=seed)
    shadow.fit(cohort)
    return shadow.sample(TRAIN)


_RUNS: dict[str, Callable[[Exhibit], None]] = {"near": near, "quick": _quick, "full": _full, "large": near}
