"""The groups of patients that the schema asks to be looked at one by one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from evaluation.fidelity.histograms import Floats, quantile_edges
from privacy.cohort import Cohort
from privacy.schema import Category

MOST_LEVELS, QUARTERS, MOST_CROSSINGS = 12, 4, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroup:
    """Patients with one code of `column` (at place `level`), or with a number in [low, high)."""

    column: str
    label: str
    level: int = -1
    low: float = -np.inf
    high: float = np.inf

    def members(self, cohort: Cohort) -> NDArray[np.bool_]:
        """Which patients belong to it, shape [n]; those with the column missing do not.

        Privacy: internal only.
        """
        if self.level >= 0:
            return np.asarray(cohort.codes(self.column) == self.level)
        numbers = cohort.numbers(self.column)
        return np.asarray((numbers >= self.low) & (numbers < self.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Patients who belong to both groups, one of each column."""

    first: Subgroup
    second: Subgroup

    @property
    def label(self) -> str:
        """Both groups in words."""
        return f"{self.first.label}, {self.second.label}"

    def members(self, cohort: Cohort) -> NDArray[np.bool_]:
        """Which patients belong to it, shape [n].

        Privacy: internal only.
        """
        return self.first.members(cohort) & self.second.members(cohort)


Group = Subgroup | Crossing


def subgroups_of(train: Cohort) -> tuple[Group, ...]:
    """Each code (the twelve most frequent) or each quarter of the training data, for the columns the schema names.

    After them their crossings, two columns at a time: the 24 largest that hold any patient.

    Privacy: internal only; the quarters' borders are exact.
    """
    return (*(group for column in train.schema.subgroups for group in groups_of(train, column)), *crossings_of(train))


def crossings_of(train: Cohort) -> tuple[Crossing, ...]:
    """The largest crossings of two named columns' groups, in the order of the schema.

    Privacy: internal only.
    """
    found = [
        Crossing(first=one, second=other)
        for left, right in combinations(train.schema.subgroups, 2)
        for one in groups_of(train, left)
        for other in groups_of(train, right)
    ]
    size = np.array([int(crossing.members(train).sum()) for crossing in found], dtype=np.int64)
    largest = set(np.argsort(-size, kind="stable")[:MOST_CROSSINGS].tolist())
    return tuple(crossing for place, crossing in enumerate(found) if place in largest and size[place] > 0)


def groups_of(train: Cohort, column: str) -> tuple[Subgroup, ...]:
    """The groups of one column.

    Privacy: internal only.
    """
    kind = train.schema.columns[column]
    if isinstance(kind, Category):
        number = np.bincount(train.codes(column) + 1, minlength=len(kind.levels) + 1)[1:]
        frequent = np.sort(np.argsort(-number, kind="stable")[:MOST_LEVELS])
        return tuple(
            Subgroup(column=column, label=f"{column} = {kind.levels[place]}", level=int(place)) for place in frequent
        )
    edges = quantile_edges(train.numbers(column), QUARTERS)
    return _quarters(column, edges)


def balanced(cohort: Cohort, column: str, chance: np.random.Generator) -> Cohort:
    """As many patients of each group of `column` as the smallest group has, groups without any left out.

    Privacy: internal only when the rows are real; free for synthetic ones.
    """
    rows = [np.flatnonzero(group.members(cohort)) for group in groups_of(cohort, column)]
    rows = [mine for mine in rows if len(mine) > 0]
    size = min((len(mine) for mine in rows), default=0)
    picked = [chance.permutation(mine)[:size] for mine in rows]
    return cohort.take(np.sort(np.concatenate(picked)) if picked else np.empty(0, dtype=np.int64))


def _quarters(column: str, edges: Floats) -> tuple[Subgroup, ...]:
    """One group between each two edges; the outer ones are open."""
    if len(edges) <= 1:
        return ()
    inner = np.concatenate(([-np.inf], edges[1:-1], [np.inf]))
    labels = [f"{column} {low:g} to {high:g}" for low, high in pairwise(edges)]
    return tuple(
        Subgroup(column=column, label=label, low=float(low), high=float(high))
        for label, low, high in zip(labels, inner[:-1], inner[1:], strict=True)
    )
