"""The decoder of the patient's row: each column from the latent and the columns before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from synthhealth.generators.dpsgd.batch import Batch
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.layers import fixed, linear, public_tables
from synthhealth.generators.dpsgd.masked import MaskedLinear
from synthhealth.generators.table.decoder import Wanted, evidence, under
from synthhealth.generators.table.masks import Masks

Floats = NDArray[np.float64]


class RowDecoder(nn.Module):
    """Logits of column j: log noisy shares + scores of its levels . (latent part + masked part of earlier scores)."""

    def __init__(self, ground: Ground, *, hidden: int) -> None:
        super().__init__()
        self.cuts = ground.score_cuts
        self.level_cuts = np.cumsum([0, *(len(share) for share in ground.shares)])
        self.masks = Masks.of(ground.book.layout.schema, ground.book.columns)
        self.base = fixed(np.log(np.concatenate(ground.shares)))
        public_tables(self, **{f"table_{j}": torch.from_numpy(score.table) for j, score in enumerate(ground.scores)})
        owner = torch.from_numpy(np.repeat(np.arange(len(ground.scores)), np.diff(self.cuts)))
        self.latent = linear(hidden, int(self.cuts[-1]))
        self.earlier = MaskedLinear((owner[:, None] > owner[None]).to(torch.float64))

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Minus the log likelihood of each patient's row, shape [n]; `hidden` [n, hidden] is made of the latent."""
        weights = self.latent(hidden) + self.earlier(batch.scores)
        total = hidden.new_zeros(len(hidden))
        for j in range(len(self.cuts) - 1):
            chances = torch.log_softmax(self.logits(weights, j), dim=1)
            total = total - chances.gather(1, batch.codes[:, j : j + 1])[:, 0]
        return total

    @property
    def tables(self) -> list[torch.Tensor]:
        """The scores of every column's levels, [levels, scores] each."""
        return [self.get_buffer(f"table_{j}") for j in range(len(self.cuts) - 1)]

    def logits(self, weights: torch.Tensor, j: int) -> torch.Tensor:
        """Logits [n, levels] of column j from all columns' weights [n, S]."""
        return self.base_of(j) + weights[:, self.cuts[j] : self.cuts[j + 1]] @ self.get_buffer(f"table_{j}").T

    def base_of(self, j: int) -> torch.Tensor:
        """The part of the logits of column j that knows no patient, shape [levels]."""
        base: torch.Tensor = self.base[self.level_cuts[j] : self.level_cuts[j + 1]]
        return base

    def sample(self, hidden: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of levels [n, C] and their scores [n, S], one column after the other."""
        codes, scores, _ = self.under(hidden, rng, {})
        return torch.from_numpy(codes), scores

    def under(
        self,
        hidden: torch.Tensor,
        rng: np.random.Generator,
        wanted: Mapping[int, Wanted],
        *,
        hints: Mapping[int, Floats] | None = None,
        columns: int | None = None,
        prefix: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.int64], torch.Tensor, Floats]:
        """Rows of levels [n, columns], scores [n, S] and log weights [n] under evidence (see `Decoder.sample`).

        `prefix` [n, fixed] gives the first columns.
        """
        n, fixed = len(hidden), 0 if prefix is None else prefix.shape[1]
        scores = torch.zeros(n, int(self.cuts[-1]), dtype=hidden.dtype)
        given = self.latent(hidden)
        codes, log_weight = np.zeros((n, len(self.tables[:columns])), dtype=np.int64), np.zeros(n)
        for j, table in enumerate(self.tables[:columns]):
            mine = slice(int(self.cuts[j]), int(self.cuts[j + 1]))
            if prefix is not None and j < fixed:
                codes[:, j] = prefix[:, j]
            else:
                weights = given[:, mine] + scores @ (self.earlier.weight * self.earlier.mask)[mine].T
                logits = self.base_of(j) + weights @ table.T + torch.as_tensor(self.masks.closed(j, codes))
                share = evidence(j, codes, wanted, hints)
                if share is not None:
                    chances, told = under(torch.softmax(logits, dim=1).numpy(), share)
                    logits, log_weight = torch.log(torch.from_numpy(chances)), log_weight + told
                codes[:, j] = drawn_level(logits, rng).numpy()
                if hints is not None and j in hints:
                    log_weight = log_weight - np.log(hints[j])[codes[:, j]]
            scores[:, mine] = table[torch.from_numpy(codes[:, j])]
        return codes, scores, log_weight


def drawn_level(logits: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A level for each row of logits [.., levels], by Gumbel lots from a public stream."""
    return (logits + torch.from_numpy(rng.gumbel(size=tuple(logits.shape)))).argmax(dim=-1)
