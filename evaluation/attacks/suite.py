"""Runs every attack on the synthetic patients and on controls whose answer is known, and says what was found."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from evaluation.attacks import (
    attribute_inference,
    autoencoder,
    column_errors,
    distances,
    duplicates,
    inference,
    lab_sets,
    linkability,
    singling_out,
)
from evaluation.attacks.ensemble import ENSEMBLE, ensemble
from evaluation.attacks.ground import control_worlds, ground_of
from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Stage
from evaluation.attacks.verdict import Failure, Outcome, Trial, judge, unread
from evaluation.exhibit import Exhibit
from evaluation.finding import Finding, Verdict
from privacy.cohort import Cohort

LEAST_PATIENTS = 100

Progress = Callable[[str, int, int], None]
Measure = Callable[[Stage], tuple[Reading, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the suite: the attacks it answers for, and the function that measures them all on a stage."""

    attacks: tuple[Attack, ...]
    measure: Measure


QUICK = (
    Call(attacks=duplicates.PATIENTS, measure=duplicates.patients),
    Call(attacks=(duplicates.RUNS,), measure=duplicates.runs),
    Call(attacks=distances.ATTACKS, measure=distances.measure),
    Call(attacks=lab_sets.ATTACKS, measure=lab_sets.measure),
    Call(attacks=column_errors.ATTACKS, measure=column_errors.measure),
    Call(attacks=autoencoder.ATTACKS, measure=autoencoder.measure),
    Call(attacks=attribute_inference.ATTACKS, measure=attribute_inference.measure),
    Call(attacks=singling_out.ATTACKS, measure=singling_out.measure),
    Call(attacks=linkability.ATTACKS, measure=linkability.measure),
    Call(attacks=inference.ATTACKS, measure=inference.measure),
)


def attack(
    train: Cohort,
    holdout: Cohort,
    synthetic: Cohort,
    *,
    reference: Cohort | None = None,
    quick: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Finding, ...]:
    """Attack `synthetic` as if it had been learnt from `train`, with `holdout` as patients it cannot know.

    `reference` is the attacker's own sample of the same population; without one half of the
    holdout is taken. `seed` steers the evaluation alone. Returns one finding an attack, in
    the order of the suite. Raises CheckError when the cohorts are in different schemas.

    Privacy: internal only; every number is outside the guarantee.
    """
    exhibit = Exhibit.of(train, holdout, synthetic, reference=reference, key=f"split {seed}".encode())
    return examine(exhibit, QUICK, quick=quick, seed=seed, progress=progress)


def examine(
    exhibit: Exhibit, calls: tuple[Call, ...], *, quick: bool = True, seed: int = 0, progress: Progress | None = None
) -> tuple[Finding, ...]:
    """The attacks of `calls` and their ensemble on the exhibit and on every control.

    With fewer than 100 patients on any side every attack is NOT MEASURABLE.

    Privacy: internal only.
    """
    attacks = (*(one for call in calls for one in call.attacks), ENSEMBLE)
    sizes = {name: len(getattr(exhibit, name)) for name in ("train", "holdout", "reference", "synthetic")}
    small = [f"{name} has {size}" for name, size in sizes.items() if size < LEAST_PATIENTS]
    if small:
        reason = f"at least {LEAST_PATIENTS} patients are needed on each side; {', '.join(small)}"
        return tuple(unread(Failure(attack=one, verdict=Verdict.NOT_MEASURABLE, reason=reason)) for one in attacks)
    ground = ground_of(exhibit, quick=quick, seed=seed)
    worlds = control_worlds(ground)
    total = len(worlds) + 1
    outcomes = _outcomes(ground.stage("release", exhibit.synthetic), calls)
    trials = []
    for done, world in enumerate(worlds, 1):
        if progress is not None:
            progress(f"attack: {world.name}", done, total)
        trials.append(
            Trial(world=world, outcomes=_outcomes(ground.stage(world.name, world.planted, world.rows), calls))
        )
    if progress is not None:
        progress("attack", total, total)
    return judge(outcomes, tuple(trials))


def _outcomes(stage: Stage, calls: tuple[Call, ...]) -> dict[str, Outcome]:
    """Every attack's outcome on one stage, by name; the ensemble last."""
    outcomes: dict[str, Outcome] = {}
    for call in calls:
        outcomes.update(_guarded(call, stage))
    readings = [one for one in outcomes.values() if isinstance(one, Reading)]
    together = Call(attacks=(ENSEMBLE,), measure=lambda stage: ensemble(readings, stage))
    return {**outcomes, **_guarded(together, stage)}


def _guarded(call: Call, stage: Stage) -> dict[str, Outcome]:
    """The readings of one call; a crash is a reading of nothing, with its reason, and stops no other attack."""
    begin = time.perf_counter()
    try:
        readings = call.measure(stage)
    except NotMeasurableError as error:
        return _failed(call, Verdict.NOT_MEASURABLE, str(error))
    except (ArithmeticError, ValueError, LookupError, MemoryError, np.linalg.LinAlgError) as error:
        return _failed(call, Verdict.INCONCLUSIVE, f"{type(error).__name__} on stage {stage.name}")
    seconds = (time.perf_counter() - begin) / len(readings)
    return {one.attack.test: replace(one, seconds=seconds) for one in readings}


def _failed(call: Call, verdict: Verdict, reason: str) -> dict[str, Outcome]:
    return {one.test: Failure(attack=one, verdict=verdict, reason=reason) for one in call.attacks}
