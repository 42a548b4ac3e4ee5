"""Draws of patients from the event decoder, one draw of all patients at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthhealth.encoding.draws import Draws
from synthhealth.generators.dpsgd.batch import time_features
from synthhealth.generators.dpsgd.event_decoder import EventDecoder
from synthhealth.generators.dpsgd.ground import VALUE_WAVES, Ground
from synthhealth.generators.dpsgd.network import LATENT, Network
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains
from synthhealth.generators.events.dream import Dream, Sketch
from synthhealth.generators.events.gaps import GapHead

Places = NDArray[np.int64]
Floats = NDArray[np.float64]
EMPTY_RETRIES = 6


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
    return codes, patients, draws_of(network, ground, codes, patients, hidden=hidden, scores=scores, rng=rng)


@torch.no_grad()
def draws_of(
    network: Network,
    ground: Ground,
    codes: Places,
    patients: pd.DataFrame,
    *,
    hidden: torch.Tensor,
    scores: torch.Tensor,
    rng: np.random.Generator,
) -> Dream | None:
    """The draws of patients with rows of levels [n, C], `hidden` [n, hidden] and `scores` [n, S]; None without tests.

    Privacy: free; post-processing.
    """
    if network.events is None:
        return None
    book = ground.book
    sketch = book.sketch(codes, np.zeros((len(codes), 0)), book.last_step(patients), rng)
    return dreamt(network.events, ground, sketch, network.events.of_patient(hidden, scores), rng)


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
    """Where every patient stands; patients are sorted so that those with draws to come are the first rows.

    The network tells what it thinks of all active patients at once; the tests of a draw, each of
    which depends on those before it, are then drawn in order on plain arrays.
    """

    def __init__(
        self, decoder: EventDecoder, ground: Ground, sketch: Sketch, patient: torch.Tensor, rng: np.random.Generator
    ) -> None:
        n, tests = sketch.level.shape
        self.decoder, self.ground, self.sketch, self.patient, self.rng = decoder, ground, sketch, patient, rng
        self.steps = ground.book.layout.steps
        self.final = np.maximum(sketch.final, sketch.first)
        self.level = np.minimum(sketch.level, LEVELS - 1)
        self.has = sketch.level < LEVELS
        self.step = sketch.first.copy()
        self.gap = np.zeros(n, dtype=np.int64)
        self.last = np.full((n, tests), VALUE_BINS)
        self.previous = np.zeros((n, tests))
        self.panel_link = (decoder.panel_link.weight * decoder.panel_link.mask)[:, :tests].numpy()
        value_link = (decoder.value_link.weight * decoder.value_link.mask).numpy()
        self.value_link = value_link.reshape(tests, VALUE_WAVES, tests)
        self.value_base, self.tilt, self.basis = decoder.value_base.numpy(), ground.tilt, ground.value_basis

    def round(self, k: int, active: int) -> _Round:
        """The k-th draw of the first `active` patients, who all have one."""
        to_come = self.sketch.count[:active] - k - 1
        step, left = self.step[:active].copy(), (self.final - self.step)[:active]
        features = time_features(step, self.gap[:active], np.full(active, k == 0), left, to_come, self.steps)
        last, previous = (torch.from_numpy(table[:active])[:, None] for table in (self.last, self.previous))
        state = self.decoder.state(self.patient[:active], torch.from_numpy(features)[:, None], last, previous)
        logits = self.decoder.panel_logits(state, torch.zeros_like(previous), last, previous)
        bits = self._panel(logits[:, 0].numpy())
        weights = self.decoder.value_weights(state, last, torch.from_numpy(self.level[:active]))
        bins = self._values(weights[:, 0].numpy(), bits)
        row, test = np.nonzero(bits)
        records = _Round(row=row, step=step[row], test=test, bin=bins[row, test], last=self.last[row, test])
        self.last[row, test] = bins[row, test]
        self.previous[:active] = bits
        self._move(self.decoder.gap(state[:, 0]).numpy(), left, to_come)
        return records

    def _panel(self, logits: Floats) -> Floats:
        """Which tests the draw holds, from logits [n, T] that do not know of each other, at least one, [n, T]."""
        active = len(logits)
        logits = np.where(self.has[:active], logits, -np.inf)
        bits, todo = np.zeros(logits.shape), np.arange(active)
        for _ in range(EMPTY_RETRIES):
            bits[todo] = self._in_order(logits[todo])
            todo = todo[bits[todo].sum(axis=1) == 0]
            if len(todo) == 0:
                return bits
        # a draw holds at least one test: the likeliest by its logit and a Gumbel lot
        bits[todo, (logits[todo] + self.rng.gumbel(size=(len(todo), logits.shape[1]))).argmax(axis=1)] = 1.0
        return bits

    def _in_order(self, logits: Floats) -> Floats:
        bits, lots = np.zeros(logits.shape), self.rng.logistic(size=logits.shape)
        for t in range(logits.shape[1]):
            bits[:, t] = logits[:, t] + bits[:, :t] @ self.panel_link[t, :t] > lots[:, t]
        return bits

    def _values(self, weights: Floats, bits: Floats) -> Places:
        """A bin for every test that the draw holds, from weights [n, T, VALUE_WAVES], shape [n, T]."""
        bins, rank = np.zeros(bits.shape, dtype=np.int64), np.zeros(bits.shape)
        for t in range(bits.shape[1]):
            mine = np.flatnonzero(bits[:, t])
            told = weights[mine, t] + rank[mine, :t] @ self.value_link[t, :, :t].T
            logits = self.value_base[t] + told @ self.basis[t].T
            bins[mine, t] = (logits + self.rng.gumbel(size=logits.shape)).argmax(axis=1)
            rank[mine, t] = self.tilt[t, bins[mine, t]]
        return bins

    def _move(self, logits: Floats, left: Places, to_come: Places) -> None:
        """Go on to the step of the next draw; the last one falls on the last step."""
        active = len(left)
        logits = logits + self.ground.gap_base(left.astype(np.float64), to_come.astype(np.float64))
        cell = (logits + self.rng.gumbel(size=logits.shape)).argmax(axis=1)
        edges, _ = GapHead.edges(self.steps)
        gap = edges[cell] + np.floor(self.rng.random(active) * (edges[cell + 1] - edges[cell])).astype(np.int64)
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
