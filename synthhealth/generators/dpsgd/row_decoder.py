"""The decoder of the patient's row: each column from the latent and the columns before it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from synthhealth.generators.dpsgd.batch import Batch
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.layers import fixed, linear
from synthhealth.generators.dpsgd.masked import MaskedLinear


class RowDecoder(nn.Module):
    """Logits of column j: log noisy shares + scores of its levels . (latent part + masked part of earlier scores)."""

    def __init__(self, ground: Ground, *, hidden: int) -> None:
        super().__init__()
        self.cuts = ground.score_cuts
        self.level_cuts = np.cumsum([0, *(len(share) for share in ground.shares)])
        self.base = fixed(np.log(np.concatenate(ground.shares)))
        self.tables = [torch.from_numpy(score.table) for score in ground.scores]
        owner = torch.from_numpy(np.repeat(np.arange(len(self.tables)), np.diff(self.cuts)))
        self.latent = linear(hidden, int(self.cuts[-1]))
        self.earlier = MaskedLinear((owner[:, None] > owner[None]).to(torch.float64))

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Minus the log likelihood of each patient's row, shape [n]; `hidden` [n, hidden] is made of the latent."""
        weights = self.latent(hidden) + self.earlier(batch.scores)
        total = torch.zeros(len(hidden), dtype=hidden.dtype)
        for j in range(len(self.tables)):
            chances = torch.log_softmax(self.logits(weights, j), dim=1)
            total = total - chances.gather(1, batch.codes[:, j : j + 1])[:, 0]
        return total

    def logits(self, weights: torch.Tensor, j: int) -> torch.Tensor:
        """Logits [n, levels] of column j from all columns' weights [n, S]."""
        return self.base_of(j) + weights[:, self.cuts[j] : self.cuts[j + 1]] @ self.tables[j].T

    def base_of(self, j: int) -> torch.Tensor:
        """The part of the logits of column j that knows no patient, shape [levels]."""
        base: torch.Tensor = self.base[self.level_cuts[j] : self.level_cuts[j + 1]]
        return base

    def sample(self, hidden: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of levels [n, C] and their scores [n, S], one column after the other."""
        n = len(hidden)
        scores = torch.zeros(n, int(self.cuts[-1]), dtype=hidden.dtype)
        given = self.latent(hidden)
        codes = []
        for j, table in enumerate(self.tables):
            mine = slice(int(self.cuts[j]), int(self.cuts[j + 1]))
            weights = given[:, mine] + scores @ (self.earlier.weight * self.earlier.mask)[mine].T
            drawn = drawn_level(self.base_of(j) + weights @ table.T, rng)
            scores[:, mine] = table[drawn]
            codes.append(drawn)
        return torch.stack(codes, dim=1), scores


def drawn_level(logits: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A level for each row of logits [.., levels], by Gumbel lots from a public stream."""
    return (logits + torch.from_numpy(rng.gumbel(size=tuple(logits.shape)))).argmax(dim=-1)
