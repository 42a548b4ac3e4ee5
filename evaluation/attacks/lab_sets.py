"""Lab-set aggregation: how much likelier each of a patient's records is under the synthetic than the reference labs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.membership import membership_reading
from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Stage
from evaluation.finding import Family, ThreatModel
from evaluation.fingerprints import Words, as_words, mixed, occurrences, result_words
from evaluation.patient_table import record_units
from privacy.cohort import Cohort

Floats = NDArray[np.float64]

_LEVELS = 60
_HOURS = 24
_MOST = 6.0
_TOP_SHARE = 0.2
_THREAT = ThreatModel(
    name="no box, with a reference sample",
    sees="the synthetic lab records",
    knows="all lab records of one real patient, and a sample of other patients of the same population",
    wants="to learn whether that patient was among those the generator learnt from",
)
_CITATION = (
    "Record scores aggregated by patient, after range membership inference (Tao and Shokri 2024, arXiv:2408.05131) "
    "and user-level attacks (arXiv:2602.07126)"
)


def _attack(test: str, title: str) -> Attack:
    return Attack(test=test, title=title, family=Family.MEMBERSHIP, threat=_THREAT, citation=_CITATION)


SUM = _attack("labs-sum", "A patient's lab records, evidence summed")
MEAN = _attack("labs-mean", "A patient's lab records, evidence averaged")
TRIMMED = _attack("labs-top", "A patient's lab records, the strongest fifth")


ATTACKS = (SUM, MEAN, TRIMMED)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The evidence of a patient's records summed, averaged, and averaged over its strongest fifth.

    Privacy: internal only.
    """
    owner, evidence = record_evidence(stage)
    n = len(stage.targets)
    count = np.bincount(owner, minlength=n)
    total = np.bincount(owner, weights=evidence, minlength=n).astype(np.float64)
    return (
        membership_reading(SUM, total, stage),
        membership_reading(MEAN, total / np.maximum(1, count), stage),
        membership_reading(TRIMMED, _strongest(owner, evidence, count), stage),
    )


def _strongest(owner: NDArray[np.int64], evidence: Floats, count: NDArray[np.int64]) -> Floats:
    """The mean of each patient's strongest fifth of records, 0 for a patient without any, [n]."""
    order = np.lexsort((-evidence, owner))
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    kept = np.ceil(_TOP_SHARE * count)
    top = order[rank < kept[owner[order]]]
    total = np.bincount(owner[top], weights=evidence[top], minlength=len(count))
    return np.asarray(total / np.maximum(1, kept), dtype=np.float64)


def record_evidence(stage: Stage) -> tuple[NDArray[np.int64], Floats]:
    """Owner and evidence of each record of the targets, [records] each.

    A record falls into a cell of each of four views: test, value and time as exact as the
    schema has them; the same coarsely; value alone; value and change since the last value of
    that test. If l synthetic records are expected in a cell of a view (by the reference), a
    member's own record makes it l + 1; the evidence of c seen there is the Poisson
    log-likelihood ratio c log(1 + 1/l) - 1, cut to +-6, and views add up.

    Raises NotMeasurableError when the schema has no tests or the targets no records.

    Privacy: internal only.
    """
    mine = _views(stage.targets.cohort)
    owner = stage.targets.cohort.records.owner.astype(np.int64)
    if len(owner) == 0 or len(stage.synthetic.cohort.records) == 0 or len(stage.reference.cohort.records) == 0:
        raise NotMeasurableError("there are no lab records to compare")
    evidence = np.zeros(len(owner))
    scale = len(stage.synthetic.cohort.records) / len(stage.reference.cohort.records)
    for words, theirs, known in zip(mine, _views(stage.synthetic.cohort), _views(stage.reference.cohort), strict=True):
        expected = (occurrences(words, known) + 0.5) * scale
        evidence += np.clip(occurrences(words, theirs) * np.log1p(1 / expected) - 1, -_MOST, _MOST)
    return owner, evidence


def _views(cohort: Cohort) -> tuple[Words, ...]:
    """The cell of each record in each view, [records] each."""
    records, window = cohort.records, cohort.schema.privacy_unit.window
    test = as_words(records.test.astype(np.float64))
    level = np.floor(record_units(cohort) * _LEVELS)
    coarse = mixed(test, as_words(level))
    hour = np.floor((records.time - window[0]) / (window[1] - window[0]) * _HOURS)
    exact = result_words(cohort)
    return (
        mixed(exact, as_words(records.time, cohort.schema.time_precision)),
        mixed(coarse, as_words(hour)),
        exact,
        mixed(coarse, as_words(_previous(cohort, level))),
    )


def _previous(cohort: Cohort, level: Floats) -> Floats:
    """The level of the record before, of the same test and patient; missing for a first record."""
    records = cohort.records
    order = np.lexsort((records.time, records.test, records.owner))
    same = (np.diff(records.owner[order]) == 0) & (np.diff(records.test[order]) == 0)
    before = np.full(len(level), np.nan)
    before[order[1:][same]] = level[order[:-1][same]]
    return before
