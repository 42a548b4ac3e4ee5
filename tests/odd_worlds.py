"""Schemas as strange as the rules allow, each with a small cohort that reaches the ends of every column and window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.record_rules import over_time
from privacy.schema import Category, Number, Schema, Test

_HEAD = """
name = "odd"
cohort_size = 40
"""
_MIXED = """
[columns.age]
kind = "integer"
low = 0
high = 100
[columns.sex]
kind = "categorical"
codes = ["F", "M"]
missing = true
"""
_LABS = """
[tests.Na]
low = 100
high = 180
precision = 1
[tests.CRP]
low = 0
high = 500
precision = 0.1
scale = "log"
[tests.Dipstick]
codes = [-1, 3, 7]
"""


def _unit(window: str = "[0, 48]", cap: int = 30) -> str:
    return f"[privacy_unit]\nmax_records = {cap}\nwindow = {window}\n"


ODD_SCHEMAS = {
    "no tests": _HEAD + _unit() + _MIXED,
    "one test": _HEAD + _unit() + _MIXED + "[tests.Na]\nlow = 100\nhigh = 180\nprecision = 1\n",
    "one test of one code": _HEAD + _unit() + _MIXED + "[tests.Dipstick]\ncodes = [4]\n",
    "a test of two values": _HEAD + _unit() + _MIXED + "[tests.Flag]\nlow = 0\nhigh = 1\nprecision = 1\n",
    "coded tests alone": _HEAD + _unit() + _MIXED + "[tests.A]\ncodes = [0, 1]\n[tests.B]\ncodes = [9, -2, 5]\n",
    "no numeric columns": _HEAD + _unit() + '[columns.ward]\nkind = "categorical"\ncodes = ["a", "b", "c"]\n' + _LABS,
    "one code and nothing else": _HEAD + _unit() + '[columns.only]\nkind = "categorical"\ncodes = [1]\n',
    "one code and labs": _HEAD + _unit() + '[columns.only]\nkind = "categorical"\ncodes = [1]\n' + _LABS,
    "an outcome that may be missing": _HEAD
    + 'outcomes = ["died"]\n'
    + _unit()
    + _MIXED
    + '[columns.died]\nkind = "categorical"\ncodes = [0, 1]\nmissing = true\n'
    + _LABS,
    "end of follow-up": _HEAD
    + 'end_of_followup = "stay"\n'
    + _unit("[-12, 36]")
    + _MIXED
    + '[columns.stay]\nkind = "continuous"\nlow = -20\nhigh = 60\nprecision = 0.5\n'
    + _LABS,
    "orders in a chain": _HEAD
    + _unit()
    + _MIXED
    + "".join(f'[columns.{name}]\nkind = "date"\nlow = 0\nhigh = 900\nmissing = true\n' for name in ("x", "y", "z"))
    + '[[constraints]]\nkind = "order"\nbefore = "x"\nafter = "y"\n'
    + '[[constraints]]\nkind = "order"\nbefore = "y"\nafter = "z"\n'
    + _LABS,
    "codes that rule one another": _HEAD
    + _unit()
    + _MIXED
    + '[columns.pregnant]\nkind = "categorical"\ncodes = [0, 1]\n'
    + '[columns.diabetes]\nkind = "ordinal"\ncodes = [0, 1, 2]\nother = true\n'
    + '[columns.insulin]\nkind = "continuous"\nlow = 0\nhigh = 100\nprecision = 0.5\nmissing = true\n'
    + '[columns.site]\nkind = "categorical"\ncodes = ["north", "south"]\n'
    + '[columns.ward]\nkind = "categorical"\ncodes = ["a", "b", "c"]\nmissing = true\n'
    + '[columns.bed]\nkind = "categorical"\ncodes = ["wide", "cot"]\n'
    + '[[constraints]]\nkind = "implication"\nwhen = { sex = "M" }\nthen = { pregnant = 0 }\n'
    + '[[constraints]]\nkind = "implication"\nwhen = { diabetes = [0, "OTHER"] }\nthen_missing = ["insulin"]\n'
    + '[[constraints]]\nkind = "combinations"\ncolumns = ["ward", "site"]\n'
    + 'allowed = [["a", "north"], ["b", "south"], ["c", "south"]]\n'
    + '[[constraints]]\nkind = "implication"\nwhen = { site = "south", pregnant = 1 }\nthen = { bed = "wide" }\n'
    + _LABS,
    "tests that follow from others": _HEAD
    + _unit()
    + _MIXED
    + _LABS
    + '[tests.Dose]\nlow = 0\nhigh = 90\nprecision = 0.5\nmonotone = "rising"\n'
    + '[tests.Stage]\ncodes = [3, 1, 7]\nmonotone = "falling"\n'
    + '[derived_tests.Gap]\nformula = "Na - 10 * Dose / (age < 60)"\nlow = -200\nhigh = 150\nprecision = 0.1\n'
    + "[derived_tests.Ratio]\nformula = \"CRP / (1 + (sex == 'F'))\"\nlow = 0\nhigh = 500\nprecision = 0.01\n",
    "a window of one step": _HEAD + "time_precision = 24\n" + _unit("[0, 24]") + _MIXED + _LABS,
    "one record a patient": _HEAD + _unit(cap=1) + _MIXED + _LABS,
    "a long window of short steps": _HEAD
    + 'time_unit = "days"\ntime_precision = 0.041666666666666664\n'
    + _unit("[-30, 700]", cap=50)
    + _MIXED
    + _LABS,
    "fine and wide grids": _HEAD
    + _unit()
    + '[columns."a.0 / b"]\nkind = "continuous"\nlow = -5000\nhigh = 5000\nprecision = 1e-4\n'
    + '[columns.cost]\nkind = "continuous"\nlow = 0\nhigh = 1e7\nprecision = 0.25\nscale = "log"\nmissing = true\n'
    + '[columns.ratio]\nkind = "derived"\nformula = "cost / age"\nprecision = 0.01\n'
    + '[columns.age]\nkind = "integer"\nlow = 0\nhigh = 1\n'
    + '[columns.grade]\nkind = "ordinal"\ncodes = ["i", "ii", "iii", "iv"]\nother = true\nmissing = true\n'
    + '[tests."weird name, 2"]\nlow = 0.001\nhigh = 90000\nprecision = 0.001\nscale = "log"\n',
    "names twice": _HEAD
    + 'outcomes = ["CRP"]\n'
    + _unit()
    + _MIXED
    + '[columns.CRP]\nkind = "integer"\nlow = 100\nhigh = 180\n'
    + '[columns.n_draws]\nkind = "integer"\nlow = 0\nhigh = 50\nmissing = true\n'
    + _LABS
    + "[tests.age]\nlow = 0\nhigh = 3\nprecision = 0.5\n"
    + "[tests.last_step]\nlow = 0\nhigh = 3\nprecision = 0.5\n",
    "bounds off the step": _HEAD
    + _unit()
    + '[columns.dose]\nkind = "continuous"\nlow = 0.25\nhigh = 1.96\nprecision = 0.1\n'
    + "[tests.Ratio]\nlow = 0.25\nhigh = 9.96\nprecision = 0.1\n",
    "many codes": _HEAD
    + _unit()
    + f'[columns.icd]\nkind = "categorical"\ncodes = {list(range(120))}\nother = true\n'
    + "".join(f'[columns.d{i}]\nkind = "categorical"\ncodes = [0, 1]\n' for i in range(6)),
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
