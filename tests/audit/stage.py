"""What the audit's tests stand on: small cohorts with extreme patients, gates before them, rooms, and silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from lab_cohorts import lab_cohort
from numpy.typing import NDArray
from small_world import cohort_of, gate_of

from privacy import mechanisms
from privacy.cohort import Cohort, Records
from privacy.events import SampledGaussian
from synthhealth.generators import training
from synthhealth.generators.training import Training

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
FULL = SampledGaussian(noise_multiplier=2.0, sample_rate=1.0, steps=50)


def people(n: int) -> Cohort:
    return cohort_of([(f"p{i}", i % 2, 40.0 + i, 1) for i in range(n)])


def room_of(cohort: Cohort, event: SampledGaussian = FULL) -> Training:
    return Training.enter(gate_of(cohort, {"training": event}), "training")


def looked_up(table: Floats) -> training.Gradients:
    """Gradients from a table of one row a patient."""
    return lambda rows: [table[rows]]


@contextmanager
def silence() -> Iterator[None]:
    """No noise and no lattice: sums as they are before they are made private."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (mechanisms, training):
            patch.setattr(module, "private_sum", lambda total, **_: total)
        patch.setattr(mechanisms, "secret_whole_gaussian", lambda size, _sigma: np.zeros(size))
        patch.setattr(mechanisms, "_discrete_gaussian", lambda counts, sigma: (counts, sigma))
        yield


@cache
def ward() -> Cohort:
    """Thirty patients: one far above the cap of records, two with none, the others with a few."""
    whole = lab_cohort(30, 4)
    mine = whole.records.keep(~np.isin(whole.records.owner, [3, 9]))
    count = 300
    heavy = Records.sorted(
        owner=np.concatenate([np.zeros(count, dtype=np.int64), mine.owner]),
        time=np.concatenate([np.arange(count) % 96.0, mine.time]),
        test=np.concatenate([np.arange(count) // 96 % 2, mine.test]),
        value=np.concatenate([100.0 + np.arange(count) % 81, mine.value]),
    )
    return Cohort(schema=whole.schema, patients=whole.patients, records=heavy)
