"""Patients as points: attributes and lab summaries on public scales, or on those of the attacker's own sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.patient_table import Feature, Floats, PatientTable, unit_scale
from privacy.cohort import Cohort
from privacy.randomness import public

Points = NDArray[np.float32]
WIDE = 64
_WIDE_AXES = 16
_LEAST_SPREAD = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """`points` [n, d] float32, and for each axis the position of the feature it comes from, `feature` [d].

    Privacy: internal only, when the rows are real.
    """

    points: Points
    feature: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Embedding:
        """The patients at `rows`."""
        return Embedding(points=self.points[rows], feature=self.feature)

    def axes(self, features: NDArray[np.integer]) -> Points:
        """The points on the axes of some features alone."""
        return self.points[:, np.isin(self.feature, features)]


def embed(cohort: Cohort) -> Embedding:
    """A cohort as points, by public facts alone (so the map itself knows no patient).

    Numbers lie on 0..1 by their public bounds. A code is one axis a level, scaled so that two
    different codes are 1 apart; above 64 levels it is a public random direction of 16 axes. A
    number that may be missing and each test carry a flag; what is missing lies at 0.

    Privacy: internal only, when the rows are real.
    """
    return embed_table(PatientTable.of(cohort))


def embed_table(table: PatientTable) -> Embedding:
    """The same from a patient table.

    Privacy: internal only, when the rows are real.
    """
    # filled in column by column: points are most of what an attack on a large cohort holds in memory
    width = [_axes_of(table.values[:0, place], feature).shape[1] for place, feature in enumerate(table.features)]
    stops = np.cumsum(width)
    points = np.empty((len(table), int(stops[-1])), dtype=np.float32)
    for place, feature in enumerate(table.features):
        points[:, stops[place] - width[place] : stops[place]] = _axes_of(table.values[:, place], feature)
    return Embedding(points=points, feature=np.repeat(np.arange(len(width)), width))


def _axes_of(values: Floats, feature: Feature) -> Floats:
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    if feature.kind == "code":
        return _code_axes(filled.astype(np.int64), known, feature)
    scaled = np.where(known, unit_scale(np.where(known, values, feature.low), feature), 0.0)
    if feature.summary == "count":
        return np.stack([scaled, np.where(filled > 0, 0.5, 0.0)], axis=1)
    if feature.part == "lab":
        return scaled[:, None]  # whether the test was done at all is told by its count
    return np.stack([scaled, np.where(known, 0.0, 0.5)], axis=1)


def _code_axes(codes: NDArray[np.int64], known: NDArray[np.bool_], feature: Feature) -> Floats:
    if feature.levels <= WIDE:
        table = np.eye(feature.levels) / np.sqrt(2)
    else:
        table = public(0, "embedding", feature.name).normal(size=(feature.levels, _WIDE_AXES))
        table /= np.sqrt(2) * np.linalg.norm(table, axis=1, keepdims=True)
    return np.where(known[:, None], table[codes], 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Weights [d] that bring the axes to a like spread; fitted on the attacker's own reference, never on members."""

    weights: NDArray[np.float32]

    @staticmethod
    def of(reference: Embedding) -> Metric:
        """Each axis divided by its spread among the reference patients.

        Axes that hardly move there count with a spread of 0.02, so that a rare code weighs
        much without drowning the rest.

        Privacy: internal only.
        """
        spread = reference.points.std(axis=0, dtype=np.float64)
        return Metric(weights=(1 / np.maximum(spread, _LEAST_SPREAD)).astype(np.float32))

    def __call__(self, embedding: Embedding) -> Embedding:
        """The same patients with the axes weighted."""
        return Embedding(points=embedding.points * self.weights, feature=embedding.feature)
