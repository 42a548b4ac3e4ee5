"""Schemas as strange as the rules allow, each with a small cohort that reaches the ends of every column and window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from schema_texts import (
    SEX,
    category,
    coded_lab,
    combinations,
    derived,
    derived_lab,
    implication,
    lab,
    number,
    order,
    schema_text,
)

from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.record_rules import over_time
from privacy.schema import Category, Number, Schema, Test

_MIXED = (number("age", 0, 100), SEX)
_LABS = (lab("Na", 100, 180), lab("CRP", 0, 500, 0.1, scale="log"), coded_lab("Dipstick", -1, 3, 7))


def _odd(*parts: str, cap: int = 30, window: tuple[float, float] = (0, 48), **more: Any) -> str:
    return schema_text("odd", *parts, size=40, cap=cap, window=window, **more)


ODD_SCHEMAS = {
    "no tests": _odd(*_MIXED),
    "one test": _odd(*_MIXED, lab("Na", 100, 180)),
    "one test of one code": _odd(*_MIXED, coded_lab("Dipstick", 4)),
    "a test of two values": _odd(*_MIXED, lab("Flag", 0, 1)),
    "coded tests alone": _odd(*_MIXED, coded_lab("A", 0, 1), coded_lab("B", 9, -2, 5)),
    "no numeric columns": _odd(category("ward", "a", "b", "c"), *_LABS),
    "one code and nothing else": _odd(category("only", 1)),
    "one code and labs": _odd(category("only", 1), *_LABS),
    "an outcome that may be missing": _odd(*_MIXED, category("died", 0, 1, missing=True), *_LABS, outcomes=["died"]),
    "end of follow-up": _odd(*_MIXED, number("stay", -20, 60, 0.5), *_LABS, window=(-12, 36), end_of_followup="stay"),
    "orders in a chain": _odd(
        *_MIXED,
        *(number(name, 0, 900, kind="date", missing=True) for name in ("x", "y", "z")),
        order("x", "y"),
        order("y", "z"),
        *_LABS,
    ),
    "codes that rule one another": _odd(
        *_MIXED,
        category("pregnant", 0, 1),
        category("diabetes", 0, 1, 2, kind="ordinal", other=True),
        number("insulin", 0, 100, 0.5, missing=True),
        category("site", "north", "south"),
        category("ward", "a", "b", "c", missing=True),
        category("bed", "wide", "cot"),
        implication({"sex": "M"}, then={"pregnant": 0}),
        implication({"diabetes": [0, "OTHER"]}, then_missing=["insulin"]),
        combinations(["ward", "site"], ["a", "north"], ["b", "south"], ["c", "south"]),
        implication({"site": "south", "pregnant": 1}, then={"bed": "wide"}),
        *_LABS,
    ),
    "tests that follow from others": _odd(
        *_MIXED,
        *_LABS,
        lab("Dose", 0, 90, 0.5, monotone="rising"),
        coded_lab("Stage", 3, 1, 7, monotone="falling"),
        derived_lab("Gap", "Na - 10 * Dose / (age < 60)", -200, 150, 0.1),
        derived_lab("Ratio", "CRP / (1 + (sex == 'F'))", 0, 500, 0.01),
    ),
    "a window of one step": _odd(*_MIXED, *_LABS, window=(0, 24), time_precision=24),
    "one record a patient": _odd(*_MIXED, *_LABS, cap=1),
    "a long window of short steps": _odd(
        *_MIXED, *_LABS, cap=50, window=(-30, 700), time_unit="days", time_precision=1 / 24
    ),
    "fine and wide grids": _odd(
        number("a.0 / b", -5000, 5000, 1e-4),
        number("cost", 0, 1e7, 0.25, scale="log", missing=True),
        derived("ratio", "cost / age", 0.01),
        number("age", 0, 1),
        category("grade", "i", "ii", "iii", "iv", kind="ordinal", other=True, missing=True),
        lab("weird name, 2", 0.001, 90_000, 0.001, scale="log"),
    ),
    "names twice": _odd(
        *_MIXED,
        number("CRP", 100, 180),
        number("n_draws", 0, 50, missing=True),
        *_LABS,
        lab("age", 0, 3, 0.5),
        lab("last_step", 0, 3, 0.5),
        outcomes=["CRP"],
    ),
    "bounds off the step": _odd(number("dose", 0.25, 1.96, 0.1), lab("Ratio", 0.25, 9.96, 0.1)),
    "many codes": _odd(category("icd", *range(120), other=True), *(category(f"d{place}", 0, 1) for place in range(6))),
}


def odd_cohort(name: str, n: int = 40, *, seed: int = 0, records: int = 6) -> Cohort:
    """`n` patients in the schema of that name with up to 2 x `records` records each, ends and missing cells too."""
    return cohort_in(Schema.parse(ODD_SCHEMAS[name]), n, seed=seed, records=records)


def cohort_in(schema: Schema, n: int, *, seed: int = 0, records: int = 6) -> Cohort:
    """`n` patients in any schema, every public rule kept."""
    rng = np.random.default_rng(seed)
    cells = {name: _drawn(column, n, rng) for name, column in schema.free_columns.items()}
    patients = patient_frame(schema, [f"p{place}" for place in range(n)], cells)
    many = rng.integers(0, 2 * records + 1, n) if schema.tests else np.zeros(n, dtype=np.int64)
    owner = np.repeat(np.arange(n), np.minimum(many, schema.privacy_unit.max_records))
    test = rng.integers(0, max(len(schema.tests), 1), len(owner))
    value = np.zeros(len(owner))
    for place, kind in enumerate(schema.tests.values()):
        mine = test == place
        value[mine] = _drawn(kind, int(mine.sum()), rng)
    times = schema.times
    time = times.cut(rng.choice([times.low, times.high], len(owner)))
    inside = rng.random(len(owner)) < 0.9
    time[inside] = times.cut(rng.uniform(times.low, times.high, int(inside.sum())))
    if schema.end_of_followup is not None:
        keep = time <= patients[schema.end_of_followup].to_numpy()[owner]
        owner, test, value, time = owner[keep], test[keep], value[keep], time[keep]
    records = Records.sorted(owner=owner, time=time, test=test, value=value)
    return Cohort(schema=schema, patients=patients, records=over_time(schema, records))


def _drawn(column: Category | Number | Test, n: int, rng: np.random.Generator) -> NDArray[np.number]:
    """`n` cells of a column: half of them crowd in the middle, some are its ends, some missing where that may be."""
    if isinstance(column, Category):
        return rng.integers(-1 if column.missing else 0, len(column.levels), n)
    if isinstance(column, Test) and column.codes:
        return rng.choice(np.array(column.codes, dtype=np.float64), n)
    grid = column.grid
    values = rng.uniform(grid.low, grid.high, n)
    middle = grid.low + (grid.high - grid.low) * rng.beta(8, 8, n)
    values = np.where(rng.random(n) < 0.5, middle, values)
    values = grid.snap(np.where(rng.random(n) < 0.15, rng.choice([grid.low, grid.high], n), values))
    missing = isinstance(column, Number) and column.missing
    return np.where(missing & (rng.random(n) < 0.2), np.nan, values)
