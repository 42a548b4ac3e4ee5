"""An engine small enough for tests of all that stands around it: a noisy histogram a column, drawn independently."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from privacy.budget import Budget
from privacy.cohort import Cohort, Records
from privacy.events import DiscreteGaussian
from privacy.gate import Gate
from privacy.mechanisms import noisy_histograms
from privacy.patient_frame import patient_frame
from privacy.plan import Charge
from privacy.randomness import public
from privacy.schema import Category, Number, Schema
from synthhealth.generators.device import Device
from synthhealth.generators.protocol import EngineName, ModelState, Progress

BINS = 8
RECORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    """`shares` has one row of bin shares a free column, shape [columns, BINS]."""

    schema: Schema
    shares: NDArray[np.float64]

    def sample(self, n: int, seed: int) -> Cohort:
        chance = public(seed, "tiny")
        cells: dict[str, NDArray[np.number]] = {}
        for row, (name, column) in zip(self.shares, self.schema.free_columns.items(), strict=True):
            drawn = chance.choice(BINS, size=n, p=row)
            cells[name] = drawn if isinstance(column, Category) else _middle(column, drawn)
        frame = patient_frame(self.schema, [f"S{number:07d}" for number in range(n)], cells)
        return Cohort(schema=self.schema, patients=frame, records=self._records(n, chance))

    def state(self) -> ModelState:
        return ModelState(arrays={"shares": self.shares}, meta=json.dumps({"bins": BINS}))

    def _records(self, n: int, chance: np.random.Generator) -> Records:
        tests = list(self.schema.tests.values())
        count = n * RECORDS if tests else 0
        kind = chance.integers(0, max(1, len(tests)), count)
        low = np.array([test.bounds[0] for test in tests])
        start, _ = self.schema.privacy_unit.window
        return Records.sorted(
            owner=np.repeat(np.arange(n), RECORDS)[:count], time=np.full(count, start), test=kind, value=low[kind]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyEngine:
    schema: Schema
    name: str = "marginal"
    private: bool = True

    def charges(self, scale: float) -> tuple[Charge, ...]:
        count = len(self.schema.free_columns)
        return (
            Charge(
                name="histograms",
                event=DiscreteGaussian(sigma=scale * count**0.5, count=count),
                reads="every column of the patients' table",
                mechanism="discrete Gaussian",
                sensitivity="one patient is in one bin of each column",
            ),
        )

    def fit(self, gate: Gate, progress: Progress) -> TinyModel:
        progress("counting", 0, 1)
        noisy = noisy_histograms(gate, "histograms", self._one_hot).values.reshape(-1, BINS)
        progress("counting", 1, 1)
        allowed = np.array([np.arange(BINS) < _bins(column) for column in self.schema.free_columns.values()])
        positive = np.where(allowed, np.maximum(noisy, 1e-3), 0.0)
        return TinyModel(schema=self.schema, shares=positive / positive.sum(axis=1, keepdims=True))

    def _one_hot(self, rows: Cohort) -> csr_matrix:
        places = []
        for number, (name, column) in enumerate(self.schema.free_columns.items()):
            at = rows.codes(name) if isinstance(column, Category) else _bin(column, rows.numbers(name))
            places.append(np.where((at < 0) | (at >= BINS), -1, number * BINS + at))
        cells = np.stack(places, axis=1)
        patient, place = np.nonzero(cells >= 0)
        shape = (len(rows), BINS * len(self.schema.free_columns))
        return csr_matrix((np.ones(len(patient)), (patient, cells[patient, place])), shape=shape)


def make_tiny(
    name: EngineName, schema: Schema, budget: Budget, *, cohort_size: int, seed: int, device: Device
) -> TinyEngine:
    """Stands in for `synthhealth.engines.make_engine`."""
    del budget, cohort_size, seed, device
    return TinyEngine(schema=schema, name=name)


def restore_tiny(name: EngineName, schema: Schema, state: ModelState) -> TinyModel:
    """Stands in for `synthhealth.engines.restore_model`."""
    del name
    return TinyModel(schema=schema, shares=np.asarray(state.arrays["shares"], dtype=np.float64))


def _bins(column: Category | Number) -> int:
    return min(BINS, len(column.levels)) if isinstance(column, Category) else BINS


def _bin(column: Number, values: NDArray[np.float64]) -> NDArray[np.int64]:
    place = np.floor((values - column.low) / (column.high - column.low) * BINS)
    return np.where(np.isnan(values), -1, np.clip(place, 0, BINS - 1)).astype(np.int64)


def _middle(column: Number, drawn: NDArray[np.integer]) -> NDArray[np.float64]:
    return column.low + (drawn + 0.5) / BINS * (column.high - column.low)
