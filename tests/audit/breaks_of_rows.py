"""Breaks of what happens to patients before a release: who is sampled, what of them is kept, what is read off them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from privacy import admission_patients, cohort
from privacy.cohort import Cohort
from synthhealth.generators import training

Break = Callable[[pytest.MonkeyPatch], None]
BATCH = 16


def rate_from_the_number_of_rows(patch: pytest.MonkeyPatch) -> None:
    """The sampling rate is a batch size over len(data), as in Opacus' own loader."""
    real = training.poisson_batch
    patch.setattr(training, "poisson_batch", lambda n, _rate: real(n, min(1.0, BATCH / max(n, 1))))


def rate_times(factor: float) -> Break:
    """Patients are sampled `factor` times as often as was charged."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        real = training.poisson_batch
        patch.setattr(training, "poisson_batch", lambda n, rate: real(n, min(1.0, factor * rate)))

    return break_it


def shuffled(patch: pytest.MonkeyPatch) -> None:
    """Batches of one size are cut from a shuffled list."""
    chance = np.random.default_rng()
    waiting: list[int] = []

    def batch(n: int, rate: float) -> NDArray[np.int64]:
        size = round(n * rate)
        while len(waiting) < size:
            waiting.extend(chance.permutation(n).tolist())
        taken = [waiting.pop() for _ in range(size)]
        return np.unique(np.array(taken, dtype=np.int64))

    patch.setattr(training, "poisson_batch", batch)


def empty_batch_skipped(patch: pytest.MonkeyPatch) -> None:
    """A step without patients returns nothing and draws no noise."""
    real = training.private_sum

    def private_sum(total: NDArray[np.float64], *, max_norm: float, noise_multiplier: float) -> NDArray[np.float64]:
        if not total.any():
            return np.zeros_like(total)
        return real(total, max_norm=max_norm, noise_multiplier=noise_multiplier)

    patch.setattr(training, "private_sum", private_sum)


def vocabulary_from_rows(patch: pytest.MonkeyPatch) -> None:
    """A category knows only the levels that occur."""

    def observed(frame: pd.DataFrame) -> pd.DataFrame:
        named = frame.select_dtypes("category")
        return frame.assign(**{name: frame[name].cat.remove_unused_categories() for name in named})

    _frames(patch, observed)


def types_from_rows(patch: pytest.MonkeyPatch) -> None:
    """A column without a gap becomes whole numbers, as a reader of CSV would have it."""

    def inferred(frame: pd.DataFrame) -> pd.DataFrame:
        whole = [
            name
            for name in frame.select_dtypes("float")
            if not frame[name].isna().any() and (frame[name] == frame[name].round()).all()
        ]
        return frame.astype(dict.fromkeys(whole, "int64"))

    _frames(patch, inferred)


def shared_bounding(patch: pytest.MonkeyPatch) -> None:
    """Which records stay is drawn from one generator for all patients, as groupby.sample(random_state=0) does."""
    patch.setattr(
        cohort,
        "patient_lots",
        lambda _key, ids: np.random.default_rng(0).integers(0, 2**63, len(ids), dtype=np.uint64),
    )


def bounding_by_place(patch: pytest.MonkeyPatch) -> None:
    """Where the run of records begins that stays depends on the patient's place among the others."""
    patch.setattr(cohort, "patient_lots", lambda _key, ids: 7 * np.arange(len(ids), dtype=np.uint64))


def unbounded(patch: pytest.MonkeyPatch) -> None:
    """Everybody keeps all records."""
    patch.setattr(Cohort, "bound_records", lambda whole, _most=None, **_: whole)


def shared_split(patch: pytest.MonkeyPatch) -> None:
    """Who is held out is drawn from one generator for all patients."""
    patch.setattr(cohort, "unit_lots", lambda _key, ids: np.random.default_rng(0).random(len(ids)))


def _frames(patch: pytest.MonkeyPatch, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    real = admission_patients.patient_frame
    patch.setattr(admission_patients, "patient_frame", lambda schema, ids, cells: change(real(schema, ids, cells)))
