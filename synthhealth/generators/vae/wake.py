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
from synthhealth.generators.vae.encoder import loading_curvature
from synthhealth.generators.vae.episodes import Batch, Episodes
from synthhealth.generators.vae.network import PanelLayer, ValueLayer

Floats = NDArray[np.float64]
PATIENTS_A_BLOCK = 512
CLIP_QUANTILE = 0.75
PANEL_PRIOR = 1.5
LOADING_PRIOR = 0.5
LONGEST = 3.0


class EventDecoder(nn.Module):
    """The parts of the decoder that private steps move; its loss is a patient's negative log-likelihood, summed."""

    def __init__(self, heads: Heads, *, panels: bool, values: bool) -> None:
        super().__init__()
        self.panel = PanelLayer(heads.panels) if panels else None
        self.value = ValueLayer(heads.values) if values else None

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
    heads: Heads, episodes: Episodes, rows: NDArray[np.int64], *, panels: bool, values: bool
) -> Iterator[Floats]:
    """Ascent directions of the log-likelihood, [block, parameters], for the patients `rows` by blocks.

    Parameters run as PanelLayer's, then ValueLayer's, each flattened.

    Privacy: internal only, when the episodes are real; each row is its own patient's.
    """
    model = GradSampleModule(EventDecoder(heads, panels=panels, values=values), loss_reduction="sum")
    if not values:
        episodes = episodes.without_records()
    for block in episodes.blocks(rows, PATIENTS_A_BLOCK):
        batch = Batch.of(episodes, block, heads.values)
        yield -gradient_rows(model, model(batch), len(block)).numpy()


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelBelief:
    """What is believed of each test's panel weights, in the order of `weights_of`, and of its loading [L]."""

    tests: tuple[Belief, ...]
    loadings: tuple[Belief, ...]

    @staticmethod
    def of(heads: Heads) -> PanelBelief:
        """The prior around the present weights."""
        count = len(heads.panels.prev)
        return PanelBelief(
            tests=tuple(Belief.prior(weights_of(heads.panels, t), PANEL_PRIOR) for t in range(count)),
            loadings=tuple(Belief.prior(row, LOADING_PRIOR) for row in heads.panels.loading),
        )

    def faded(self, keep: float) -> PanelBelief:
        """Every test's belief with `keep` of what was learnt beyond the prior."""
        return PanelBelief(
            tests=tuple(one.faded(keep) for one in self.tests),
            loadings=tuple(one.faded(keep) for one in self.loadings),
        )


def panel_step(
    training: Room, heads: Heads, real: Episodes, dreamt: Episodes, belief: PanelBelief, *, patients: float
) -> tuple[Heads, PanelBelief]:
    """One private step on the panel head: clipped to what dreamt patients need, read with the dreamt curvature.

    `patients` is the noisy number that turns the sum into a mean.

    Privacy: one of the steps that were paid for on entering the training room.
    """
    everyone = np.arange(dreamt.draws.patients)
    dreams = np.concatenate(list(gradient_blocks(heads, dreamt, everyone, panels=True, values=False)))
    lengths = np.linalg.norm(dreams, axis=1)
    norm = max(float(np.quantile(lengths, CLIP_QUANTILE)), 1.0)
    kept = float(np.minimum(1.0, norm / np.maximum(lengths, 1e-9)).mean())
    total = training.step(
        lambda rows: gradient_blocks(heads, real, rows, panels=True, values=False),
        dreams.shape[1],
        max_grad_norm=norm,
    )
    sigma = training.event.noise_multiplier * norm / patients
    mean = total / patients
    # what a loading gathers on the decoder's own dreams is the encoder's bias, not news
    clipped = np.minimum(1.0, norm / np.maximum(lengths, 1e-9)) @ dreams / len(dreams)
    news = _loading_part(mean - clipped, heads)
    tests = len(heads.panels.prev)
    beliefs, loadings = [], []
    for t in range(tests):
        fisher, _ = curvature(dreamt.panels, heads.panels, t, dreamt.draws.patients)
        beliefs.append(belief.tests[t].observe(_panel_part(mean, heads, t), fisher * kept, sigma, longest=LONGEST))
        bend = loading_curvature(dreamt, heads, t) * kept
        loadings.append(belief.loadings[t].observe(news[t], bend, sigma, longest=LONGEST))
    moved = with_weights(heads.panels, [one.mean for one in beliefs])
    moved = replace(moved, loading=np.stack([one.mean for one in loadings]))
    return replace(heads, panels=moved), PanelBelief(tests=tuple(beliefs), loadings=tuple(loadings))


def _loading_part(mean: Floats, heads: Heads) -> Floats:
    """The loadings' part [T, L] of a flat panel gradient, where it stands last."""
    loading = heads.panels.loading
    return mean[len(mean) - loading.size :].reshape(loading.shape)


def _panel_part(mean: Floats, heads: Heads, t: int) -> Floats:
    """Test t's part of a flat panel gradient, in the order of `weights_of`."""
    tests = len(heads.panels.prev)
    cuts = np.cumsum([tests * SHARED, tests, tests])
    shared, prev, ever, rest = np.split(mean, cuts)
    bits = rest[: tests * tests].reshape(tests, tests)
    return np.concatenate([shared.reshape(tests, SHARED)[t], [prev[t], ever[t]], bits[t, :t]])
