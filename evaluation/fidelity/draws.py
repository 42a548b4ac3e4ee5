"""Draws: the lab records of one patient in one step of time, real and synthetic read alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.fidelity.histograms import Floats, Ints
from privacy.cohort import Cohort


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Records with times cut down to whole steps, one record a patient, step and test (the first).

    `owner`, `test`, `value`, `draw` have shape [r], sorted by patient, time and test; `draw_owner`
    and `draw_time` [d] describe each draw. `patients` and `tests` are the numbers of both.
    """

    owner: Ints
    test: Ints
    value: Floats
    draw: Ints
    draw_owner: Ints
    draw_time: Floats
    patients: int
    tests: int

    @staticmethod
    def of(cohort: Cohort) -> Draws:
        """Read a cohort's records; values are clipped to the public bounds, a step is one unit of time or more.

        Privacy: internal only.
        """
        records, schema = cohort.records, cohort.schema
        start, end = schema.privacy_unit.window
        step = max(schema.time_precision, 1.0)
        last = max(np.ceil((end - start) / step) - 1, 0)
        time = np.clip(np.floor((records.time - start) / step), 0, last).astype(np.int64)
        owner, test = records.owner.astype(np.int64), records.test.astype(np.int64)
        order = np.lexsort((test, time, owner))
        owner, time, test = owner[order], time[order], test[order]
        value = bounded_values(cohort)[order]
        fresh = _changes(owner, time, test)
        owner, time, test, value = owner[fresh], time[fresh], test[fresh], value[fresh]
        starts = _changes(owner, time)
        return Draws(
            owner=owner,
            test=test,
            value=value,
            draw=np.cumsum(starts) - 1,
            draw_owner=owner[starts],
            draw_time=time[starts].astype(np.float64),
            patients=len(cohort),
            tests=len(schema.tests),
        )

    def by_test(self) -> NDArray[np.int64]:
        """The order of the records by patient, test and time, shape [r]."""
        return np.lexsort((self.draw, self.test, self.owner))

    def followers(self) -> tuple[Ints, Ints]:
        """Positions of each record that has a successor of the same patient and test, and of that successor."""
        order = self.by_test()
        owner, test = self.owner[order], self.test[order]
        same = (owner[1:] == owner[:-1]) & (test[1:] == test[:-1])
        return order[:-1][same], order[1:][same]

    def records_per_patient(self) -> Ints:
        """Records of each patient, shape [patients]."""
        return np.bincount(self.owner, minlength=self.patients)

    def draws_per_patient(self) -> Ints:
        """Draws of each patient, shape [patients]."""
        return np.bincount(self.draw_owner, minlength=self.patients)


def bounded_values(cohort: Cohort) -> Floats:
    """The values of the records, clipped to the public bounds of their tests, shape [r].

    Privacy: internal only.
    """
    tests = list(cohort.schema.tests.values())
    if not tests:
        return np.empty(0, dtype=np.float64)
    bounds = np.array([test.bounds for test in tests], dtype=np.float64)
    kind = cohort.records.test
    return np.clip(cohort.records.value, bounds[kind, 0], bounds[kind, 1])


def scaled_values(cohort: Cohort, draws: Draws) -> Floats:
    """The values of the draws, by logarithm where the schema says that a test's scale is one, shape [r]."""
    tests = list(cohort.schema.tests.values())
    if not tests:
        return draws.value
    is_log = np.array([test.scale == "log" and not test.codes for test in tests])
    least = np.array([max(test.step / 2, 1e-12) for test in tests])
    return np.where(is_log[draws.test], np.log(np.maximum(draws.value, least[draws.test])), draws.value)


def _changes(*keys: Ints) -> NDArray[np.bool_]:
    """Where a sorted run of equal keys begins, shape [r]."""
    result = np.ones(len(keys[0]), dtype=np.bool_)
    if len(result) > 1:
        result[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return result
