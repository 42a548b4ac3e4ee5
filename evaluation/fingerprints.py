"""Fingerprints of 64 bits: equal for equal patients, records and runs, so that copies are found by sorting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.schema import Category

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RUN = 3
_MISSING = np.uint64(1 << 63)  # as a signed number the lowest there is, which no value reaches


def mixed(words: Words, more: Words) -> Words:
    """`words` with `more` mixed in, shape [n]; the order of mixing matters (splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        word: Words = (words ^ more) + np.uint64(0x9E3779B97F4A7C15)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word ^= word >> np.uint64(31)
    return word


def as_words(values: Floats, step: float = 1.0) -> Words:
    """Numbers as words by their place on a grid of `step`; all missing values are one word."""
    places = np.rint(values / step)
    known = np.isfinite(places)
    return np.where(known, np.where(known, places, 0).astype(np.int64).view(np.uint64), _MISSING)


def occurrences(words: Words | Ints, among: Words | Ints) -> Floats:
    """How often each of `words` [n] occurs in `among` [m], [n]."""
    ordered = np.sort(among)
    upper, lower = (np.searchsorted(ordered, words, side=side) for side in ("right", "left"))
    return (upper - lower).astype(np.float64)


def value_steps(cohort: Cohort) -> Floats:
    """Each record's value in steps of its test, [records].

    Privacy: internal only, when the rows are real.
    """
    steps = np.array([test.step for test in cohort.schema.tests.values()])
    return cohort.records.value if len(steps) == 0 else cohort.records.value / steps[cohort.records.test]


def result_words(cohort: Cohort) -> Words:
    """A word for the test and the value of each record, [records].

    Privacy: internal only, when the rows are real.
    """
    return mixed(as_words(cohort.records.test.astype(np.float64)), as_words(value_steps(cohort)))


def patient_words(cohort: Cohort) -> Words:
    """A word for each patient's attributes and records together, [n]; names and derived columns play no part.

    Privacy: internal only, when the rows are real.
    """
    words = np.zeros(len(cohort), dtype=np.uint64)
    for name, column in cohort.schema.free_columns.items():
        if isinstance(column, Category):
            words = mixed(words, as_words(cohort.codes(name).astype(np.float64)))
        else:
            words = mixed(words, as_words(cohort.numbers(name), column.step))
    records = mixed(result_words(cohort), as_words(cohort.records.time, cohort.schema.time_precision))
    with np.errstate(over="ignore"):
        np.add.at(words, cohort.records.owner, records)  # a sum, so that ties in time may stand in any order
    return words


def run_words(cohort: Cohort) -> tuple[Ints, Words]:
    """Owner and word of each run of three consecutive records of a patient, [runs] each.

    A run is three times (test, value) and the two gaps in time between them; when in the
    patient's history it happened plays no part.

    Privacy: internal only, when the rows are real.
    """
    owner, time = cohort.records.owner.astype(np.int64), cohort.records.time
    first = np.flatnonzero(owner[RUN - 1 :] == owner[: 1 - RUN]) if len(owner) >= RUN else np.empty(0, dtype=np.int64)
    results = result_words(cohort)
    words = results[first]
    for step in range(1, RUN):
        gap = time[first + step] - time[first + step - 1]
        words = mixed(mixed(words, results[first + step]), as_words(gap, cohort.schema.time_precision))
    return owner[first], words
