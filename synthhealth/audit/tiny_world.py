"""Two tiny worlds, with and without one extreme patient: many fits of each, and what happens in one of them only."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from privacy.budget import Budget
from privacy.plan import Plan, calibrate
from synthhealth.audit.observation import Observation, observe
from synthhealth.audit.profile_test import ALPHA, Claim, ProfileTest, profile_test
from synthhealth.audit.tiny_tables import SCHEMA, SEED, worlds
from synthhealth.engines import make_engine
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import Engine, EngineName, Progress, quiet

Floats = NDArray[np.float64]
EPSILON, DELTA = 0.1, 1e-6  # so small that an event which one patient decides is out of the question
EVENT_ALPHA = 1e-6
STEPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWorldEvent:
    """Something that happened `times` in `runs` runs of one world and never in the other.

    `with_patient` tells which world; `chance` bounds the probability of that under the claim.
    """

    event: str
    with_patient: bool
    times: int
    runs: int
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What `runs` fits of each world showed.

    `suspects` are the events that the claim rules out; `events` counts all that were compared;
    `profile` is the test of the loudest number against the claim, None for too few runs.
    """

    engine: EngineName
    patient: str
    runs: int
    events: int
    suspects: tuple[OneWorldEvent, ...]
    loudest: str
    profile: ProfileTest | None

    @property
    def falsified(self) -> bool:
        """Whether the claim is false, but for chances of EVENT_ALPHA and of the profile's alpha."""
        return bool(self.suspects) or (self.profile is not None and self.profile.falsified)


def scan(
    name: EngineName, patient: str, *, runs: int, engine: Engine | None = None, progress: Progress = quiet
) -> Scan:
    """Fit each world `runs` times and compare what left; `engine` replaces the one of that name.

    Privacy: free; there is no real row.
    """
    engine = engine if engine is not None else tiny_engine(name)
    plan = calibrate(Budget(epsilon=EPSILON, delta=DELTA), engine.charges, cohort_size=SCHEMA.cohort_size)
    without, within = worlds(patient)
    seen: tuple[list[Observation], list[Observation]] = ([], [])
    for run in range(runs):
        progress(f"tiny worlds, {patient}", run, runs)
        for observations, tables in zip(seen, (without, within), strict=True):
            observations.append(observe(engine, plan, tables))
    progress(f"tiny worlds, {patient}", runs, runs)
    loudest, profile = _profile(*seen, Claim.of(plan.events, DELTA))
    return Scan(
        engine=name,
        patient=patient,
        runs=runs,
        events=len(frozenset().union(*(one.events for one in (*seen[0], *seen[1])))),
        suspects=suspects(*seen, plan),
        loudest=loudest,
        profile=profile,
    )


def tiny_engine(name: EngineName) -> Engine:
    """The engine as it ships, on the tiny schema; private steps are few, so that many fits take minutes.

    Privacy: free; reads no rows.
    """
    budget = Budget(epsilon=EPSILON, delta=DELTA)
    engine = make_engine(name, SCHEMA, budget, cohort_size=SCHEMA.cohort_size, seed=SEED)
    return replace(engine, recipe=replace(engine.recipe, steps=STEPS)) if isinstance(engine, DpsgdEngine) else engine


def suspects(without: list[Observation], within: list[Observation], plan: Plan) -> tuple[OneWorldEvent, ...]:
    """Events of one world only that the claim rules out, each with a chance below EVENT_ALPHA over all events.

    Privacy: free; there is no real row.
    """
    counts = [Counter(event for one in world for event in one.events) for world in (without, within)]
    names = sorted({*counts[0], *counts[1]})
    found = []
    for side, (here, there) in enumerate(((counts[0], counts[1]), (counts[1], counts[0]))):
        for name in names:
            if there[name] == 0 and here[name] > 0:
                chance = one_world_chance(here[name], len(without), plan.budget)
                found.append(
                    OneWorldEvent(
                        event=name, with_patient=side == 1, times=here[name], runs=len(without), chance=chance
                    )
                )
    return tuple(one for one in found if one.chance * 2 * len(names) < EVENT_ALPHA)


def one_world_chance(times: int, runs: int, claim: Budget) -> float:
    """The largest chance, under an (epsilon, delta) claim, of `times` or more in `runs` here and none in as many there.

    With p the event's probability there, that here is at most e^epsilon p + delta; the worst p is looked for.
    """

    def loss(p: float) -> float:
        here = min(1.0, math.exp(claim.epsilon) * p + claim.delta)
        return -float(binom.logsf(times - 1, runs, here)) - runs * math.log1p(-p)

    return math.exp(-float(minimize_scalar(loss, bounds=(0.0, 1.0 - 1e-9), method="bounded").fun))


def _profile(without: list[Observation], within: list[Observation], claim: Claim) -> tuple[str, ProfileTest | None]:
    """The number that parts the worlds best in the first third of the runs, tested on the others."""
    tables = [np.array([[value for _, value in one.numbers] for one in world]) for world in (without, within)]
    shapes = {len(one.numbers) for one in (*without, *within)}
    third = len(without) // 3
    if third < 2 or len(shapes) != 1 or shapes == {0}:  # noqa: PLR2004  # a spread needs two runs
        return "", None
    first = [table[:third] for table in tables]
    spread = np.sqrt(first[0].var(axis=0) + first[1].var(axis=0)) + 1e-12
    apart = (first[1].mean(axis=0) - first[0].mean(axis=0)) / spread
    best = int(np.argmax(np.abs(apart)))
    others, members = (np.sign(apart[best]) * table[third:, best] for table in tables)
    name = without[0].numbers[best][0]
    return name, profile_test(members, others, claim, alpha=ALPHA)
