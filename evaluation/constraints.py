"""Counts what the schema forbids in a cohort: 0 is the only number that will do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.finding import Estimate, Family, Finding, Interval, Verdict
from evaluation.intervals import clopper_pearson
from privacy.cohort import Cohort
from privacy.constraints import broken, derived, read_by, rounded
from privacy.schema import Category, Derived, Number

Mask = NDArray[np.bool_]
_STATED = {
    "order": ("order", "Columns in the wrong order"),
    "implication": ("implications", "Implications that do not hold"),
    "combinations": ("combinations", "Combinations that do not exist"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """How many of `items` things break one rule; `unit` says what a thing is."""

    rule: str
    title: str
    unit: str
    count: int
    items: int


def constraint_findings(train: Cohort, synthetic: Cohort) -> tuple[Finding, ...]:
    """One finding a rule of the schema: violations in the synthetic cohort, the training data beside them.

    Privacy: internal only.
    """
    return tuple(_finding(mine, real) for mine, real in zip(violations(synthetic), violations(train), strict=True))


def violations(cohort: Cohort) -> tuple[Broken, ...]:
    """All rules, counted on the whole cohort.

    Privacy: internal only, when the rows are real.
    """
    return (*_patient_rules(cohort), *_stated_rules(cohort), *_record_rules(cohort))


def _patient_rules(cohort: Cohort) -> tuple[Broken, ...]:
    columns = cohort.schema.columns
    numbers = {name: kind for name, kind in columns.items() if isinstance(kind, Number)}
    outside = [_outside(cohort.numbers(name), kind.low, kind.high) for name, kind in numbers.items()]
    off = [off_grid(cohort.numbers(name), kind.grid.snap(cohort.numbers(name))) for name, kind in numbers.items()]
    rough = [mask & ~beyond for mask, beyond in zip(off, outside, strict=True)]
    free = cohort.schema.free_columns
    absent = [cohort.patients[name].isna().to_numpy() for name, kind in free.items() if not kind.missing]
    twice = len(cohort) - cohort.patients["patient_id"].nunique()
    return (
        Broken(
            rule="identifiers",
            title="Patients with another's identifier",
            unit="patient",
            count=twice,
            items=len(cohort),
        ),
        _cells("bounds", "Attributes outside their bounds", "attribute", outside),
        _cells("precision", "Attributes off their precision", "attribute", rough),
        _cells("missing", "Missing where it may not be", "attribute", absent),
        _cells("codes", "Codes outside the schema", "attribute", _foreign_codes(cohort)),
        _cells("derived", "Derived columns that are not their formula", "attribute", _not_derived(cohort)),
    )


def _stated_rules(cohort: Cohort) -> tuple[Broken, ...]:
    """The constraints that the schema states, by kind."""
    schema = cohort.schema
    cells = cohort.cells({name for rule in schema.constraints for name in rule.names})
    return tuple(
        _cells(rule, title, "attribute", masks)
        for kind, (rule, title) in _STATED.items()
        if (masks := [broken(schema, one, cells) for one in schema.constraints if one.kind == kind])
    )


def _record_rules(cohort: Cohort) -> tuple[Broken, ...]:
    records, schema = cohort.records, cohort.schema
    known = (records.owner >= 0) & (records.owner < len(cohort))
    real_test = (records.test >= 0) & (records.test < len(schema.tests))
    start, end = schema.privacy_unit.window
    time = records.time
    surplus = np.bincount(records.owner[known], minlength=len(cohort)) > schema.privacy_unit.max_records
    outside, rough = _value_rules(cohort, real_test)
    return (
        _cells("orphans", "Records of no patient or no test", "record", [~(known & real_test)]),
        _cells("value bounds", "Values outside their bounds or codes", "record", [outside]),
        _cells("value precision", "Values off their precision", "record", [rough]),
        _cells("window", "Records outside the window", "record", [~((time >= start) & (time < end))]),
        _cells("time precision", "Times off their precision", "record", [off_grid(time, schema.times.cut(time))]),
        _cells("end of follow-up", "Records after the end of follow-up", "record", [_too_late(cohort, known)]),
        *_course_rules(cohort),
        *_derived_tests(cohort, known & real_test),
        _cells("cap", "Patients with more records than the cap", "patient", [surplus]),
    )


def _course_rules(cohort: Cohort) -> tuple[Broken, ...]:
    """Values that go against the direction of their test, patient by patient."""
    records, masks = cohort.records, []
    for place, kind in enumerate(cohort.schema.tests.values()):
        if kind.monotone:
            mine = np.flatnonzero(records.test == place)
            step = np.diff(records.value[mine]) * (1 if kind.monotone == "rising" else -1)
            masks.append(np.concatenate(([False], (step < 0) & (np.diff(records.owner[mine]) == 0)))[: len(mine)])
    return (_cells("course", "Values against the direction of their test", "record", masks),) if masks else ()


def _derived_tests(cohort: Cohort, known: Mask) -> tuple[Broken, ...]:
    """Draws in the table that is written whose derived results are not what their formulas give."""
    schema, masks = cohort.schema, []
    if not schema.derived_tests:
        return ()
    # by another way than they were made: the long table turned into one row a draw
    table = replace(cohort, records=cohort.records.keep(known)).labs
    draw = ["patient_id", "time"]
    draws = table.pivot_table(index=draw, columns="test", values="value", aggfunc="first", observed=True)
    row = pd.Index(cohort.ids).get_indexer(draws.index.get_level_values("patient_id"))
    cells = cohort.cells(schema.columns)
    for name, kind in schema.derived_tests.items():
        values = {parent: column[row] for parent, column in read_by(schema, kind.parsed, cells).items()}
        values |= {test: _of_draws(draws, test) for test in schema.tests if test in kind.parsed.names}
        have, right = _of_draws(draws, name), rounded(kind.parsed.evaluate(values), kind.precision)
        right[~((right >= kind.low) & (right <= kind.high))] = np.nan
        masks.append(~((have == right) | (np.isnan(have) & np.isnan(right))))
    return (_cells("derived tests", "Derived tests that are not their formula", "draw", masks),)


def _of_draws(draws: pd.DataFrame, test: str) -> NDArray[np.float64]:
    return draws[test].to_numpy(dtype=np.float64) if test in draws else np.full(len(draws), np.nan)


def _value_rules(cohort: Cohort, real_test: Mask) -> tuple[Mask, Mask]:
    """Records with a value outside bounds or codes, and records off the grid, both [r]."""
    records = cohort.records
    outside, rough = np.zeros(len(records), dtype=np.bool_), np.zeros(len(records), dtype=np.bool_)
    for place, kind in enumerate(cohort.schema.tests.values()):
        mine = np.flatnonzero(real_test & (records.test == place))
        value = records.value[mine]
        if kind.codes:
            outside[mine] = ~np.isin(value, kind.codes)
            continue
        low, high = kind.bounds
        outside[mine] = ~((value >= low) & (value <= high))
        rough[mine] = off_grid(value, kind.grid.snap(value)) & ~outside[mine]
    return outside, rough


def _too_late(cohort: Cohort, known: Mask) -> Mask:
    end = cohort.schema.end_of_followup
    if end is None:
        return np.zeros(len(known), dtype=np.bool_)
    last = cohort.numbers(end)
    return known & (cohort.records.time > last[np.where(known, cohort.records.owner, 0)])


def _not_derived(cohort: Cohort) -> list[Mask]:
    """Where a derived column is not exactly what its formula gives."""
    schema = cohort.schema
    formulas = [column.parsed for column in schema.derived_columns.values()]
    parents = {name for formula in formulas for name in (*formula.names, *(match.column for match in formula.matches))}
    right = derived(schema, cohort.cells(parents))
    pairs = [(cohort.numbers(name), right[name]) for name, kind in schema.columns.items() if isinstance(kind, Derived)]
    return [~((have == want) | (np.isnan(have) & np.isnan(want))) for have, want in pairs]


def _foreign_codes(cohort: Cohort) -> list[Mask]:
    kinds = {name: kind for name, kind in cohort.schema.columns.items() if isinstance(kind, Category)}
    cells = [(cohort.patients[name], [str(level) for level in kind.levels]) for name, kind in kinds.items()]
    return [(column.notna() & ~column.astype(str).isin(levels)).to_numpy(dtype=np.bool_) for column, levels in cells]


def off_grid(values: NDArray[np.float64], snapped: NDArray[np.float64]) -> Mask:
    """Known values that are not exactly the grid value nearest to them."""
    near = np.abs(values - snapped) <= np.abs(snapped) * np.finfo(np.float64).eps
    return np.isfinite(values) & ~near


def _outside(values: NDArray[np.float64], low: float, high: float) -> Mask:
    return ~np.isnan(values) & ~((values >= low) & (values <= high))


def _cells(rule: str, title: str, unit: str, masks: list[Mask]) -> Broken:
    count, items = sum(int(mask.sum()) for mask in masks), sum(len(mask) for mask in masks)
    return Broken(rule=rule, title=title, unit=unit, count=count, items=items)


def _share(mine: Broken) -> Estimate:
    if mine.items == 0:
        return Estimate(name="share", value=None, note="the schema has nothing of the kind")
    interval = clopper_pearson(mine.count, mine.items)
    return Estimate(
        name="share", value=mine.count / mine.items, interval=interval, note="for further output of the generator"
    )


def _finding(mine: Broken, real: Broken) -> Finding:
    counted = Interval(low=mine.count, high=mine.count, level=1.0, method="counted, not sampled")
    return Finding(
        family=Family.CONSTRAINTS,
        test=mine.rule,
        title=mine.title,
        headline=Estimate(name="violations", value=float(mine.count), interval=counted),
        verdict=Verdict.MEASURED,
        unit=mine.unit,
        n=mine.items,
        others=(_share(mine),),
        baseline=Estimate(name="violations in the training data", value=float(real.count)),
        detection_limit="every item is looked at",
    )
