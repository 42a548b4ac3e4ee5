"""Simulates one illness by its rules: every patient's own truth is known, and no real data stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from privacy.cohort import Cohort, Records
from privacy.errors import ConfigError, refusal
from privacy.patient_frame import patient_frame
from privacy.randomness import public
from privacy.schema import (
    Category,
    Derived,
    DerivedTest,
    Implication,
    Number,
    PrivacyUnit,
    Schema,
    Test,
)
from synthhealth.catalogue.entries import catalogue
from synthhealth.generators.scenarios import CASE_BY_DECADE, OWN, SCENARIOS, SEVERITY_SPREAD, Scenario, ScenarioName
from synthhealth.generators.simulator import BloodDraws, on_scale, wandering
from synthhealth.generators.simulator_truth import Analyte
from synthhealth.io.exchange import AGE_COLUMN, sex_column, sex_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.int64]
MAX_RECORDS = 400
YOUNGEST, OLDEST = 18, 100
WARD = "ward"
EGFR = (
    "142 * min(Creatinine / (0.9 - 0.2 * (sex == 'F')), 1) ** (-0.302 + 0.061 * (sex == 'F')) "
    "* max(Creatinine / (0.9 - 0.2 * (sex == 'F')), 1) ** -1.2 * 0.9938 ** age * (1 + 0.012 * (sex == 'F'))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """Ages, sexes, numbers of draws and wards [n] that simulated patients take over; `ward` is None without one."""

    age: Floats
    woman: Bools
    draws: Places
    ward: tuple[Category, Places] | None

    @staticmethod
    def of(cohort: Cohort) -> Seeds:
        """Those of a synthetic cohort, patient by patient.

        Raises ConfigError where it has no numeric column `age` or no column of sex with codes for both.

        Privacy: free where the cohort was drawn from a model that was paid for; never of real rows.
        """
        schema = cohort.schema
        sex, age = sex_column(schema), schema.columns.get(AGE_COLUMN)
        kind = None if sex is None else schema.columns[sex]
        if not isinstance(age, Number) or not isinstance(kind, Category) or sex is None:
            raise ConfigError(
                refusal(
                    what="the model that seeds a simulation",
                    must="have a numeric column 'age' and a category 'sex' or 'gender'",
                    got=f"a schema {schema.name!r} without one of them",
                    fix="simulate without a model, or fit one with these columns",
                )
            )
        meant = np.array([sex_of(level) == "female" for level in kind.levels] + [False])
        ages = cohort.numbers(AGE_COLUMN)
        ward = schema.columns.get(WARD)
        return Seeds(
            age=np.clip(np.where(np.isnan(ages), np.nanmedian(ages), ages), YOUNGEST, OLDEST),
            woman=meant[cohort.codes(sex)],
            draws=_draws_of(cohort),
            ward=(ward, cohort.codes(WARD)) if isinstance(ward, Category) else None,
        )


def scenario_schema(name: ScenarioName, *, cohort_size: int = 5000, ward: Category | None = None) -> Schema:
    """The public facts of a scenario; units, bounds and precisions of its tests are the catalogue's.

    `case`, `onset` and `severity` say what is true of a patient.

    Privacy: free; there is no real data.
    """
    scenario, entries = SCENARIOS[name], {entry.key: entry for entry in catalogue()}
    longest = scenario.followup[1]
    columns: dict[str, Category | Number | Derived] = {
        "age": Number(kind="integer", low=YOUNGEST, high=OLDEST, unit="years"),
        "sex": Category(kind="categorical", codes=("F", "M")),
        **({} if ward is None else {WARD: ward}),
        "followup": Number(kind="integer", low=1, high=longest, unit=scenario.time_unit),
        "case": Category(kind="categorical", codes=(0, 1), label="whether the patient falls ill: the truth"),
        "onset": Number(kind="integer", low=0, high=longest, unit=scenario.time_unit, missing=True),
        "severity": Number(kind="continuous", low=0.1, high=5, precision=0.1, missing=True),
        "died": Category(kind="categorical", codes=(0, 1)),
    }
    tests = {}
    for marker in scenario.markers:
        entry = entries[marker.key]
        tests[marker.name] = Test(
            unit=entry.unit,
            low=entry.low,
            high=entry.high,
            precision=entry.precision,
            scale=entry.scale,
            loinc=entry.loinc,
        )
    egfr = DerivedTest(formula=EGFR, low=1, high=250, precision=1, unit="mL/min/{1.73_m2}", loinc="98979-8")
    return Schema(
        name=f"simulated-{name}",
        description=f"{scenario.about}. Simulated; no real data",
        cohort_size=cohort_size,
        time_unit=scenario.time_unit,
        outcomes=("died", "case"),
        subgroups=("sex",),
        end_of_followup="followup",
        privacy_unit=PrivacyUnit(max_records=MAX_RECORDS, window=(0, longest + 1)),
        columns=columns,
        tests=tests,
        derived_tests={"eGFR": egfr} if scenario.egfr else {},
        constraints=(Implication(kind="implication", when={"case": (0,)}, then_missing=("onset", "severity")),),
    )


def simulate_scenario(
    name: ScenarioName, n: int, seed: int, *, cohort_size: int = 5000, seeds: Seeds | None = None
) -> Cohort:
    """`n` patients of a scenario with their labs, the same for the same `seed`.

    `seeds` gives each patient's age, sex, number of draws and, where it has one, ward; there must be
    `n` of them. Who falls ill, when, and what it does to the tests follows the scenario's rules.

    Raises ConfigError where `seeds` are of another number of patients.

    Privacy: free; there is no real data, and seeds are synthetic.
    """
    if seeds is not None and len(seeds.age) != n:
        raise ConfigError(
            refusal(what="seeds", must=f"be of {n} patients", got=f"{len(seeds.age)}", fix="sample as many")
        )
    scenario = SCENARIOS[name]
    schema = scenario_schema(name, cohort_size=cohort_size, ward=seeds.ward[0] if seeds and seeds.ward else None)
    patients = _Patients.drawn(scenario, n, public(seed, "scenario", name), seeds)
    records = _records(scenario, schema, patients, public(seed, "scenario", "labs"))
    cells: dict[str, NDArray[np.number]] = dict(patients.cells)
    if seeds is not None and seeds.ward is not None:
        cells[WARD] = seeds.ward[1]
    frame = patient_frame(schema, [f"S{number:07d}" for number in range(n)], cells)
    return Cohort(schema=schema, patients=frame, records=records)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patients:
    """Patients [n]: what is true of them, and how many draws they have over how long."""

    woman: Bools
    case: Bools
    onset: Floats
    severity: Floats
    followup: Floats
    draws: Places
    cells: Mapping[str, NDArray[np.number]]

    @staticmethod
    def drawn(scenario: Scenario, n: int, chance: np.random.Generator, seeds: Seeds | None) -> _Patients:
        """`n` patients; age, sex and number of draws are those of `seeds` where they are given."""
        age = np.clip(np.rint(chance.normal(*scenario.age, n)), YOUNGEST, OLDEST)
        woman = chance.random(n) < 0.5  # noqa: PLR2004  # half of mankind
        followup = np.rint(chance.uniform(*scenario.followup, n))
        draws = 1 + chance.poisson(followup / scenario.gap)
        if seeds is not None:
            age, woman, draws = seeds.age, seeds.woman, seeds.draws
        odds = np.log(scenario.share / (1 - scenario.share))
        case = chance.random(n) < expit(odds + CASE_BY_DECADE * (age - scenario.age[0]) / 10)
        onset = np.rint(np.minimum(chance.uniform(*scenario.onset, n), followup - 1))
        severity = np.clip(np.round(chance.lognormal(0, SEVERITY_SPREAD, n), 1), 0.1, 5.0)
        constant, slope = scenario.death
        died = chance.random(n) < expit(constant + slope * severity * case + 0.04 * (age - scenario.age[0]))
        return _Patients(
            woman=woman,
            case=case,
            onset=onset,
            severity=severity,
            followup=followup,
            draws=draws,
            cells={
                "age": age,
                "sex": (~woman).astype(np.int64),
                "followup": followup,
                "case": case.astype(np.int64),
                "onset": np.where(case, onset, np.nan),
                "severity": np.where(case, severity, np.nan),
                "died": died.astype(np.int64),
            },
        )


def course(scenario: Scenario, since: Floats) -> Floats:
    """How much of the illness [n] is there so long `since` [n] its onset: 0 before it, 1 at its height.

    Privacy: free; there is no real data.
    """
    rise, recovery = scenario.rise, scenario.recovery
    later = np.maximum(since, 0.0)
    built = 1 - np.exp(-later / rise)
    if recovery is None:
        return np.asarray(built)
    height = rise * np.log1p(recovery / rise)
    highest = (1 - np.exp(-height / rise)) * np.exp(-height / recovery)
    return np.asarray(built * np.exp(-later / recovery) / highest)


def _records(scenario: Scenario, schema: Schema, people: _Patients, chance: np.random.Generator) -> Records:
    owner = np.repeat(np.arange(len(people.draws)), people.draws)
    first = np.diff(owner, prepend=-1) > 0
    number = np.arange(len(owner)) - np.repeat(np.cumsum(people.draws) - people.draws, people.draws)
    # about evenly spread over the follow-up, the first draw at its beginning
    place = np.where(first, 0.0, (number + chance.uniform(-0.4, 0.4, len(owner))) / people.draws[owner])
    time = schema.times.cut(np.maximum(place, 0.0) * people.followup[owner])
    ill = np.where(people.case[owner], people.severity[owner] * course(scenario, time - people.onset[owner]), 0.0)
    draws = BloodDraws(owner=owner, time=time, first=first)
    moving = wandering(draws, chance, len(scenario.markers))
    stable = chance.standard_normal((len(people.draws), len(scenario.markers)))[owner]
    z = np.sqrt(OWN) * stable + np.sqrt(1 - OWN) * moving
    parts = []
    for column, (marker, test) in enumerate(zip(scenario.markers, schema.tests.values(), strict=True)):
        shift = marker.peak * ill + marker.women * people.woman[owner]
        analyte = Analyte(name=marker.name, low=marker.low, high=marker.high, panel="", log=test.scale == "log")
        done = chance.random(len(owner)) < np.where(ill > 0, marker.suspected, marker.done)
        value = test.grid.snap(on_scale(analyte, z[:, column] + shift))
        kind = np.full(int(done.sum()), column)
        parts.append(Records.sorted(owner=owner[done], time=time[done], test=kind, value=value[done]))
    return Records.joined(parts)


def _draws_of(cohort: Cohort) -> Places:
    """How many different times each patient has a record at, one at least, shape [n]."""
    owner, time = cohort.records.owner, cohort.records.time
    new = np.diff(owner, prepend=-1).astype(bool) | (np.diff(time, prepend=-np.inf) != 0)
    return np.maximum(np.bincount(owner[new], minlength=len(cohort)), 1).astype(np.int64)
