"""Waking: private steps on real patients that move the event decoder, each a noisy look at where it should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from torch import nn

from synthhealth.generators.belief import Belief
from synthhealth.generators.events.dream import Heads
from synthhealth.generators.events.panel_moments import curvature, with_weights
from synthhealth.generators.events.panels import AGAIN, SHARED, earlier_than
from synthhealth.generators.training import Room, gradient_rows
from synthhealth.generators.vae.episodes import Batch, Batches, Episodes, Source
from synthhealth.generators.vae.network import CrossLayer, PanelLayer

Floats = NDArray[np.float64]
CLIP_QUANTILE = 0.9
LONGEST = 3.0
TIES = ("panel.loading", "cross.cross")


class EventDecoder(nn.Module):
    """The parts of the decoder that private steps move; its loss is a patient's negative log-likelihood, summed.

    With `ties` only what ties a patient's tests together takes a gradient, loadings and cross
    terms, and values have their say; else all other weights of the panels.
    """

    def __init__(self, heads: Heads, *, ties: bool) -> None:
        super().__init__()
        self.panel = PanelLayer(heads.panels)
        self.cross = CrossLayer(heads.values.cross) if ties else None
        for name, parameter in self.named_parameters():
            parameter.requires_grad_((name in TIES) == ties)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The summed loss of a block; each patient's part depends on that patient alone."""
        panels = nn.functional.binary_cross_entropy_with_logits(
            self.panel(*batch.panel), batch.held, weight=batch.counts, reduction="sum"
        )
        values = batch.values
        if self.cross is None or values is None:
            return panels
        tilt = self.cross(values.surprise).flatten()[values.at]
        logits = values.logits + tilt[:, None] * values.tilt
        return panels + nn.functional.cross_entropy(logits, values.bin, reduction="sum")


def patient_gradients(heads: Heads, episodes: Episodes, *, ties: bool) -> Floats:
    """Ascent directions of the log-likelihood, [patients, parameters].

    Parameters run as in EventDecoder, each flattened; those that take no gradient are left out.

    Privacy: internal only, when the episodes are real; each row is its own patient's.
    """
    decoder = EventDecoder(heads, ties=ties)
    model = GradSampleModule(decoder, loss_reduction="sum")
    batches = Batches(episodes, heads, ties=ties)
    size = sum(parameter.numel() for parameter in decoder.parameters() if parameter.requires_grad)
    rows = np.zeros((episodes.draws.patients, size))
    for block in episodes.blocks():
        rows[block] = -gradient_rows(model, model(batches.of(block)), len(block)).numpy()
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One noisy mean gradient a patient [parameters], and what dreamt patients say of it.

    `sigma` is its noise, `kept` the share of a dreamt gradient that clipping leaves, `dreamt`
    [parameters] the clipped mean over dreams, which is what the decoder already knows, and
    `chance` [parameters] by how much mean and dreamt would differ if the patients were dreams too.
    """

    mean: Floats
    sigma: float
    kept: float
    dreamt: Floats
    chance: Floats


def private_mean(training: Room, heads: Heads, real: Source, dreamt: Episodes, *, patients: float, ties: bool) -> Sum:
    """One private step's noisy mean gradient, clipped to what dreamt patients need.

    `patients` is the noisy number that turns the sum into a mean; `ties` chooses the parameters
    as in EventDecoder.

    Privacy: one of the steps that were paid for on entering the training room.
    """

    def gradients(rows: NDArray[np.int64]) -> Iterator[Floats]:
        return (patient_gradients(heads, some, ties=ties) for some in real(rows))

    dreams = patient_gradients(heads, dreamt, ties=ties)
    lengths = np.linalg.norm(dreams, axis=1)
    norm = max(float(np.quantile(lengths, CLIP_QUANTILE)), 1.0)
    factor = np.minimum(1.0, norm / np.maximum(lengths, 1e-9))
    total = training.step(gradients, dreams.shape[1], max_grad_norm=norm)
    dreams *= factor[:, None]
    return Sum(
        mean=total / patients,
        sigma=training.event.noise_multiplier * norm / patients,
        kept=float(factor.mean()),
        dreamt=dreams.mean(axis=0),
        chance=dreams.std(axis=0) * np.sqrt(1 / len(dreams) + 1 / patients),
    )


def panel_step(
    training: Room,
    heads: Heads,
    real: Source,
    dreamt: Episodes,
    beliefs: tuple[Belief, ...],
    *,
    patients: float,
) -> tuple[Heads, tuple[Belief, ...]]:
    """One private step on the panel head, read with the curvature of dreamt patients; the loading stays.

    Privacy: one of the steps that were paid for on entering the training room.
    """
    told = private_mean(training, heads, real, dreamt, patients=patients, ties=False)
    moved = []
    for t, belief in enumerate(beliefs):
        fisher, _ = curvature(dreamt.panels, heads.panels, t, dreamt.draws.patients)
        # what clipping leaves of dreams, whose gradients add up to nothing, is no news
        part = _panel_part(told.mean - told.dreamt, heads, t)
        sigma = np.sqrt(told.sigma**2 + _panel_part(told.chance, heads, t) ** 2)
        moved.append(belief.observe(part, fisher * told.kept, sigma, longest=LONGEST))
    panels = with_weights(heads.panels, [one.mean for one in moved])
    return replace(heads, panels=panels), tuple(moved)


def _panel_part(mean: Floats, heads: Heads, t: int) -> Floats:
    """Test t's part of a flat panel gradient, in the order of `weights_of`."""
    tests = len(heads.panels.prev)
    cuts = np.cumsum([tests * SHARED, tests, tests, tests, tests, tests * AGAIN])
    shared, prev, ever, none, room, again, rest = np.split(mean, cuts)
    bits = rest[: tests * tests].reshape(tests, tests)
    own = [prev[t], ever[t], none[t], room[t], *again.reshape(tests, AGAIN)[t]]
    return np.concatenate([shared.reshape(tests, SHARED)[t], own, bits[t, earlier_than(t, heads.panels.order)]])
