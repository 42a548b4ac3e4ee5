"""Patients as padded tensors for the event decoder: dimension 0 is the patient, padding counts for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from synthhealth.encoding.draws import Draws, places
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains
from synthhealth.generators.events.dream import Dream, Heads, Sketch, surprises
from synthhealth.generators.events.panel_moments import PanelInputs
from synthhealth.generators.events.values import KERNEL, LEVEL_BASIS, ValueHead, last_kernel, level_kernel

Floats = NDArray[np.float64]
Tensor = torch.Tensor
MOST_CELLS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodes:
    """All draws and records of a cohort, real or dreamt, with what the event decoder needs to know of each.

    `surprise` [d, T] is how far each value of a draw lies from what its own past would have it,
    in tilts, 0 where the draw does not hold the test; `latent` [patients, L].
    """

    draws: Draws
    chains: Chains
    panels: PanelInputs
    surprise: Floats
    latent: Floats

    @staticmethod
    def of(
        draws: Draws, chains: Chains, values: ValueHead, *, panel_size: Floats, latent: Floats, steps: int
    ) -> Episodes:
        """The episodes under a value head, whose expectations define the surprises.

        Privacy: internal only, when the draws are real; a per-patient map.
        """
        return Episodes(
            draws=draws,
            chains=chains,
            panels=PanelInputs.of(draws, panel_size, chains.level, steps),
            surprise=surprises(draws, chains, values),
            latent=latent,
        )

    @staticmethod
    def dreamt(sketch: Sketch, night: Dream, heads: Heads) -> Episodes:
        """The episodes of dreamt patients, whose latents are known, under `heads`.

        Privacy: free; dreamt patients only.
        """
        return Episodes.of(
            night.draws,
            night.chains,
            heads.values,
            panel_size=sketch.panel_size,
            latent=sketch.latent,
            steps=heads.steps,
        )

    def without_records(self) -> Episodes:
        """The same draws without their records, for a decoder of panels alone."""
        draws = replace(self.draws, draw=self.draws.draw[:0], test=self.draws.test[:0], cell=self.draws.cell[:0])
        return replace(
            self, draws=draws, chains=replace(self.chains, bin=self.chains.bin[:0], last=self.chains.last[:0])
        )

    def blocks(self, rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
        """The patients `rows`, `size` at a time; fewer where one has so many records that padding costs memory.

        Privacy: internal only, when the draws are real; only what treats each patient alone may be made of a block.
        """
        records = np.bincount(self.draws.record_owner, minlength=self.draws.patients)
        long = np.maximum(np.maximum(self.draws.per_patient(), records), 1)[rows]
        start = 0
        while start < len(rows):
            cells = np.maximum.accumulate(long[start : start + size]) * np.arange(
                1, len(long[start : start + size]) + 1
            )
            stop = start + max(1, int(np.searchsorted(cells, MOST_CELLS, side="right")))
            yield rows[start:stop]
            start = stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A block of B patients as tensors, D draws and K records each, padded with zeros.

    `panel` are the inputs of a PanelLayer and `held`, `counts` [B, D, T] its targets and mask;
    `value` the inputs of a ValueLayer, `bin` and `real` [B, K] its targets and mask,
    `missing` [B, K, V] what to add to the logits of bins that a test lacks.
    """

    panel: tuple[Tensor, ...]
    held: Tensor
    counts: Tensor
    value: tuple[Tensor, ...]
    bin: Tensor
    real: Tensor
    missing: Tensor

    @staticmethod
    def of(episodes: Episodes, rows: NDArray[np.int64], head: ValueHead) -> Batch:
        """The patients `rows`, each from its own draws and records alone."""
        draws, inputs = episodes.draws, episodes.panels
        place = np.full(draws.patients, -1)
        place[rows] = np.arange(len(rows))
        mine = np.flatnonzero(place[draws.owner] >= 0)
        owner, index = place[draws.owner[mine]], draws.index[mine]
        shape = (len(rows), int(index.max(initial=-1)) + 1)

        def draws_of(values: Floats) -> Tensor:
            table = np.zeros((*shape, values.shape[1]))
            table[owner, index] = values[mine]
            return torch.from_numpy(table)

        held = draws_of(inputs.bits)
        panel = (draws_of(inputs.shared), draws_of(inputs.prev), draws_of(inputs.ever), held)
        latent = torch.from_numpy(np.ascontiguousarray(episodes.latent[rows]))
        value, coded, real, missing = _records(episodes, place, head, len(rows))
        return Batch(
            panel=(*panel, latent),
            held=held,
            counts=draws_of(inputs.has),
            value=value,
            bin=coded,
            real=real,
            missing=missing,
        )


def _records(
    episodes: Episodes, place: NDArray[np.int64], head: ValueHead, patients: int
) -> tuple[tuple[Tensor, ...], Tensor, Tensor, Tensor]:
    draws, chains = episodes.draws, episodes.chains
    mine = np.flatnonzero(place[draws.record_owner] >= 0)
    owner = place[draws.record_owner[mine]]
    index = places(draws.record_owner[mine])
    shape = (patients, int(index.max(initial=-1)) + 1)
    test, coded, last = draws.test[mine], chains.bin[mine], chains.last[mine]
    level = np.minimum(chains.level[draws.record_owner[mine], test], LEVELS - 1)
    later = last < VALUE_BINS
    known = np.minimum(last, VALUE_BINS - 1)
    basis, tilt = head.basis, head.tilt
    near = last_kernel(VALUE_BINS)[known] * later[:, None, None]
    pulls = np.zeros((len(head.width), LEVELS, VALUE_BINS, KERNEL))
    for t, bins in enumerate(head.width):
        pulls[t, :, :bins] = level_kernel(int(bins))
    lacks = np.arange(VALUE_BINS) >= head.width[test][:, None]
    # padding rows keep test 0 and a zero mask, so they weigh nothing
    earlier = np.arange(len(head.width)) < test[:, None]

    def table(values: NDArray[np.generic], dtype: type = np.float64) -> Tensor:
        padded = np.zeros((*shape, *values.shape[1:]), dtype=dtype)
        padded[owner, index] = values
        return torch.from_numpy(padded)

    value = (
        table(test, np.int64),
        table(later),
        table(LEVEL_BASIS[level]),
        table(basis[test, known] * later[:, None]),
        table(basis[test]),
        table(near),
        table(pulls[test, level]),
        table(tilt[test]),
        table(episodes.surprise[draws.draw[mine]] * earlier),
    )
    return value, table(coded, np.int64), table(np.ones(len(mine))), table(np.where(lacks, -1e9, 0.0))
