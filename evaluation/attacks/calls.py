"""Calls attacks on a stage one after the other; one that crashes says so and stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Stage
from evaluation.attacks.verdict import Failure, Outcome
from evaluation.finding import Verdict

CRASHES = (ArithmeticError, ValueError, LookupError, MemoryError, np.linalg.LinAlgError)

Measure = Callable[[Stage], tuple[Reading, ...]]
Combine = Callable[[Sequence[Reading], Stage], tuple[Reading, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the suite: the attacks it answers for, and the function that measures them all on a stage."""

    attacks: tuple[Attack, ...]
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Attacks that work on the readings of the calls before them."""

    attacks: tuple[Attack, ...]
    combine: Combine


def outcomes_of(
    stage: Stage, calls: tuple[Call, ...], combinations: tuple[Combination, ...] = ()
) -> dict[str, Outcome]:
    """Every attack's outcome on one stage by the attack's name, combinations last.

    Privacy: internal only.
    """
    outcomes: dict[str, Outcome] = {}
    for call in calls:
        outcomes.update(_guarded(call, stage))
    readings = [one for one in outcomes.values() if isinstance(one, Reading)]
    for last in combinations:
        outcomes.update(_guarded(_bound(last, readings), stage))
    return outcomes


def _bound(combination: Combination, readings: Sequence[Reading]) -> Call:
    return Call(attacks=combination.attacks, measure=lambda stage: combination.combine(readings, stage))


def _guarded(call: Call, stage: Stage) -> dict[str, Outcome]:
    """The readings of one call; a crash is a reading of nothing, with its kind and its stage."""
    begin = time.perf_counter()
    try:
        readings = call.measure(stage)
    except NotMeasurableError as error:
        return _failed(call, Verdict.NOT_MEASURABLE, str(error))
    except CRASHES as error:
        # the text of a stranger's error may quote a cell, so only its kind is kept
        return _failed(call, Verdict.INCONCLUSIVE, f"{type(error).__name__} on stage {stage.name}")
    seconds = (time.perf_counter() - begin) / len(readings)
    return {one.attack.test: replace(one, seconds=seconds) for one in readings}


def _failed(call: Call, verdict: Verdict, reason: str) -> dict[str, Outcome]:
    return {one.test: Failure(attack=one, verdict=verdict, reason=reason) for one in call.attacks}
