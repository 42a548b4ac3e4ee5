"""What the paid quality numbers ask of each patient: a code's share, or a column's or a test's mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.schema import Category, Number, Schema, Test

MOST_LEVELS = 6
DIFFERENCE = "synthetic minus holdout"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One number of each patient: whether `column` has the code at `level`, or else its mean between public bounds."""

    column: str
    title: str
    level: int = -1
    test: int = -1
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def answers(self, cohort: Cohort) -> tuple[Floats, Floats]:
        """Whether it applies, and the answer on [0, 1], both of shape [n]; nothing is known of others than the patient.

        Privacy: internal only.
        """
        if self.level >= 0:
            return (cohort.codes(self.column) == self.level).astype(np.float64), np.zeros(len(cohort))
        values = cohort.numbers(self.column) if self.test < 0 else _own_means(cohort, self)
        scaled = self.scaled(values) if self.test < 0 else values
        known = np.isfinite(scaled)
        return known.astype(np.float64), np.where(known, scaled, 0.0)

    def scaled(self, values: Floats) -> Floats:
        """Values between the public bounds as numbers in [0, 1], by logarithm where the schema says so."""
        inside = np.clip(values, self.low, self.high)
        if self.log:
            return np.asarray(np.log(inside / self.low) / math.log(self.high / self.low))
        return np.asarray((inside - self.low) / (self.high - self.low))

    def spoken(self, difference: float) -> float:
        """A difference on [0, 1] as people read it: points of a share, the column's own unit, or a factor."""
        if self.level >= 0:
            return 100.0 * difference
        if self.log:
            return math.exp(difference * math.log(self.high / self.low))
        return difference * (self.high - self.low)


def questions(schema: Schema) -> tuple[Question, ...]:
    """All questions, in the order of the schema; codes of columns with more than six are left out.

    Privacy: free; the schema is public.
    """
    asked: list[Question] = []
    for name, kind in schema.free_columns.items():
        if isinstance(kind, Number):
            asked.append(_mean(name, kind, -1))
        elif isinstance(kind, Category) and len(kind.levels) <= MOST_LEVELS:
            asked += [
                Question(
                    column=name,
                    level=place,
                    title=f"Share of {name} = {level}: {DIFFERENCE} (points of 100)",
                )
                for place, level in enumerate(kind.levels)
            ]
    asked += [_mean(name, kind, place) for place, (name, kind) in enumerate(schema.tests.items())]
    return tuple(asked)


def _mean(name: str, kind: Number | Test, test: int) -> Question:
    low, high = kind.bounds if isinstance(kind, Test) else (kind.low, kind.high)
    log = kind.scale == "log"
    low = max(low, kind.step / 2) if log else low
    whose = name if test < 0 else f"patients' own mean {name}"
    unit = f" ({kind.unit})" if kind.unit else ""
    what = f"Geometric mean of {whose}: synthetic over holdout" if log else f"Mean of {whose}: {DIFFERENCE}{unit}"
    return Question(column=name, title=what, test=test, low=low, high=max(high, low + kind.step), log=log)


def _own_means(cohort: Cohort, one: Question) -> Floats:
    """Each patient's own mean of a test on [0, 1], NaN where the patient never had it, shape [n]."""
    records, count = cohort.records, len(cohort)
    mine = records.test == one.test
    owner, value = records.owner[mine], one.scaled(records.value[mine])
    number = np.bincount(owner, minlength=count)
    total = np.bincount(owner, value, minlength=count)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
