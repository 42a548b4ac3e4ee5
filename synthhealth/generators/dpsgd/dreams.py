"""Draws of patients from the event decoder, one draw of all patients at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthhealth.encoding.draws import Draws
from synthhealth.generators.dpsgd.batch import time_features
from synthhealth.generators.dpsgd.encoder import ranks
from synthhealth.generators.dpsgd.event_decoder import EventDecoder
from synthhealth.generators.dpsgd.ground import VALUE_WAVES, Ground
from synthhealth.generators.dpsgd.network import LATENT, Network
from synthhealth.generators.dpsgd.row_decoder import drawn_level
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains
from synthhealth.generators.events.dream import EMPTY_RETRIES, Dream, Sketch
from synthhealth.generators.events.gaps import GapHead

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """Records of one round: place in the sorted patients, step, test, bin, bin before."""

    row: Places
    step: Places
    test: Places
    bin: Places
    last: Places


@torch.no_grad()
def imagined(
    network: Network, ground: Ground, n: int, rng: np.random.Generator
) -> tuple[Places, pd.DataFrame, Dream | None]:
    """`n` patients from the prior: rows of levels [n, C], the table of patients, and draws where there are tests.

    Privacy: free; post-processing.
    """
    book = ground.book
    hidden = network.hidden(torch.from_numpy(rng.normal(size=(n, LATENT))))
    drawn, scores = network.row.sample(hidden, rng)
    codes = drawn.numpy()
    patients = book.patients(codes, rng)
    if network.events is None:
        return codes, patients, None
    sketch = book.sketch(codes, np.zeros((n, 0)), book.last_step(patients), rng)
    told = network.events.of_patient(hidden, scores)
    return codes, patients, dreamt(network.events, ground, sketch, told, rng)


@torch.no_grad()
def dreamt(
    decoder: EventDecoder, ground: Ground, sketch: Sketch, patient: torch.Tensor, rng: np.random.Generator
) -> Dream:
    """Draws for every patient of `sketch`; `patient` [n, hidden] is what the decoder's `of_patient` says of them.

    Privacy: free; post-processing.
    """
    count = np.where((sketch.level < LEVELS).any(axis=1), sketch.count, 0)
    order = np.argsort(-count, kind="stable")
    night = _Night(decoder, ground, sketch.take(order), patient[torch.from_numpy(order)], rng)
    rounds = [night.round(k, int((count > k).sum())) for k in range(int(count.max(initial=0)))]
    return _gathered(rounds, order, sketch, ground.tests)


class _Night:
    """Where every patient stands; patients are sorted so that those with draws to come are the first rows."""

    def __init__(
        self, decoder: EventDecoder, ground: Ground, sketch: Sketch, patient: torch.Tensor, rng: np.random.Generator
    ) -> None:
        n, tests = sketch.level.shape
        self.decoder, self.ground, self.sketch, self.patient, self.rng = decoder, ground, sketch, patient, rng
        self.steps = ground.book.layout.steps
        self.final = np.maximum(sketch.final, sketch.first)
        self.level = torch.from_numpy(np.minimum(sketch.level, LEVELS - 1))
        self.has = torch.from_numpy(sketch.level < LEVELS)
        self.step = sketch.first.copy()
        self.gap = np.zeros(n, dtype=np.int64)
        self.last = torch.full((n, tests), VALUE_BINS)
        self.previous = torch.zeros(n, tests, dtype=torch.float64)

    def round(self, k: int, active: int) -> _Round:
        """The k-th draw of the first `active` patients, who all have one."""
        to_come = self.sketch.count[:active] - k - 1
        step, left = self.step[:active].copy(), (self.final - self.step)[:active]
        features = time_features(step, self.gap[:active], np.full(active, k == 0), left, to_come, self.steps)
        time = torch.from_numpy(features)[:, None]
        last, previous = self.last[:active], self.previous[:active]
        state = self.decoder.state(self.patient[:active], time, last[:, None], previous[:, None])
        bits = self._panel(state, last, previous, active)
        bins = self._values(state, bits, last, active)
        row, test = (axis.numpy() for axis in torch.nonzero(bits, as_tuple=True))
        records = _Round(row=row, step=step[row], test=test, bin=bins[row, test].numpy(), last=last[row, test].numpy())
        self.last[:active] = torch.where(bits > 0, bins, last)
        self.previous[:active] = bits
        self._move(state, left, to_come)
        return records

    def _panel(self, state: torch.Tensor, last: torch.Tensor, previous: torch.Tensor, active: int) -> torch.Tensor:
        logits = self.decoder.panel_logits(state, torch.zeros_like(previous)[:, None], last[:, None], previous[:, None])
        logits = logits[:, 0].masked_fill(~self.has[:active], -torch.inf)
        link = (self.decoder.panel_link.weight * self.decoder.panel_link.mask)[:, : self.ground.tests]
        bits = torch.zeros_like(previous)
        todo = torch.arange(active)
        for _ in range(EMPTY_RETRIES):
            bits[todo] = self._in_order(logits[todo], link)
            todo = todo[bits[todo].sum(dim=1) == 0]
            if len(todo) == 0:
                return bits
        # a draw holds at least one test: the likeliest by its logit and a Gumbel lot
        bits[todo, drawn_level(logits[todo], self.rng)] = 1.0
        return bits

    def _in_order(self, logits: torch.Tensor, link: torch.Tensor) -> torch.Tensor:
        bits = torch.zeros_like(logits)
        lots = torch.from_numpy(self.rng.logistic(size=tuple(logits.shape)))
        for t in range(logits.shape[1]):
            bits[:, t] = (logits[:, t] + bits[:, :t] @ link[t, :t] > lots[:, t]).to(torch.float64)
        return bits

    def _values(self, state: torch.Tensor, bits: torch.Tensor, last: torch.Tensor, active: int) -> torch.Tensor:
        decoder = self.decoder
        weights = decoder.value_weights(state, last[:, None], self.level[:active])[:, 0]
        link = (decoder.value_link.weight * decoder.value_link.mask).reshape(self.ground.tests, VALUE_WAVES, -1)
        bins, rank = torch.zeros_like(last), torch.zeros_like(bits)
        for t in range(self.ground.tests):
            mine = torch.nonzero(bits[:, t])[:, 0]
            told = weights[mine, t] + rank[mine] @ link[t].T
            bins[mine, t] = drawn_level(decoder.value_base[t] + told @ decoder.basis[t].T, self.rng)
            rank[mine, t] = ranks(decoder.tilt, bins[mine])[:, t]
        return bins

    def _move(self, state: torch.Tensor, left: Places, to_come: Places) -> None:
        """Go on to the step of the next draw; the last one falls on the last step."""
        active = len(left)
        base = torch.from_numpy(self.ground.gap_base(left.astype(np.float64), to_come.astype(np.float64)))
        cell = drawn_level(base + self.decoder.gap(state[:, 0]), self.rng).numpy()
        edges, _ = GapHead.edges(self.steps)
        low, high = edges[cell], edges[cell + 1]
        gap = low + np.floor(self.rng.random(active) * (high - low)).astype(np.int64)
        # leave at least one step for each draw that is still to come
        gap = np.minimum(gap, np.maximum(left - (to_come - 1), 1))
        self.gap[:active] = np.where(to_come > 1, gap, np.where(to_come == 1, left, 0))
        self.step[:active] = np.minimum(self.step[:active] + self.gap[:active], self.steps - 1)


def _gathered(rounds: list[_Round], order: Places, sketch: Sketch, tests: int) -> Dream:
    empty = np.zeros(0, dtype=np.int64)

    def column(name: str) -> Places:
        return np.concatenate([getattr(one, name) for one in rounds]) if rounds else empty

    bins, last = column("bin"), column("last")
    # a cell carries bin and last through the sort that makes draws
    draws = Draws.of_records(
        patients=len(order),
        owner=order[column("row")],
        step=column("step"),
        test=column("test"),
        cell=bins * (VALUE_BINS + 1) + last,
        tests=tests,
    )
    chains = Chains(bin=draws.cell // (VALUE_BINS + 1), last=draws.cell % (VALUE_BINS + 1), level=sketch.level)
    return Dream(draws=draws, chains=chains)
