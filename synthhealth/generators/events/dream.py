"""Patients dreamt by the current model: draws, panels and values, one draw of all patients at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from synthhealth.encoding.draws import Draws
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains
from synthhealth.generators.events.gaps import GapHead
from synthhealth.generators.events.panels import PanelHead, last_of, room_left, shared_features, yet_to_come
from synthhealth.generators.events.values import ValueHead

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The event decoder: gaps, panels, values, over a window of `steps` time steps."""

    gaps: GapHead
    panels: PanelHead
    values: ValueHead
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """What the patient table says of a patient's draws; n patients, T tests, L latent dimensions.

    `count` [n] draws, `first` and `final` [n] steps, `panel_size` [n] records a draw,
    `level` [n, T] with LEVELS for never measured, `latent` [n, L].
    """

    count: NDArray[np.int64]
    first: NDArray[np.int64]
    final: NDArray[np.int64]
    panel_size: Floats
    level: NDArray[np.int64]
    latent: Floats

    def take(self, rows: NDArray[np.int64]) -> Sketch:
        """The patients at `rows`."""
        return Sketch(
            count=self.count[rows],
            first=self.first[rows],
            final=self.final[rows],
            panel_size=self.panel_size[rows],
            level=self.level[rows],
            latent=self.latent[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dream:
    """Dreamt draws with their values in bins; `level` in `chains` is the one the sketch asked for."""

    draws: Draws
    chains: Chains

    def contexts(self, tests: int) -> Floats:
        """Counts a patient of (last bin, level) by test, [T, V + 1, LEVELS]."""
        level = np.minimum(self.chains.level[self.draws.record_owner, self.draws.test], LEVELS - 1)
        index = (self.draws.test * (VALUE_BINS + 1) + self.chains.last) * LEVELS + level
        counts = np.bincount(index, minlength=tests * (VALUE_BINS + 1) * LEVELS)
        return counts.reshape(tests, VALUE_BINS + 1, LEVELS) / max(self.draws.patients, 1)

    def values(self, tests: int) -> Floats:
        """Counts a patient of value bins by test, [T, V]."""
        counts = np.bincount(self.draws.test * VALUE_BINS + self.chains.bin, minlength=tests * VALUE_BINS)
        return counts.reshape(tests, VALUE_BINS) / max(self.draws.patients, 1)

    def push(self, head: ValueHead) -> Floats:
        """By how much the other tests of a draw tilt each test, standard deviation over its values, [T]."""
        if not head.cross.any():
            return np.zeros(len(head.width))
        found = surprises(self.draws, self.chains, head) @ np.tril(head.cross, -1).T
        held = self.draws.bits
        count = np.maximum(held.sum(axis=0), 1)
        return np.asarray(np.sqrt((found**2 * held).sum(axis=0) / count))


def surprises(draws: Draws, chains: Chains, head: ValueHead) -> Floats:
    """How far each value lies from what its own past would have it, in tilts, 0 for no value, [d, T].

    Privacy: internal only, when the draws are real; a per-patient map.
    """
    expected = np.einsum("tulv,tv->tul", context_chances(head), head.tilt)
    level = np.minimum(chains.level[draws.record_owner, draws.test], LEVELS - 1)
    found = np.zeros(draws.bits.shape)
    found[draws.draw, draws.test] = head.tilt[draws.test, chains.bin] - expected[draws.test, chains.last, level]
    return found


def dream(sketch: Sketch, heads: Heads, rng: np.random.Generator, *, values: bool = True) -> Dream:
    """Draws and values for every patient of `sketch`; without `values` all bins are 0.

    Privacy: free; post-processing.
    """
    tests = len(heads.panels.prev)
    count = np.where((sketch.level < LEVELS).any(axis=1), sketch.count, 0) if tests else np.zeros_like(sketch.count)
    order = np.argsort(-count, kind="stable")
    state = _State.start(sketch.take(order), count[order], heads)
    rounds = int(count.max(initial=0))
    pieces = [state.advance(k, rng, values=values) for k in range(rounds)]
    return _gather(pieces, order, sketch, tests)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Records of one round: place in the sorted patients, step, test, bin, last bin."""

    row: NDArray[np.int64]
    step: NDArray[np.int64]
    test: NDArray[np.int64]
    bin: NDArray[np.int64]
    last: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Where every patient stands; patients are sorted so that those with draws to come are the first rows."""

    sketch: Sketch
    count: NDArray[np.int64]
    heads: Heads
    has: NDArray[np.bool_]
    step: NDArray[np.int64]
    prev: NDArray[np.bool_]
    ever: NDArray[np.bool_]
    last: NDArray[np.int64]
    held: NDArray[np.int64]
    drive: Floats
    values: _ValueSampler

    @staticmethod
    def start(sketch: Sketch, count: NDArray[np.int64], heads: Heads) -> _State:
        shape = sketch.level.shape
        return _State(
            sketch=sketch,
            count=count,
            heads=heads,
            has=sketch.level < LEVELS,
            step=np.zeros(shape[0], dtype=np.int64),
            prev=np.zeros(shape, dtype=np.bool_),
            ever=np.zeros(shape, dtype=np.bool_),
            last=np.full(shape, VALUE_BINS, dtype=np.int64),
            held=np.zeros(shape[0], dtype=np.int64),
            drive=heads.panels.drive(sketch.level),
            values=_ValueSampler.of(heads.values),
        )

    def advance(self, k: int, rng: np.random.Generator, *, values: bool) -> _Piece:
        """The k-th draw of all patients that have one."""
        active = int(np.searchsorted(-self.count, -k, side="left"))
        gap = self._move(k, active, rng)
        bits = self._panel(k, active, gap, rng)
        row, test = np.nonzero(bits)
        last = self.last[row, test]
        coded = np.zeros(len(row), dtype=np.int64)
        if values:
            coded = self.values.draw(bits, self.last[:active], self.sketch.level[:active], rng)[row, test]
        self.last[row, test] = coded
        self.held[:active] += bits.sum(axis=1)
        self.prev[:active] = bits
        self.ever[:active] |= bits
        return _Piece(row=row, step=self.step[row], test=test, bin=coded, last=last)

    def _move(self, k: int, active: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Set the step of the k-th draw; returns the gap since the one before."""
        if k == 0:
            self.step[:active] = self.sketch.first[:active]
            return np.zeros(active, dtype=np.int64)
        now, final = self.step[:active], np.maximum(self.sketch.final[:active], self.sketch.first[:active])
        left = np.maximum(final - now, 0).astype(np.float64)
        to_come = (self.count[:active] - k).astype(np.float64)
        gap = np.where(to_come > 1, self.heads.gaps.draw(left, to_come, rng), left.astype(np.int64))
        self.step[:active] = np.minimum(now + gap, self.heads.steps - 1)
        return gap

    def _panel(self, k: int, active: int, gap: NDArray[np.int64], rng: np.random.Generator) -> Flags:
        head, tests = self.heads.panels, self.has.shape[1]
        due = (self.sketch.panel_size[:active] * self.count[:active] - self.held[:active]) / (self.count[:active] - k)
        shared = shared_features(
            step=self.step[:active],
            gap=gap,
            first=np.full(active, k == 0),
            previous_size=self.prev[:active].sum(axis=1),
            steps=self.heads.steps,
            tests=tests,
        )
        logits = (
            shared @ head.shared.T
            + self.prev[:active] * head.prev
            + self.ever[:active] * (head.ever + self.drive[:active])
        )
        logits += self.sketch.latent[:active] @ head.loading.T
        # a patient who has a level of a test has a value of it: the last draw holds what did not come before
        logits[self.has[:active] & ~self.ever[:active] & (self.count[:active] == k + 1)[:, None]] = np.inf
        open_to = self.has[:active] & ~(head.once & self.ever[:active])
        return _sequential(logits, due, head, open_to, rng)


def _sequential(logits: Floats, due: Floats, head: PanelHead, has: Flags, rng: np.random.Generator) -> Flags:
    """Bits [n, T], each test decided on those before it; the last of those in `has` [n, T] is in if no other is."""
    n, tests = logits.shape
    order = head.order
    coupling, last = head.bits[np.ix_(order, order)], last_of(has, order)
    to_come = yet_to_come(has, order)
    held, none = np.zeros((n, tests)), np.ones(n, dtype=np.bool_)
    lots = rng.logistic(size=(n, tests))
    for k, t in enumerate(order):
        room = room_left(due, held[:, :k].sum(axis=1), to_come[:, k])
        logit = logits[:, t] + held[:, :k] @ coupling[k, :k] + head.room[t] * room + (head.none[t] * none if k else 0.0)
        held[:, k] = ((logit > lots[:, t]) | (none & last[:, t])) & has[:, t]
        none &= held[:, k] == 0
    bits = np.zeros((n, tests), dtype=np.bool_)
    bits[:, order] = held > 0
    return bits


@dataclass(frozen=True, slots=True, kw_only=True)
class _ValueSampler:
    """The value head laid out for drawing: logits and cumulated chances by context."""

    head: ValueHead
    logits: Floats
    below: Floats
    mean: Floats
    tilt: Floats
    coupled: NDArray[np.bool_]

    @staticmethod
    def of(head: ValueHead) -> _ValueSampler:
        chances = context_chances(head)
        return _ValueSampler(
            head=head,
            logits=context_logits(head),
            below=np.cumsum(chances, axis=-1),
            mean=np.einsum("tulv,tv->tul", chances, head.tilt),
            tilt=head.tilt,
            coupled=np.asarray(head.cross.any(axis=1)),
        )

    def draw(
        self, bits: NDArray[np.bool_], last: NDArray[np.int64], level: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """A bin for every test that `bits` [n, T] holds, shape [n, T]."""
        n, tests = bits.shape
        coded = np.zeros((n, tests), dtype=np.int64)
        surprise = np.zeros((n, tests))
        for t in range(tests):
            rows = np.flatnonzero(bits[:, t])
            u, v = last[rows, t], np.minimum(level[rows, t], LEVELS - 1)
            if self.coupled[t]:
                push = surprise[rows, :t] @ self.head.cross[t, :t]
                logits = self.logits[t, u, v] + push[:, None] * self.tilt[t]
                odds = np.exp(logits - logits.max(axis=1, keepdims=True))
                below = np.cumsum(odds, axis=1)
                below /= below[:, -1:]
            else:
                below = self.below[t, u, v]
            bins = np.minimum((below < rng.random((len(rows), 1))).sum(axis=1), self.head.width[t] - 1)
            coded[rows, t] = bins
            surprise[rows, t] = self.tilt[t, bins] - self.mean[t, u, v]
        return coded


def context_logits(head: ValueHead) -> Floats:
    """Logits by test, last bin (VALUE_BINS: none) and level, [T, V + 1, LEVELS, V]; cross terms left out."""
    return np.concatenate([head.next_logits(), head.first_logits()[:, None]], axis=1)


def context_chances(head: ValueHead) -> Floats:
    """Chances of the bins by test, last bin and level, [T, V + 1, LEVELS, V]; cross terms left out."""
    return np.asarray(softmax(context_logits(head), axis=-1))


def _gather(pieces: list[_Piece], order: NDArray[np.int64], sketch: Sketch, tests: int) -> Dream:
    empty = np.zeros(0, dtype=np.int64)

    def column(name: str) -> NDArray[np.int64]:
        return np.concatenate([getattr(piece, name) for piece in pieces]) if pieces else empty

    owner, step, test, coded, last = order[column("row")], column("step"), column("test"), column("bin"), column("last")
    # a cell carries bin and last through the sort that makes draws
    draws = Draws.of_records(
        patients=len(order), owner=owner, step=step, test=test, cell=coded * (VALUE_BINS + 1) + last, tests=tests
    )
    chains = Chains(bin=draws.cell // (VALUE_BINS + 1), last=draws.cell % (VALUE_BINS + 1), level=sketch.level)
    return Dream(draws=draws, chains=chains)
