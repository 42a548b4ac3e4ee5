"""The encoder: a patient's row and the set of the patient's draws to the mean and spread of a latent."""

from __future__ import annotations

import torch
from torch import nn

from synthhealth.generators.dpsgd.batch import TIME_FEATURES, Batch
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.layers import linear, public_tables

SPREAD = 3.0


class Encoder(nn.Module):
    """Deep sets (Zaheer et al. 2017): each draw is embedded alone, then mean and maximum over a patient's draws."""

    tilt: torch.Tensor

    def __init__(self, ground: Ground, *, hidden: int, latent: int) -> None:
        super().__init__()
        public_tables(self, tilt=torch.from_numpy(ground.tilt))
        scores = int(ground.score_cuts[-1])
        pooled = 2 * hidden if ground.tests else 0
        self.draw = linear(TIME_FEATURES + 3 * ground.tests, hidden) if ground.tests else None
        self.patient = linear(scores + pooled, hidden)
        self.code = linear(hidden, 2 * latent)

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance of each patient's latent, both [n, latent]."""
        known = [batch.scores]
        if self.draw is not None:
            known += _pooled(torch.relu(self.draw(self._embedded(batch))), batch.present)
        code = self.code(torch.tanh(self.patient(torch.cat(known, dim=1))))
        mean, spread = code.chunk(2, dim=1)
        return mean, SPREAD * torch.tanh(spread / SPREAD)

    def _embedded(self, batch: Batch) -> torch.Tensor:
        """A draw as numbers: time, which tests, their values' ranks and squared ranks, [n, D, ..]."""
        rank = ranks(self.tilt, batch.value) * batch.bits
        return torch.cat([batch.time, batch.bits, rank, (rank**2 - 1) * batch.bits], dim=2)


def ranks(tilt: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """The standardised ranks of bins [.., T], from the table [T, V + 1]."""
    return tilt[torch.arange(tilt.shape[0], device=bins.device), bins]


def _pooled(drawn: torch.Tensor, present: torch.Tensor) -> list[torch.Tensor]:
    """Mean and maximum over the draws that are there, 0 for patients without any, each [n, hidden]; `drawn` >= 0."""
    kept = drawn * present[..., None]
    if kept.shape[1] == 0:
        return [kept.sum(dim=1)] * 2
    return [kept.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1.0), kept.amax(dim=1)]
