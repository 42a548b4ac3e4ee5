"""One row of numbers a patient for classifiers: attributes, and what the patient's labs amount to test by test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.fidelity.draws import Draws
from evaluation.fidelity.histograms import Floats
from privacy.cohort import Cohort
from privacy.schema import Category

Summary = Literal["mean", "last", "count", "low", "high", "slope"]
SUMMARIES: tuple[Summary, ...] = ("mean", "last", "count", "low", "high", "slope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A matrix `values` [n, p] with NaN for missing; `names` [p], and the column or test each `source` [p] is of."""

    names: tuple[str, ...]
    sources: tuple[str, ...]
    values: Floats

    def beside(self, other: Features) -> Features:
        """The columns of both, these first."""
        return Features(
            names=self.names + other.names,
            sources=self.sources + other.sources,
            values=np.column_stack([self.values, other.values]),
        )

    def without(self, sources: tuple[str, ...]) -> Features:
        """The columns that are not of `sources`."""
        return self.at([place for place, source in enumerate(self.sources) if source not in sources])

    def at(self, places: Sequence[int]) -> Features:
        """The columns at `places`."""
        return Features(
            names=tuple(self.names[place] for place in places),
            sources=tuple(self.sources[place] for place in places),
            values=self.values[:, list(places)],
        )


def attribute_features(cohort: Cohort, columns: tuple[str, ...]) -> Features:
    """Columns of the patients' table as numbers: a category by the place of its code, missing as NaN.

    Privacy: internal only.
    """
    rows = [column_numbers(cohort, column) for column in columns]
    values = np.column_stack(rows) if rows else np.empty((len(cohort), 0))
    return Features(names=columns, sources=columns, values=values)


def column_numbers(cohort: Cohort, column: str) -> Floats:
    """One column as numbers, NaN where missing, shape [n].

    Privacy: internal only.
    """
    if isinstance(cohort.schema.columns[column], Category):
        codes = cohort.codes(column).astype(np.float64)
        return np.where(codes < 0, np.nan, codes)
    return cohort.numbers(column)


def lab_features(
    cohort: Cohort, summaries: tuple[Summary, ...] = SUMMARIES, *, tests: Sequence[int] | None = None
) -> Features:
    """For each test (or those at the places `tests`) and each of `summaries` one column, NaN where never measured.

    Privacy: internal only.
    """
    known = tuple(cohort.schema.tests)
    places = range(len(known)) if tests is None else tests
    names = tuple(known[place] for place in places)
    table = [part[:, list(places)] for part in summarise(Draws.of(cohort), summaries)]
    return Features(
        names=tuple(f"{name} {summary}" for summary in summaries for name in names),
        sources=names * len(summaries),
        values=np.column_stack(table),
    )


def patient_features(cohort: Cohort, *, tests: Sequence[int] | None = None) -> Features:
    """All free columns, and all summaries of labs (of the tests at the places `tests`).

    Privacy: internal only.
    """
    return attribute_features(cohort, tuple(cohort.schema.free_columns)).beside(lab_features(cohort, tests=tests))


def summarise(draws: Draws, summaries: tuple[Summary, ...]) -> list[Floats]:
    """Each summary as a table [patients, tests], NaN where there is no record (a slope needs two times).

    `last` is the value of the latest draw; `slope` the least-squares change of value by step of time.
    """
    size = draws.patients * draws.tests
    key = draws.owner * draws.tests + draws.test
    number = np.bincount(key, minlength=size).astype(np.float64)
    absent = number == 0
    result = []
    for summary in summaries:
        flat = _summary(summary, draws, key, number)
        result.append(np.where(absent, np.nan, flat).reshape(draws.patients, draws.tests))
    return result


def _summary(summary: Summary, draws: Draws, key: np.ndarray, number: Floats) -> Floats:
    size = len(number)
    match summary:
        case "count":
            return number
        case "mean":
            return np.bincount(key, draws.value, minlength=size) / np.maximum(number, 1)
        case "last":
            last = np.zeros(size)
            last[key] = draws.value  # records are sorted by time, so the latest is written last
            return last
        case "low":
            low = np.full(size, np.inf)
            np.minimum.at(low, key, draws.value)
            return low
        case "high":
            high = np.full(size, -np.inf)
            np.maximum.at(high, key, draws.value)
            return high
        case "slope":
            return _slope(draws, key, number)


def _slope(draws: Draws, key: np.ndarray, number: Floats) -> Floats:
    size, some = len(number), np.maximum(number, 1)
    time = draws.draw_time[draws.draw]
    mean_time = np.bincount(key, time, minlength=size) / some
    mean_value = np.bincount(key, draws.value, minlength=size) / some
    late = time - mean_time[key]
    spread = np.bincount(key, late * late, minlength=size)
    together = np.bincount(key, late * (draws.value - mean_value[key]), minlength=size)
    return np.where(spread > 0, together / np.where(spread > 0, spread, 1.0), np.nan)
