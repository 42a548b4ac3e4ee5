"""What real and synthetic patients look like side by side: values, courses over time, gaps, correlations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.features import column_numbers
from evaluation.fidelity.draws import Draws
from evaluation.fidelity.histograms import Floats
from privacy.cohort import Cohort
from privacy.schema import Category, Test

BINS, TIME_BINS, GAP_BINS, MOST_TESTS, MOST_VARIABLES, MOST_CODES = 24, 10, 16, 24, 16, 12
QUANTILES = (0.1, 0.5, 0.9)
LEAST = 20  # fewer records than these give no quantile
_EDGE = (0.005, 0.995)  # what a figure shows of a long tail
Row = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Shares of both sides in the same classes; `edges` has one more entry, `labels` names classes that are codes."""

    edges: Row
    real: Row
    synthetic: Row
    labels: tuple[str, ...] = ()
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The 10 %, 50 % and 90 % quantiles of the values over time, three rows a side; NaN is kept out by `None`."""

    time: Row
    real: tuple[tuple[float | None, ...], ...]
    synthetic: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPortrait:
    """One test: how its values, its course (none of codes) and the gaps between two of them are distributed."""

    test: str
    unit: str
    values: Histogram
    course: Course | None
    gaps: Histogram | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlations:
    """Rank correlations of the variables in which both sides differ most, both matrices [k, k]."""

    names: tuple[str, ...]
    real: tuple[tuple[float | None, ...], ...]
    synthetic: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """Everything the dashboard draws.

    Privacy: internal only; every number is exact.
    """

    time_unit: str
    tests: tuple[LabPortrait, ...]
    correlations: Correlations | None


def portrait(real: Cohort, synthetic: Cohort) -> Portrait:
    """Draw both cohorts in the same classes: the 24 most frequent tests, and the correlations that differ most.

    Privacy: internal only.
    """
    left, right = Draws.of(real), Draws.of(synthetic)
    number = np.bincount(left.test, minlength=left.tests) if left.tests else np.zeros(0)
    common = [int(place) for place in np.argsort(-number, kind="stable") if number[place] > 0][:MOST_TESTS]
    tests = tuple(_test(real, left, right, place) for place in common)
    return Portrait(time_unit=real.schema.time_unit, tests=tests, correlations=_correlations(real, synthetic))


def _test(real: Cohort, left: Draws, right: Draws, place: int) -> LabPortrait:
    name = list(real.schema.tests)[place]
    kind = real.schema.tests[name]
    sides = (_Records.of(left, place), _Records.of(right, place))
    return LabPortrait(
        test=name,
        unit=kind.unit,
        values=_values(kind, sides[0].value, sides[1].value),
        course=None if kind.codes else _course(real, sides),
        gaps=_gaps(real, sides[0].gap, sides[1].gap),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Records:
    """The records of one test: value and step of time [r], steps to the patient's next one [g]."""

    value: Floats
    step: Floats
    gap: Floats

    @staticmethod
    def of(draws: Draws, place: int) -> _Records:
        mine = np.flatnonzero(draws.test == place)
        order = mine[np.lexsort((draws.draw[mine], draws.owner[mine]))]
        step, owner = draws.draw_time[draws.draw[order]], draws.owner[order]
        same = owner[1:] == owner[:-1]
        return _Records(value=draws.value[order], step=step, gap=(step[1:] - step[:-1])[same])


def _values(kind: Test, real: Floats, synthetic: Floats) -> Histogram:
    if kind.codes:
        known = np.array(sorted(float(code) for code in kind.codes))[:MOST_CODES]
        edges = np.append(known - 0.5, known[-1] + 0.5)
        at = [np.array([(side == code).mean() if len(side) else 0.0 for code in known]) for side in (real, synthetic)]
        return Histogram(
            edges=_row(edges), real=_row(at[0]), synthetic=_row(at[1]), labels=tuple(f"{code:g}" for code in known)
        )
    log = kind.scale == "log"
    low, high = np.quantile(real, _EDGE)
    if log:
        low = max(low, kind.step / 2, 1e-12)
    high = max(high, low + kind.step)
    edges = np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)
    return _histogram(_between(edges, kind.step), real, synthetic, log=log)


def _gaps(cohort: Cohort, real: Floats, synthetic: Floats) -> Histogram | None:
    if len(real) < LEAST or len(synthetic) < LEAST:
        return None
    step = max(cohort.schema.time_precision, 1.0)
    high = max(float(np.quantile(np.concatenate([real, synthetic]), _EDGE[1])), 2.0)
    edges = _between(np.geomspace(1.0, high + 1.0, GAP_BINS + 1), 1.0)
    return _histogram(edges * step, real * step, synthetic * step, log=True)


def _between(edges: Floats, step: float) -> Floats:
    """Edges moved between the steps that values stand on, so that each class holds as many steps as it is wide."""
    moved = np.unique((np.rint(edges / step) - 0.5) * step)
    moved = moved[moved > 0] if edges[0] > 0 else moved
    return moved if len(moved) > 1 else np.array([moved[0], moved[0] + step])


def _histogram(edges: Floats, real: Floats, synthetic: Floats, *, log: bool) -> Histogram:
    """Shares by class; what lies beyond the ends is counted in the outer classes."""
    inside = [np.clip(side, edges[0], edges[-1]) for side in (real, synthetic)]
    shares = [np.histogram(side, edges)[0] / max(len(side), 1) for side in inside]
    return Histogram(edges=_row(edges), real=_row(shares[0]), synthetic=_row(shares[1]), log=log)


def _course(cohort: Cohort, sides: tuple[_Records, _Records]) -> Course | None:
    schema = cohort.schema
    start, step = schema.privacy_unit.window[0], max(schema.time_precision, 1.0)
    low, high = np.quantile(sides[0].step, (0.01, 0.99))
    if high <= low or len(sides[1].value) == 0:
        return None
    bins = int(min(TIME_BINS, high - low + 1))
    edges = np.linspace(low, high + 1, bins + 1)
    rows = tuple(_quantiles(side, edges) for side in sides)
    return Course(time=_row(start + step * (edges[1:] + edges[:-1]) / 2), real=rows[0], synthetic=rows[1])


def _quantiles(side: _Records, edges: Floats) -> tuple[tuple[float | None, ...], ...]:
    place = np.searchsorted(edges, side.step, side="right") - 1
    columns = []
    for index in range(len(edges) - 1):
        here = side.value[place == index]
        found = np.quantile(here, QUANTILES) if len(here) >= LEAST else np.full(len(QUANTILES), np.nan)
        columns.append(found)
    return _known(np.array(columns).T)


def _correlations(real: Cohort, synthetic: Cohort) -> Correlations | None:
    frames = [_variables(cohort).rank() for cohort in (real, synthetic)]
    if frames[0].shape[1] < 2:  # noqa: PLR2004  # a pair is two
        return None
    matrices = [frame.corr(min_periods=LEAST).to_numpy() for frame in frames]
    apart = np.nan_to_num(np.abs(matrices[0] - matrices[1])).sum(axis=1)
    chosen = np.sort(np.argsort(-apart, kind="stable")[:MOST_VARIABLES])
    names = tuple(str(frames[0].columns[place]) for place in chosen)
    cut = [_known(matrix[np.ix_(chosen, chosen)]) for matrix in matrices]
    return Correlations(names=names, real=cut[0], synthetic=cut[1])


def _variables(cohort: Cohort) -> pd.DataFrame:
    """Numbers, ordered codes and each patient's mean of each test, one row a patient."""
    schema = cohort.schema
    columns = {
        name: column_numbers(cohort, name)
        for name, kind in schema.columns.items()
        if not (isinstance(kind, Category) and kind.kind != "ordinal" and len(kind.levels) > 2)  # noqa: PLR2004  # two codes have an order
    }
    records, count = cohort.records, len(cohort)
    for place, name in enumerate(schema.tests):
        mine = records.test == place
        number = np.bincount(records.owner[mine], minlength=count)
        total = np.bincount(records.owner[mine], records.value[mine], minlength=count)
        columns[name] = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return pd.DataFrame(columns)


def _row(values: NDArray[np.floating]) -> Row:
    return tuple(round(float(value), 6) for value in values)


def _known(rows: Floats) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(round(float(v), 6) if np.isfinite(v) else None for v in row) for row in rows)
