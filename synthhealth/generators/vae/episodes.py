"""Patients as padded tensors for the event decoder: dimension 0 is the patient, padding counts for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from privacy.cohort import Cohort
from synthhealth.encoding.draws import Draws
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.events.chains import LEVELS, Chains
from synthhealth.generators.events.dream import Dream, Heads, Sketch, context_logits, surprises
from synthhealth.generators.events.panel_moments import PanelInputs
from synthhealth.generators.events.panels import USUAL

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Tensor = torch.Tensor
PATIENTS_A_BLOCK = 512
MOST_DRAWS = 4_096  # of a block, padding counted: what a step makes of them stays in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodes:
    """All draws and records of some patients, real or dreamt, with what the event decoder needs to know of each.

    `latent` [patients, L].
    """

    draws: Draws
    chains: Chains
    panels: PanelInputs
    latent: Floats

    @staticmethod
    def of(draws: Draws, chains: Chains, *, panel_size: Floats, latent: Floats, steps: int, order: Places) -> Episodes:
        """The episodes of these draws.

        Privacy: internal only, when the draws are real; a per-patient map.
        """
        panels = PanelInputs.of(draws, panel_size, chains.level, steps, order)
        return Episodes(draws=draws, chains=chains, panels=panels, latent=latent)

    @staticmethod
    def real(cohort: Cohort, book: Codebook, *, latent: int, order: Places) -> Episodes:
        """The episodes of a cohort, every one of the `latent` numbers of a patient unknown as yet and hence 0.

        Privacy: internal only; a per-patient map.
        """
        draws = Draws.of(cohort, book.layout)
        return Episodes.of(
            draws,
            Chains.of(draws, book.tests),
            panel_size=draws.records_a_draw(),
            latent=np.zeros((len(cohort), latent)),
            steps=book.layout.steps,
            order=order,
        )

    @staticmethod
    def dreamt(sketch: Sketch, night: Dream, heads: Heads) -> Episodes:
        """The episodes of dreamt patients, whose latents are known.

        Privacy: free; dreamt patients only.
        """
        return Episodes.of(
            night.draws,
            night.chains,
            panel_size=sketch.panel_size,
            latent=sketch.latent,
            steps=heads.steps,
            order=heads.panels.order,
        )

    def blocks(self) -> Iterator[Places]:
        """Everybody once, patients with about equally many draws together, so that there is little padding.

        Privacy: internal only, when the draws are real; only what treats each patient alone may be made of a block.
        """
        count = self.draws.per_patient()
        order = np.argsort(count, kind="stable")
        start = 0
        while start < len(order):
            stop = min(start + PATIENTS_A_BLOCK, len(order))
            padded = np.maximum(count[order[start:stop]], 1) * np.arange(1, stop - start + 1)
            stop = start + max(1, int(np.searchsorted(padded, MOST_DRAWS, side="right")))
            yield order[start:stop]
            start = stop


Source = Callable[[Places], Iterable[Episodes]]
"""Given the rows of a batch, the episodes of these patients in their order, some patients at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The values of a block of B patients, D draws each, T tests, r records, V bins.

    `surprise` [B, D, T] says how far each value lies from what its own past would have it, in
    tilts, 0 where a draw does not hold the test. Records: `at` [r] the place in [B, D, T] laid
    flat, `bin` [r], `logits` [r, V] before the other tests of the draw have their say, `tilt` [r, V].
    """

    surprise: Tensor
    at: Tensor
    bin: Tensor
    logits: Tensor
    tilt: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A block of B patients as tensors, D draws each, padded with zeros.

    `panel` are the inputs of a PanelLayer and `held`, `counts` [B, D, T] its targets and mask;
    `values` is None where nothing is asked of them.
    """

    panel: tuple[Tensor, ...]
    held: Tensor
    counts: Tensor
    values: Values | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """What a value head expects: `logits` [T, V + 1, LEVELS, V] by context, `tilt` [T, V], `surprise` [d, T]."""

    logits: Floats
    tilt: Floats
    surprise: Floats


class Batches:
    """The patients of some episodes as batches, their values too if `ties` are asked for."""

    def __init__(self, episodes: Episodes, heads: Heads, *, ties: bool) -> None:
        self._episodes, self._expected = episodes, None
        self._start = np.concatenate(([0], np.cumsum(episodes.draws.per_patient())))
        if ties:
            head = heads.values
            surprise = surprises(episodes.draws, episodes.chains, head)
            self._expected = _Expected(logits=context_logits(head), tilt=head.tilt, surprise=surprise)

    def of(self, rows: Places) -> Batch:
        """The patients `rows`, each from its own draws and records alone.

        Privacy: internal only, when the episodes are real; entry i of every tensor is patient rows[i]'s alone.
        """
        inputs, expected = self._episodes.panels, self._expected
        start, count = self._start[rows], np.diff(self._start)[rows]
        draws, index = _ranged(start, count), _ranged(0 * start, count)
        owner, depth = np.repeat(np.arange(len(rows)), count), int(count.max(initial=0))

        def padded(values: NDArray[np.generic]) -> Tensor:
            table = np.zeros((len(rows), depth, values.shape[1]))
            table[owner, index] = values[draws]
            return torch.from_numpy(table)

        held, latent = padded(inputs.bits), torch.from_numpy(self._episodes.latent[rows])
        return Batch(
            panel=(
                *(padded(part) for part in (inputs.shared, inputs.prev, inputs.ever, inputs.none, inputs.room)),
                torch.from_numpy(USUAL[self._episodes.chains.level[rows]]),
                held,
                latent,
            ),
            held=held,
            counts=padded(inputs.free),
            values=None
            if expected is None
            else self._values(expected, draws, owner * depth + index, padded(expected.surprise)),
        )

    def _values(self, expected: _Expected, mine: Places, place: Places, surprise: Tensor) -> Values:
        """The values of the draws at `mine`, which stand at `place` among all draws of the batch, padding included."""
        draws, chains = self._episodes.draws, self._episodes.chains
        first = np.searchsorted(draws.draw, mine)
        count = np.searchsorted(draws.draw, mine, side="right") - first
        record = _ranged(first, count)
        test = draws.test[record]
        level = np.minimum(chains.level[draws.owner[draws.draw[record]], test], LEVELS - 1)
        return Values(
            surprise=surprise,
            at=torch.from_numpy(np.repeat(place, count) * len(expected.tilt) + test),
            bin=torch.from_numpy(chains.bin[record]),
            logits=torch.from_numpy(expected.logits[test, chains.last[record], level]),
            tilt=torch.from_numpy(expected.tilt[test]),
        )


def _ranged(start: Places, count: Places) -> Places:
    """The numbers start[i], start[i] + 1 ..., count[i] of them, one i after the other."""
    before: Places = np.repeat(start - (np.cumsum(count) - count), count)
    return np.arange(len(before)) + before
