"""A rule-based hospital: plausible patients with irregular labs, drawn from a seed and from no real data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.generators import simulator_truth as truth

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.int64]
_WARDS = ("Medical", "Surgical", "Cardiac", "Intensive")
_WARD_SHARES = (0.42, 0.28, 0.18, 0.12)
_WARD_AGE = np.array([64.0, 57.0, 68.0, 61.0])
_WARD_ILLNESS = np.array([0.1, -0.3, 0.0, 1.3])


@dataclass(frozen=True, slots=True, kw_only=True)
class _People:
    """Patients [n] with what is hidden behind them: illness, kidney and inflammation are in standard units."""

    age: Floats
    woman: Bools
    ward: Places
    illness: Floats
    kidney: Floats
    inflammation: Floats
    died: Bools
    stay: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodDraws:
    """Blood draws [m] by patient and time: whose, when (hours), and whether it is the patient's first."""

    owner: Places
    time: Floats
    first: Bools


def simulated_schema(cohort_size: int = 5000) -> Schema:
    """The public facts of the simulated hospital, for a cohort of about `cohort_size` patients.

    Privacy: free; there is no real data.
    """
    content = tomllib.loads(files(__package__).joinpath("simulated.toml").read_text(encoding="utf-8"))
    return Schema.model_validate(content | {"cohort_size": cohort_size})


def simulate(n: int, seed: int, *, cohort_size: int = 5000) -> Cohort:
    """`n` simulated patients with their labs, the same for the same `seed`.

    The sick are drawn more often, tests of a panel come together, values of one patient hang
    together over time and across tests, some tests are never done in some patients. What is
    true is written in `simulator_truth`. `cohort_size` is the public figure of the schema.

    Privacy: free; there is no real data.
    """
    schema = simulated_schema(cohort_size)
    people = _people(n, public(seed, "simulator", "people"))
    draws = _draws(people, public(seed, "simulator", "draws"))
    ordered = _ordered(people, draws, public(seed, "simulator", "panels"))
    values = _values(people, draws, public(seed, "simulator", "values"))
    place, test = np.nonzero(ordered)
    grids = [of.grid for of in schema.tests.values()]
    snapped = np.column_stack([grid.snap(values[:, column]) for column, grid in enumerate(grids)])
    records = Records.sorted(
        owner=draws.owner[place],
        time=schema.times.cut(draws.time)[place],
        test=test,
        value=snapped[place, test],
    )
    cells = _cells(people, public(seed, "simulator", "cells"))
    ids = [f"S{number:07d}" for number in range(n)]
    return Cohort(schema=schema, patients=patient_frame(schema, ids, cells), records=records)


def _people(n: int, chance: np.random.Generator) -> _People:
    ward = chance.choice(len(_WARDS), size=n, p=_WARD_SHARES)
    age = np.clip(np.rint(chance.normal(_WARD_AGE[ward], 16.0)), 18, 100)
    decades = (age - 60) / 10
    chronic = chance.random(n) < expit(-2.4 + 0.45 * decades)
    illness = _WARD_ILLNESS[ward] + 0.15 * decades + 0.5 * chronic + chance.normal(0, 0.9, n)
    constant, slope, by_age = truth.DEATH
    died = chance.random(n) < expit(constant + slope * illness + by_age * decades)
    stay = np.exp(np.log(80.0) + 0.25 * illness - 0.3 * died + chance.normal(0, 0.7, n))
    return _People(
        age=age,
        woman=chance.random(n) < truth.WOMEN,
        ward=ward,
        illness=illness,
        kidney=2.2 * chronic + 0.3 * illness + chance.normal(0, 0.5, n),
        inflammation=0.8 + 0.7 * illness + chance.normal(0, 1.0, n),
        died=died,
        stay=np.clip(np.floor(stay), 6, 335),
    )


def _cells(people: _People, chance: np.random.Generator) -> dict[str, NDArray[np.number]]:
    """What the table of patients shows of them; heights are missing more often in the very ill."""
    n = len(people.age)
    height = np.where(people.woman, chance.normal(164, 6.8, n), chance.normal(177, 7.4, n)) - 0.05 * (people.age - 50)
    bmi = np.maximum(np.exp(chance.normal(np.log(27.0) - 0.02 * np.abs(people.age - 55) / 10, 0.19, n)), 14.0)
    weight = bmi * (height / 100) ** 2
    smoked = chance.random(n) < expit(-0.2 - 0.5 * people.woman + 0.1 * (people.ward == _WARDS.index("Cardiac")))
    quit_it = chance.random(n) < expit(0.08 * (people.age - 52))
    unknown = chance.random(n) < expit(-2.2 + 0.4 * people.illness)
    return {
        "age": people.age,
        "sex": (~people.woman).astype(np.int64),
        "height": np.where(chance.random(n) < expit(-1.6 + 0.5 * people.illness), np.nan, height),
        "weight": np.where(chance.random(n) < expit(-2.3 + 0.3 * people.illness), np.nan, weight),
        "smoking": np.where(unknown, -1, np.where(smoked, np.where(quit_it, 1, 2), 0)),
        "kidney_disease": (people.kidney > truth.KNOWN_KIDNEY_DISEASE).astype(np.int64),
        "ward": people.ward,
        "triage": np.clip(np.rint(2.5 + people.illness + chance.normal(0, 0.6, n)), 1, 5).astype(np.int64) - 1,
        "stay_hours": people.stay,
        "died": people.died.astype(np.int64),
    }


def _draws(people: _People, chance: np.random.Generator) -> BloodDraws:
    """One draw at admission, one most mornings at six, and further ones at random, more of them in the sick."""
    n = len(people.stay)
    constant, slope = truth.EXTRA_DRAWS
    extra = chance.poisson(people.stay * np.exp(constant + slope * people.illness))
    at_random = np.repeat(np.arange(n), extra)
    to_first_morning = chance.uniform(2, 26, n)
    mornings = np.maximum(np.ceil((people.stay - to_first_morning) / 24), 0).astype(np.int64)
    in_morning = np.repeat(np.arange(n), mornings)
    day = np.arange(len(in_morning)) - np.repeat(np.cumsum(mornings) - mornings, mornings)
    done = chance.random(len(in_morning)) < truth.MORNING_DRAW
    owner = np.concatenate([np.arange(n), at_random, in_morning[done]])
    time = np.concatenate(
        [
            np.minimum(chance.exponential(1.5, n), people.stay - 1),
            chance.random(len(at_random)) * people.stay[at_random],
            (to_first_morning[in_morning] + 24 * day + chance.normal(0, 0.7, len(in_morning)))[done],
        ]
    )
    time = np.clip(time, 0, people.stay[owner])
    order = np.lexsort((time, owner))
    owner, time = owner[order], time[order]
    return BloodDraws(owner=owner, time=time, first=np.diff(owner, prepend=-1) > 0)


def _ordered(people: _People, draws: BloodDraws, chance: np.random.Generator) -> Bools:
    """Which tests are measured in which draw, shape [m, tests]: panels come together, a few tests of them are lost."""
    cardiac = people.ward == _WARDS.index("Cardiac")
    done = {}
    for panel in truth.PANELS:
        odds = panel.ever + panel.ever_shock * people.illness + panel.cardiac * cardiac
        ever = chance.random(len(cardiac)) < expit(odds)
        share = np.where(draws.first, panel.first, panel.later)
        done[panel.name] = (chance.random(len(draws.owner)) < share) & ever[draws.owner]
    kept = chance.random((len(draws.owner), len(truth.ANALYTES))) >= truth.LOST
    return np.column_stack([done[analyte.panel] for analyte in truth.ANALYTES]) & kept


def _values(people: _People, draws: BloodDraws, chance: np.random.Generator) -> Floats:
    """The value of every test at every draw, whether it was measured or not, shape [m, tests]."""
    n, count = len(people.age), len(truth.ANALYTES)
    shock = people.illness[draws.owner] * _course(people, draws)
    own = np.array([analyte.own for analyte in truth.ANALYTES])
    stable = chance.standard_normal((n, count)) * own
    moving = wandering(draws, chance, count + 1)
    # the last column wanders for all tests alike: it makes the values of one draw hang together
    shock = shock + np.where(people.died[draws.owner], _decline(people, draws), 0.0) + 0.4 * moving[:, -1]
    score = stable[draws.owner] + moving[:, :-1] * np.sqrt(1 - own**2)
    infarction = (people.ward == _WARDS.index("Cardiac")) & (chance.random(n) < truth.INFARCTION)
    columns = []
    for place, analyte in enumerate(truth.ANALYTES):
        z = score[:, place] + analyte.shock * shock + analyte.women * people.woman[draws.owner]
        z += analyte.kidney * people.kidney[draws.owner] + analyte.inflammation * people.inflammation[draws.owner]
        stray = chance.random(len(z)) < analyte.wide
        z += np.where(stray, chance.standard_t(2, len(z)), 0.0)
        if analyte.name == "TroponinT":
            z += truth.INFARCTION_RISE * infarction[draws.owner] * np.exp(-draws.time / truth.RECOVERY_HOURS)
        columns.append(on_scale(analyte, z))
    return np.column_stack(columns)


def on_scale(analyte: truth.Analyte, z: Floats) -> Floats:
    """Standard deviations [n] from the middle of the reference range as values [n] in the test's unit."""
    if analyte.name == "UrineProtein":
        return np.searchsorted(truth.DIPSTICK, z).astype(np.float64)
    low, high = (np.log(analyte.low), np.log(analyte.high)) if analyte.log else (analyte.low, analyte.high)
    value = (low + high) / 2 + z * (high - low) / 3.92  # 95 % of a normal distribution span 3.92 deviations
    return np.exp(value) if analyte.log else value


def _course(people: _People, draws: BloodDraws) -> Floats:
    """How much of the illness at admission is left at each draw, shape [m]."""
    living = ~people.died[draws.owner]
    return np.where(living, np.exp(-draws.time / truth.RECOVERY_HOURS), 1.0)


def _decline(people: _People, draws: BloodDraws) -> Floats:
    """What the dying add to their illness, growing with the square of the time gone, shape [m]."""
    return truth.DECLINE * (draws.time / people.stay[draws.owner]) ** 2


def wandering(draws: BloodDraws, chance: np.random.Generator, columns: int) -> Floats:
    """Standard normal deviations that forget themselves over time within a patient, shape [m, columns].

    An Ornstein-Uhlenbeck process seen at the draws; the loop is over a patient's k-th draw.
    """
    x = chance.standard_normal((len(draws.owner), columns))
    starts = np.flatnonzero(draws.first)
    counts = np.diff(np.append(starts, len(draws.owner)))
    memory = np.exp(-np.diff(draws.time, prepend=0.0).clip(0) / truth.MEMORY_HOURS)[:, None]
    fresh = np.sqrt(1 - memory**2)
    for k in range(1, int(counts.max(initial=1))):
        here = starts[counts > k] + k
        x[here] = memory[here] * x[here - 1] + fresh[here] * x[here]
    return x
