"""Marginals: whose attributes are likelier under the synthetic patients' counts than under the attacker's own."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.membership import membership_reading
from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Side, Stage
from evaluation.finding import Family, ThreatModel
from evaluation.fingerprints import occurrences
from evaluation.patient_table import Feature

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FINE, _COARSE = 40, 10
_MOST_PAIRED = {True: 24, False: 60}
_THREAT = ThreatModel(
    name="no box, with a reference sample",
    sees="the synthetic patients, or no more than their counts",
    knows="the attributes of one real patient, and a sample of other patients of the same population",
    wants="to learn whether that patient was among those the generator learnt from",
)
_CITATION = "Homer et al. 2008, doi:10.1371/journal.pgen.1000167; Dwork et al. 2015, Robust Traceability"


def _attack(test: str, title: str) -> Attack:
    return Attack(test=test, title=title, family=Family.MEMBERSHIP, threat=_THREAT, citation=_CITATION)


SINGLE = _attack("marginals-1", "Counts of each attribute, traced back to patients")
PAIRED = _attack("marginals-2", "Counts of each pair of attributes, traced back to patients")
ATTACKS = (SINGLE, PAIRED)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The log-likelihood ratio of a patient's attributes, one by one in fine classes, and two by two in coarse ones.

    A generator that has learnt its patients' histograms too exactly lifts every one of their
    cells a little; over all cells of a patient that adds up, about as the square root of
    (cells / patients learnt from), whatever it does to nearest neighbours.

    Raises NotMeasurableError when the schema has no attributes.

    Privacy: internal only.
    """
    attributes = len(stage.targets.table.part("attribute"))
    if attributes == 0:
        raise NotMeasurableError("the schema has no attributes")
    few = min(attributes, _MOST_PAIRED[stage.quick])
    single = _evidence(stage, combinations(range(attributes), 1), _FINE)
    paired = _evidence(stage, combinations(range(few), min(2, few)), _COARSE)
    return membership_reading(SINGLE, single, stage), membership_reading(PAIRED, paired, stage)


def _evidence(stage: Stage, groups: Iterable[tuple[int, ...]], classes: int) -> Floats:
    """The sum over groups of attributes of log (share of the target's cell in synthetic / in reference), [targets]."""
    asked, ours, theirs = (_cells(side, stage, classes) for side in (stage.targets, stage.synthetic, stage.reference))
    wide = int(max(cells.max(initial=0) for cells in (asked, ours, theirs))) + 1
    total = np.zeros(len(asked))
    for group in groups:
        cell, here, there = (_joined(cells, group, wide) for cells in (asked, ours, theirs))
        total += np.log(occurrences(cell, here) + 1) - np.log(occurrences(cell, there) + 1)
    return total


def _joined(cells: Ints, group: tuple[int, ...], wide: int) -> Ints:
    """One number for the cells of a group of attributes, [n]."""
    one = cells[:, group[0]]
    for place in group[1:]:
        one = one * wide + cells[:, place]
    return one


def _cells(side: Side, stage: Stage, classes: int) -> Ints:
    """Cells of all attributes, [n, attributes]; borders are quantiles of the reference, 0 is missing."""
    features = side.table.features
    columns = [
        _cell(side.table.values[:, place], stage.reference.table.values[:, place], feature, classes)
        for place, feature in enumerate(features)
        if feature.part == "attribute"
    ]
    return np.stack(columns, axis=1)


def _cell(values: Floats, reference: Floats, feature: Feature, classes: int) -> Ints:
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    if feature.kind == "code":
        cell = filled.astype(np.int64)
    else:
        seen = reference[np.isfinite(reference)]
        borders = np.unique(np.quantile(seen, np.linspace(0, 1, classes + 1)[1:-1])) if len(seen) else np.empty(0)
        cell = np.searchsorted(borders, filled, side="right").astype(np.int64)
    return np.where(known, cell + 1, 0)
