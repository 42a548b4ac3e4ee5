"""Patients as the flat numbers that batches are cut from; each patient's numbers depend on that patient alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort
from synthhealth.encoding.draws import Draws
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A cohort in levels and draws; n patients, C columns, d draws in the patients' order, T tests.

    `codes` [n, C]; `start` [n + 1] where each patient's draws begin; `step` [d] time steps;
    `value` [d, T] the value's bin, VALUE_BINS where the draw does not hold the test; `last` [d, T]
    the bin of the value before, VALUE_BINS for none.
    """

    codes: Places
    start: Places
    step: Places
    value: NDArray[np.int8]
    last: NDArray[np.int8]

    @staticmethod
    def of(cohort: Cohort, ground: Ground) -> Encoded:
        """The cohort in the ground's bins.

        Privacy: internal only; a per-patient map.
        """
        draws = Draws.of(cohort, ground.book.layout)
        value = np.full((len(draws.owner), ground.tests), VALUE_BINS, dtype=np.int8)
        if ground.tests:
            value[draws.draw, draws.test] = Chains.of(draws, ground.book.tests).bin
        return Encoded(
            codes=ground.book.code(cohort),
            start=np.concatenate(([0], np.cumsum(draws.per_patient()))),
            step=draws.step,
            value=value,
            last=_last(value, draws.index),
        )

    def take(self, rows: Places) -> Encoded:
        """The patients at `rows`, in that order.

        Privacy: internal only.
        """
        count = self.draws[rows]
        start = np.concatenate(([0], np.cumsum(count)))
        draws = np.repeat(self.start[rows] - start[:-1], count) + np.arange(start[-1])
        return Encoded(
            codes=self.codes[rows],
            start=start,
            step=self.step[draws],
            value=self.value[draws],
            last=self.last[draws],
        )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def draws(self) -> Places:
        """How many draws each patient has, shape [n]."""
        return np.diff(self.start)


def levels_of(codes: Places, tests: int) -> Places:
    """The levels [n, T] of the tests, which end each row of the patient table; LEVELS for never measured."""
    return codes[:, codes.shape[1] - tests :] if tests else np.zeros((len(codes), 0), dtype=np.int64)


def measured(codes: Places, tests: int) -> NDArray[np.bool_]:
    """Which tests a patient has at all, shape [n, T]."""
    return levels_of(codes, tests) < LEVELS


def _last(value: NDArray[np.int8], index: Places) -> NDArray[np.int8]:
    """The latest earlier bin of each test within a patient, by filling forward; `index` [d] is 0 at a first draw."""
    here = np.arange(len(value))[:, None]
    latest = np.maximum.accumulate(np.where(value < VALUE_BINS, here, -1), axis=0)
    before = np.concatenate([np.full((1, value.shape[1]), -1), latest])[:-1]
    first = (here[:, 0] - index)[:, None]
    known = before >= first
    filled = np.take_along_axis(value, np.maximum(before, 0), axis=0) if len(value) else value
    return np.where(known, filled, VALUE_BINS).astype(np.int8)
