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
from synthhealth.generators.events.panel_moments import curvature, weights_of, with_weights
from synthhealth.generators.events.panels import SHARED
from synthhealth.generators.training import Room, gradient_rows
from synthhealth.generators.vae.episodes import Batch, Episodes
from synthhealth.generators.vae.network import PanelLayer, ValueLayer

Floats = NDArray[np.float64]
PATIENTS_A_BLOCK = 512
CLIP_QUANTILE = 0.9
PANEL_PRIOR = 1.5
LONGEST = 3.0
TIES = ("panel.loading", "value.cross")


class EventDecoder(nn.Module):
    """The parts of the decoder that private steps move; its loss is a patient's negative log-likelihood, summed.

    With `ties` only what ties a patient's tests together takes a gradient, loadings and cross
    terms; with False everything else; with None all.
    """

    def __init__(self, heads: Heads, *, panels: bool, values: bool, ties: bool | None = None) -> None:
        super().__init__()
        self.panel = PanelLayer(heads.panels) if panels else None
        self.value = ValueLayer(heads.values) if values else None
        if ties is not None:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_((name in TIES) == ties)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The summed loss of a block; each patient's part depends on that patient alone."""
        loss = torch.zeros((), dtype=torch.float64)
        if self.panel is not None:
            logits = self.panel(*batch.panel)
            losses = nn.functional.binary_cross_entropy_with_logits(logits, batch.held, reduction="none")
            loss = loss + (losses * batch.counts).sum()
        if self.value is not None:
            logits = self.value(*batch.value) + batch.missing
            losses = torch.logsumexp(logits, dim=-1) - logits.gather(-1, batch.bin[..., None])[..., 0]
            loss = loss + (losses * batch.real).sum()
        return loss


def gradient_blocks(
    heads: Heads, episodes: Episodes, rows: NDArray[np.int64], *, panels: bool, values: bool, ties: bool | None = None
) -> Iterator[Floats]:
    """Ascent directions of the log-likelihood, [block, parameters], for the patients `rows` by blocks.

    Parameters run as PanelLayer's, then ValueLayer's, each flattened; those that take no gradient are left out.

    Privacy: internal only, when the episodes are real; each row is its own patient's.
    """
    model = GradSampleModule(EventDecoder(heads, panels=panels, values=values, ties=ties), loss_reduction="sum")
    if not values:
        episodes = episodes.without_records()
    for block in episodes.blocks(rows, PATIENTS_A_BLOCK):
        batch = Batch.of(episodes, block, heads.values)
        yield -gradient_rows(model, model(batch), len(block)).numpy()


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


def private_mean(training: Room, heads: Heads, real: Episodes, dreamt: Episodes, *, patients: float, ties: bool) -> Sum:
    """One private step's noisy mean gradient, clipped to what dreamt patients need.

    `patients` is the noisy number that turns the sum into a mean; `ties` chooses the parameters
    as in EventDecoder.

    Privacy: one of the steps that were paid for on entering the training room.
    """

    def blocks(episodes: Episodes, rows: NDArray[np.int64]) -> Iterator[Floats]:
        return gradient_blocks(heads, episodes, rows, panels=True, values=ties, ties=ties)

    dreams = np.concatenate(list(blocks(dreamt, np.arange(dreamt.draws.patients))))
    lengths = np.linalg.norm(dreams, axis=1)
    norm = max(float(np.quantile(lengths, CLIP_QUANTILE)), 1.0)
    factor = np.minimum(1.0, norm / np.maximum(lengths, 1e-9))
    total = training.step(lambda rows: blocks(real, rows), dreams.shape[1], max_grad_norm=norm)
    dreams *= factor[:, None]
    return Sum(
        mean=total / patients,
        sigma=training.event.noise_multiplier * norm / patients,
        kept=float(factor.mean()),
        dreamt=dreams.mean(axis=0),
        chance=dreams.std(axis=0) * np.sqrt(1 / len(dreams) + 1 / patients),
    )


def panel_prior(heads: Heads) -> tuple[Belief, ...]:
    """What is believed of each test's panel weights, in the order of `weights_of`, before any step."""
    return tuple(Belief.prior(weights_of(heads.panels, t), PANEL_PRIOR) for t in range(len(heads.panels.prev)))


def panel_step(
    training: Room,
    heads: Heads,
    real: Episodes,
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
        part = _panel_part(told.mean, heads, t)
        moved.append(belief.observe(part, fisher * told.kept, told.sigma, longest=LONGEST))
    panels = with_weights(heads.panels, [one.mean for one in moved])
    return replace(heads, panels=panels), tuple(moved)


def _panel_part(mean: Floats, heads: Heads, t: int) -> Floats:
    """Test t's part of a flat panel gradient, in the order of `weights_of`."""
    tests = len(heads.panels.prev)
    cuts = np.cumsum([tests * SHARED, tests, tests])
    shared, prev, ever, rest = np.split(mean, cuts)
    bits = rest[: tests * tests].reshape(tests, tests)
    return np.concatenate([shared.reshape(tests, SHARED)[t], [prev[t], ever[t]], bits[t, :t]])
