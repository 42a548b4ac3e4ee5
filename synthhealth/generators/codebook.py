"""What a model has learnt of the public grids: the bins of every column and test, and rows of levels by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.record_rules import over_time
from synthhealth.encoding.bins import Bins
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout, Slot
from synthhealth.generators.events.chains import VALUE_BINS, Chains, Summaries, level_slots, summary_slots
from synthhealth.generators.events.dream import Dream, Sketch
from synthhealth.generators.table.measure import Column

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebook:
    """Bins for the numeric columns (None for codes), for the summaries of draws and for the tests' values.

    The patient table's columns are the schema's free columns, then the four summaries, then one
    level a test; without tests the table ends with the free columns.
    """

    layout: Layout
    attributes: tuple[Bins | None, ...]
    summaries: tuple[Bins, ...]
    tests: tuple[Bins, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the patient table."""
        outcomes = [j for j, slot in enumerate(self.layout.attributes) if slot.name in self.layout.schema.outcomes]
        slots = [*zip(self.layout.attributes, self.attributes, strict=True)]
        if self.tests:
            slots += zip(summary_slots(self.layout), self.summaries, strict=True)
            slots += [(slot, None) for slot in level_slots(self.layout)]
        return tuple(
            Column(
                name=slot.name,
                levels=(slot.levels if bins is None else bins.count) + slot.missing,
                ordered=slot.ordered,
                missing=slot.missing,
                outcome=j in outcomes,
            )
            for j, (slot, bins) in enumerate(slots)
        )

    def code(self, cohort: Cohort) -> NDArray[np.int64]:
        """The patient table in levels, [n, columns].

        Privacy: internal only; a per-patient map.
        """
        fine = self.layout.fine(cohort)
        table = [_coarse(fine[:, j], bins) for j, bins in enumerate(self.attributes)]
        if self.tests:
            draws = Draws.of(cohort, self.layout)
            cells = Summaries.of(draws, summary_slots(self.layout)).cells
            table += [_coarse(cells[:, j], bins) for j, bins in enumerate(self.summaries)]
            table += list(Chains.of(draws, self.tests).level.T)
        return np.stack(table, axis=1)

    def sketch(
        self, codes: NDArray[np.int64], latent: Floats, last_step: NDArray[np.int64], rng: np.random.Generator
    ) -> Sketch:
        """What rows of levels [n, columns] say of the draws, with numbers drawn inside the bins.

        `last_step` [n] is the last step at which a patient may have a record, -1 for none.
        """
        start = len(self.attributes)
        slots = summary_slots(self.layout)
        count, first, final, panel = (
            _number(codes[:, start + j], bins, slot, rng, missing=0.0)
            for j, (bins, slot) in enumerate(zip(self.summaries, slots, strict=True))
        )
        first = np.minimum(first, np.maximum(last_step, 0))
        final = np.clip(final, first, np.maximum(last_step, first))
        room = np.where(last_step < 0, 0, final - first + 1)
        return Sketch(
            count=np.minimum(count, room).astype(np.int64),
            first=first.astype(np.int64),
            final=final.astype(np.int64),
            panel_size=np.maximum(panel, 1.0),
            level=codes[:, start + len(slots) :],
            latent=latent,
        )

    def patients(
        self, codes: NDArray[np.int64], rng: np.random.Generator, *, places: Mapping[str, Floats] | None = None
    ) -> pd.DataFrame:
        """The table of patients of rows of levels [n, columns], with numbers drawn inside the bins.

        `places` gives for some columns where inside their bins the numbers [n] lie, in [0, 1).
        """
        cells: dict[str, NDArray[np.number]] = {}
        for j, (slot, bins) in enumerate(zip(self.layout.attributes, self.attributes, strict=True)):
            if bins is None:
                cells[slot.name] = np.where(codes[:, j] >= slot.levels, -1, codes[:, j])
            else:
                given = None if places is None else places.get(slot.name)
                cells[slot.name] = _number(codes[:, j], bins, slot, rng, missing=np.nan, place=given)
        ids = [f"S{i}" for i in range(1, len(codes) + 1)]
        return patient_frame(self.layout.schema, ids, cells)

    def last_step(self, patients: pd.DataFrame) -> NDArray[np.int64]:
        """The last step at which each patient may have a record, -1 for none: the end of follow-up or window."""
        schema, steps = self.layout.schema, self.layout.steps
        if schema.end_of_followup is None:
            return np.full(len(patients), steps - 1)
        end = patients[schema.end_of_followup].to_numpy(dtype=np.float64)
        last = np.floor((end - schema.privacy_unit.window[0]) / schema.time_precision + 1e-9)
        return np.clip(last, -1, steps - 1).astype(np.int64)

    def mean_panel(self) -> float:
        """The mean number of records a draw, under its noisy histogram."""
        slots = summary_slots(self.layout)
        return mean_of(slots[3], self.summaries[3])

    def cohort(self, patients: pd.DataFrame, dreamt: Dream | None, rng: np.random.Generator) -> Cohort:
        """Synthetic patients with their dreamt draws, in the schema's types and precision, no more than its cap."""
        records = self._records(dreamt, rng) if dreamt is not None else _no_records()
        records = over_time(self.layout.schema, records)
        cohort = Cohort(schema=self.layout.schema, patients=patients, records=records)
        return cohort.bound_records(key=rng.bytes(32))

    def _records(self, dreamt: Dream, rng: np.random.Generator) -> Records:
        draws, coded = dreamt.draws, dreamt.chains.bin
        value = np.zeros(len(coded))
        for t, (bins, grid) in enumerate(zip(self.tests, self.layout.tests, strict=True)):
            mine = np.flatnonzero(draws.test == t)
            place = _places(draws.record_owner[mine], coded[mine], dreamt.chains.last[mine], rng)
            value[mine] = bins.value(grid, coded[mine], place)
        time = self.layout.time_of(draws.step[draws.draw])
        return Records.sorted(owner=draws.record_owner, time=time, test=draws.test, value=value)


def _places(
    owner: NDArray[np.int64], coded: NDArray[np.int64], last: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """Where in its bin each value of one test lies, uniform on [0, 1) and alike within a patient.

    A test whose bins follow one another closely does so inside the bins too: the correlation of a
    bin with the one before is taken as that of the places (a Gaussian copula), which changes no
    distribution of single values.
    """
    if len(owner) == 0:
        return np.zeros(0)
    again = last < VALUE_BINS
    spread = again.sum() > 2 and coded[again].std() > 0 and last[again].std() > 0  # noqa: PLR2004  # a correlation needs three
    alike = max(float(np.corrcoef(coded[again], last[again])[0, 1]), 0.0) if spread else 0.0
    own = rng.normal(size=int(owner.max()) + 1)[owner]
    return np.asarray(norm.cdf(np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=len(owner))))


def mean_of(slot: Slot, bins: Bins) -> float:
    """The mean of a number under its noisy density, every cell at its middle."""
    assert slot.grid is not None  # noqa: S101  # a slot with bins has a grid
    middle = (slot.grid.first + (slot.grid.width - 1) / 2) * slot.grid.step
    return float(middle @ bins.density)


def _no_records() -> Records:
    nothing = np.zeros(0)
    return Records.sorted(owner=nothing.astype(np.int64), time=nothing, test=nothing.astype(np.int64), value=nothing)


def _coarse(fine: NDArray[np.int64], bins: Bins | None) -> NDArray[np.int64]:
    if bins is None:
        return fine
    cells = len(bins.density)
    return np.where(fine >= cells, bins.count, bins.of_cell(np.minimum(fine, cells - 1)))


def _number(
    levels: NDArray[np.int64],
    bins: Bins,
    slot: Slot,
    rng: np.random.Generator,
    *,
    missing: float,
    place: Floats | None = None,
) -> Floats:
    assert slot.grid is not None  # noqa: S101  # a slot with bins has a grid
    inside = rng.random(len(levels)) if place is None else place
    values = bins.value(slot.grid, np.minimum(levels, bins.count - 1), inside)
    return np.where(levels >= bins.count, missing, values)
