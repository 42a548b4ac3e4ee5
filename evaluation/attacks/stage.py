"""Where attacks take place: targets of known membership, the attacker's sample, and synthetic patients."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.embedding import Embedding, Metric, embed_table
from evaluation.neighbours import Neighbours, nearest
from evaluation.patient_table import PatientTable
from privacy.cohort import Cohort
from privacy.randomness import public
from privacy.schema import Category, Schema

NEAREST = 20
_GROUP_SHARE = 0.1

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A cohort in the three forms attacks read: rows, one row a patient, one point a patient.

    Privacy: internal only, when the rows are real.
    """

    cohort: Cohort
    table: PatientTable
    embedding: Embedding

    @staticmethod
    def of(cohort: Cohort, metric: Metric) -> Side:
        """The cohort with its table and its points in `metric`."""
        table = PatientTable.of(cohort)
        return Side(cohort=cohort, table=table, embedding=metric(embed_table(table)))

    def __len__(self) -> int:
        return len(self.cohort)

    def take(self, rows: Ints) -> Side:
        """The patients at `rows`."""
        return Side(cohort=self.cohort.take(rows), table=self.table.take(rows), embedding=self.embedding.take(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One world in which every attack is run once: the real one, or a control with a known answer.

    `targets` are the patients scored, `member` [n] says which of them the synthetic patients
    were learnt from, `stratum` [n] groups them by record count. `near` and `near_reference`
    hold their 20 nearest synthetic and reference patients. `outlier` and `rare` [n] mark the
    tenth farthest from the reference and the tenth with the rarest codes there.

    Privacy: internal only.
    """

    name: str
    targets: Side
    member: Mask
    stratum: Ints
    outlier: Mask
    rare: Mask
    reference: Side
    synthetic: Side
    near: Neighbours
    near_reference: Neighbours
    seed: int
    quick: bool
    seconds: float

    @property
    def schema(self) -> Schema:
        """The schema of all cohorts."""
        return self.targets.cohort.schema

    @property
    def others(self) -> Mask:
        """The non-members among the targets, [n]."""
        return ~self.member

    def rng(self, *names: str) -> np.random.Generator:
        """A stream of this evaluation, the same in every run with the same seed."""
        return public(self.seed, self.name, *names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The real side of every stage, prepared once: who is scored, against what sample, in which groups.

    Privacy: internal only.
    """

    targets: Side
    member: Mask
    stratum: Ints
    outlier: Mask
    rare: Mask
    reference: Side
    metric: Metric
    near_reference: Neighbours
    seed: int
    quick: bool

    def rng(self, *names: str) -> np.random.Generator:
        """A stream of this evaluation, the same in every run with the same seed."""
        return public(self.seed, *names)

    def stage(self, name: str, synthetic: Cohort, rows: Ints | None = None) -> Stage:
        """A stage with `synthetic` in the place of the generator's output; only targets at `rows` where given."""
        begin = time.perf_counter()
        mine = np.arange(len(self.targets)) if rows is None else rows
        targets = self.targets if rows is None else self.targets.take(rows)
        side = Side.of(synthetic, self.metric)
        return Stage(
            name=name,
            targets=targets,
            member=self.member[mine],
            stratum=self.stratum[mine],
            outlier=self.outlier[mine],
            rare=self.rare[mine],
            reference=self.reference,
            synthetic=side,
            near=nearest(targets.embedding.points, side.embedding.points, NEAREST),
            near_reference=self.near_reference.take(mine),
            seed=self.seed,
            quick=self.quick,
            seconds=time.perf_counter() - begin,
        )


def farthest(near_reference: Neighbours) -> Mask:
    """The tenth of the targets with the largest mean distance to their 5 nearest reference patients.

    Outliers are found against the reference, which knows no membership: against the members
    alone, being an outlier would itself tell who is one (Meeus et al., Achilles' Heels, 2023).

    Privacy: internal only.
    """
    return _top(near_reference.mean(5))


def rarest(targets: Side, reference: Side) -> Mask:
    """The tenth of the targets whose codes and sets of tests are the most surprising in the reference.

    Surprise is the sum of -log of the smoothed share of each code, and of each test done or
    not done, among the reference patients.

    Privacy: internal only.
    """
    surprise = np.zeros(len(targets))
    for place, feature in enumerate(targets.table.features):
        here, there = targets.table.values[:, place], reference.table.values[:, place]
        if isinstance(targets.cohort.schema.columns.get(feature.name), Category):
            levels = feature.levels + 1
        elif feature.summary == "count":
            here, there, levels = np.minimum(here, 1), np.minimum(there, 1), 2
        else:
            continue
        code, seen = (np.where(np.isfinite(column), column, levels - 1).astype(np.int64) for column in (here, there))
        share = (np.bincount(seen, minlength=levels) + 0.5) / (len(seen) + 0.5 * levels)
        surprise -= np.log(share[code])
    return _top(surprise)


def _top(values: Floats) -> Mask:
    """The tenth with the largest values; where many are equal, all that lie above the border."""
    border = np.quantile(values, 1 - _GROUP_SHARE)
    above = values > border
    return above if above.any() else values >= border
