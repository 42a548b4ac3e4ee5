"""The decoder of the draws: when the next one comes, which tests it holds and what they show."""

from __future__ import annotations

import torch
from torch import nn

from synthhealth.generators.dpsgd.batch import TIME_FEATURES, Batch
from synthhealth.generators.dpsgd.encoder import ranks
from synthhealth.generators.dpsgd.ground import VALUE_WAVES, Ground
from synthhealth.generators.dpsgd.layers import embedding, fixed, linear, public_tables
from synthhealth.generators.dpsgd.masked import MaskedLinear
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS
from synthhealth.generators.events.gaps import GapHead


class EventDecoder(nn.Module):
    """Heads over one hidden state a draw, made of the patient and of what was seen before the draw.

    What all tests share (`habit`, `inertia`, `pull`) is learnt from the records of all of them, next
    to what is a test's own. Tests in a draw come in the schema's order: a test sees which earlier tests the draw holds,
    a value sees the ranks of the values of earlier tests.
    """

    tilt: torch.Tensor
    basis: torch.Tensor

    def __init__(self, ground: Ground, *, hidden: int) -> None:
        super().__init__()
        tests = ground.tests
        self.tests = tests
        public_tables(self, tilt=torch.from_numpy(ground.tilt), basis=torch.from_numpy(ground.value_basis))
        self.value_base, self.panel_base = fixed(ground.value_base), fixed(ground.panel_base)
        gap_edges, _ = GapHead.edges(ground.book.layout.steps)
        self.patient = linear(hidden + int(ground.score_cuts[-1]), hidden)
        self.draw = linear(TIME_FEATURES + 3 * tests, hidden, bias=False)
        self.gap = linear(hidden, len(gap_edges) - 1)
        self.panel = linear(hidden, tests)
        before, own = torch.ones(tests, tests, dtype=torch.float64).tril(-1), torch.eye(tests, dtype=torch.float64)
        self.panel_link = MaskedLinear(torch.cat([before, own, own], dim=1))
        self.value = linear(hidden, tests * VALUE_WAVES)
        self.value_last = embedding(tests * (VALUE_BINS + 1), VALUE_WAVES)
        self.value_level = embedding(tests * LEVELS, VALUE_WAVES)
        self.habit = linear(2, 1, bias=False)
        self.inertia = embedding(VALUE_BINS + 1, VALUE_WAVES)
        self.pull = embedding(LEVELS, VALUE_WAVES)
        self.value_link = MaskedLinear(before.repeat_interleave(VALUE_WAVES, dim=0))

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Minus the log likelihood of each patient's draws, given the row, shape [n]."""
        state = self.state(self.of_patient(hidden, batch.scores), batch.time, batch.last, batch.previous)
        return self._gap_loss(state, batch) + self._panel_loss(state, batch) + self._value_loss(state, batch)

    def of_patient(self, hidden: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """What the patient lends to every draw, [n, hidden]."""
        told: torch.Tensor = self.patient(torch.cat([hidden, scores], dim=1))
        return told

    def state(
        self, patient: torch.Tensor, time: torch.Tensor, last: torch.Tensor, previous: torch.Tensor
    ) -> torch.Tensor:
        """The hidden state of each draw, [n, D, hidden]."""
        ever = (last < VALUE_BINS).to(torch.float64)
        seen = torch.cat([time, previous, ever, ranks(self.tilt, last)], dim=2)
        return torch.tanh(patient[:, None] + self.draw(seen))

    def panel_logits(
        self, state: torch.Tensor, bits: torch.Tensor, last: torch.Tensor, previous: torch.Tensor
    ) -> torch.Tensor:
        """Logits that a draw holds each test, of which only earlier ones in `bits` count, [n, D, T]."""
        ever = (last < VALUE_BINS).to(torch.float64)
        link = self.panel_link(torch.cat([bits, previous, ever], dim=2))
        habit = self.habit(torch.stack([previous, ever], dim=3))[..., 0]
        logits: torch.Tensor = self.panel_base + self.panel(state) + link + habit
        return logits

    def value_weights(self, state: torch.Tensor, last: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Weights on the value waves without those of the draw's earlier tests, [n, D, T, VALUE_WAVES]."""
        place = torch.arange(self.tests, device=last.device)
        own = self.value_last(place * (VALUE_BINS + 1) + last) + self.value_level(place * LEVELS + level)[:, None]
        shared = self.inertia(last) + self.pull(level)[:, None]
        weights: torch.Tensor = self.value(state).reshape(*own.shape) + own + shared
        return weights

    def _gap_loss(self, state: torch.Tensor, batch: Batch) -> torch.Tensor:
        chances = torch.log_softmax(batch.gap_base + self.gap(state), dim=2)
        return -(chances.gather(2, batch.gap[..., None])[..., 0] * batch.gap_open).sum(dim=1)

    def _panel_loss(self, state: torch.Tensor, batch: Batch) -> torch.Tensor:
        logits = self.panel_logits(state, batch.bits, batch.last, batch.previous)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, batch.bits, reduction="none")
        return (loss * batch.measured[:, None] * batch.present[..., None]).sum(dim=(1, 2))

    def _value_loss(self, state: torch.Tensor, batch: Batch) -> torch.Tensor:
        rank = ranks(self.tilt, batch.value) * batch.bits
        weights = self.value_weights(state, batch.last, batch.level)
        weights = weights + self.value_link(rank).reshape(*weights.shape)
        logits = self.value_base + torch.einsum("ndtw,tvw->ndtv", weights, self.basis)
        chances = torch.log_softmax(logits, dim=3)
        return -(chances.gather(3, batch.value[..., None])[..., 0] * batch.bits).sum(dim=(1, 2))
