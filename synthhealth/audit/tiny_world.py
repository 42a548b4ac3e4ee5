"""Two tiny worlds, with and without one extreme patient: many fits of each, and what happens in one of them only."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan, calibrate
from privacy.randomness import public
from privacy.schema import Category, Schema
from synthhealth.audit.profile_test import ALPHA, Claim, ProfileTest, profile_test
from synthhealth.engines import make_engine
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import Engine, EngineName, Model, Progress, quiet

Floats = NDArray[np.float64]
EPSILON, DELTA = 0.1, 1e-6  # so small that an event which one patient decides is out of the question
ORDINARY = 12
DRAWN = 40
EVENT_ALPHA = 1e-6
SEED = 0
STEPS = 5
SCHEMA = Schema.parse(
    """
name = "tiny"
cohort_size = 20
time_precision = 1
[privacy_unit]
max_records = 6
window = [0, 12]
[columns.age]
kind = "integer"
low = 0
high = 120
missing = true
[columns.sex]
kind = "categorical"
codes = ["F", "M"]
other = true
missing = true
[columns.weight]
kind = "continuous"
low = 30
high = 200
precision = 0.1
missing = true
[tests.Na]
unit = "mmol/L"
low = 100
high = 180
precision = 1
[tests.CRP]
low = 0.1
high = 500
precision = 0.1
scale = "log"
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Raw tables of one world, as a hospital would send them."""

    patients: pd.DataFrame
    labs: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that left one fit: `events` that happened, and `numbers` that were read off it, by name."""

    events: frozenset[str]
    numbers: tuple[tuple[str, float], ...]


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


def worlds(patient: str) -> tuple[Tables, Tables]:
    """The world without and the world with one more patient, a key of EXTREMES."""
    chance = public(SEED, "tiny world")
    age = chance.integers(40, 60, ORDINARY)
    sex = chance.choice(["F", "M"], ORDINARY)
    frame = pd.DataFrame(
        {"patient_id": [f"p{i}" for i in range(ORDINARY)], "age": age, "sex": sex, "weight": 70 + age / 10}
    )
    owner = np.repeat(np.arange(ORDINARY), 2)
    tests = np.where(np.arange(len(owner)) % 2 == 0, "Na", "CRP")
    labs = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in owner],
            "time": chance.integers(0, 6, len(owner)),
            "test": tests,
            "value": np.where(tests == "Na", 140, 5),
        }
    )
    row, records = EXTREMES[patient]
    more = Tables(
        patients=pd.concat([frame, row.assign(patient_id="extreme")], ignore_index=True),
        labs=pd.concat([labs, records.assign(patient_id="extreme")], ignore_index=True),
    )
    return Tables(patients=frame, labs=labs), more


_BEYOND = (
    pd.DataFrame({"age": ["1e30"], "sex": ["unheard of"], "weight": ["-1e30"]}),
    pd.DataFrame(
        {
            "time": np.arange(30) % 12,
            "test": ["Na", "CRP", "unheard of"] * 10,
            "value": ["1e30", "-1e30", "7"] * 10,
        }
    ),
)
_UNKNOWN = (
    pd.DataFrame({"age": [""], "sex": [""], "weight": [""]}),
    pd.DataFrame({"time": [""], "test": [""], "value": [""]}),
)
EXTREMES = {"beyond all bounds": _BEYOND, "nothing known": _UNKNOWN}


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


def observe(engine: Engine, plan: Plan, tables: Tables) -> Observation:
    """One run from raw tables to synthetic patients, and everything that it shows.

    Privacy: free; there is no real row.
    """
    told: list[str] = []
    with _overheard(told):
        try:
            ledger = Ledger(plan)
            cohort = Cohort.of(SCHEMA, tables.patients, tables.labs)
            model = engine.fit(Gate(cohort, ledger), lambda *line: told.append(f"line {line}"))
            drawn = model.sample(DRAWN, SEED)
        except Exception as error:  # noqa: BLE001  # that a run fails, and with which words, is itself an observation
            return Observation(events=frozenset([*told, f"failed with {type(error).__name__}: {error}"]), numbers=())
    account = {key: value for key, value in ledger.to_json().items() if key != "run_id"}
    return Observation(
        events=frozenset([*told, f"ledger {account}", *_of_model(model), *_of_drawn(drawn)]),
        numbers=tuple(sorted(_numbers(model, drawn))),
    )


@contextlib.contextmanager
def _overheard(told: list[str]) -> Iterator[None]:
    """Warnings, log lines and prints go to `told`."""
    log, printed = logging.StreamHandler(io.StringIO()), io.StringIO()
    logging.getLogger().addHandler(log)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                yield
            told.extend(f"warning {one.category.__name__}: {one.message}" for one in warned)
    finally:
        logging.getLogger().removeHandler(log)
        told.extend(f"log {line}" for line in log.stream.getvalue().splitlines())
        told.extend(f"printed {line}" for line in printed.getvalue().splitlines())


def _of_model(model: Model) -> Iterator[str]:
    state = model.state()
    yield f"meta {state.meta}"
    for name, array in state.arrays.items():
        yield f"array {name}: {array.dtype} {array.shape}"
        yield f"array {name}: {'all finite' if np.isfinite(array).all() else 'not finite'}"


def _of_drawn(drawn: Cohort) -> Iterator[str]:
    yield f"drawn {len(drawn)} patients in schema {drawn.schema.sha256}"
    for name, column in drawn.schema.free_columns.items():
        values = drawn.patients[name]
        yield f"column {name}: {values.dtype}"
        yield f"column {name}: {'some' if values.isna().any() else 'none'} missing"
        if isinstance(column, Category):
            yield f"column {name}: levels {list(values.cat.categories)}"
            yield from (f"column {name}: level {level}" for level in values.dropna().unique())
        else:
            yield f"column {name}: {'within' if _within(values, column.low, column.high) else 'beyond'} its bounds"
    for place, (name, test) in enumerate(drawn.schema.tests.items()):
        mine = drawn.records.value[drawn.records.test == place]
        yield f"test {name}: {'some' if len(mine) else 'no'} records"
        yield f"test {name}: {'within' if _within(pd.Series(mine), *test.bounds) else 'beyond'} its bounds"
    yield f"at most {drawn.records_per_patient().max()} records"


def _within(values: pd.Series, low: float, high: float) -> bool:
    known = values.dropna()
    return bool(((known >= low) & (known <= high)).all())


def _numbers(model: Model, drawn: Cohort) -> Iterator[tuple[str, float]]:
    for name, array in model.state().arrays.items():
        flat = np.nan_to_num(np.asarray(array, dtype=np.float64), posinf=0.0, neginf=0.0)
        yield f"array {name}: sum", float(flat.sum())
        yield f"array {name}: largest", float(flat.max(initial=-1e300))
    for name, column in drawn.schema.free_columns.items():
        yield f"column {name}: share missing", float(drawn.patients[name].isna().mean())
        if isinstance(column, Category):
            codes = drawn.codes(name)
            yield from ((f"column {name}: share of {k}", float((codes == k).mean())) for k in range(len(column.levels)))
        else:
            yield f"column {name}: mean", float(np.nan_to_num(np.nanmean(np.append(drawn.numbers(name), column.low))))
    yield "records", float(len(drawn.records))


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
