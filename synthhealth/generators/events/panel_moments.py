"""The panel head fitted to noisy counts of tests, of tests together and of tests again: matched on dreamt draws."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from synthhealth.encoding.draws import Draws
from synthhealth.generators.belief import Belief
from synthhealth.generators.events.chains import LEVELS
from synthhealth.generators.events.dream import Heads, Sketch, dream
from synthhealth.generators.events.panels import (
    AGAIN,
    SHARED,
    USUAL,
    PanelHead,
    earlier_than,
    last_of,
    none_before,
    room_left,
    shared_features,
    yet_to_come,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
PRIOR_SCALE = 1.5
OWN = 4 + AGAIN
DAMPING = 0.7
LONGEST = 1.0
LONGEST_SHIFT = 0.5
RATE_PRIOR = 0.5
ROOM = SHARED + 3
ROOM_START = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelInputs:
    """What the panel head sees of d draws: numbers `shared` [d, SHARED], `room` [d, T], flags, levels, `order` [T].

    `room`, `prev`, `ever`, `none` and `bits` are features as in PanelHead, `level` [d, T] is the patient's.
    `free` says where there is anything to decide: the patient has the test, and it need not be in, as the
    last chance of the patient to have it, or of the draw to hold anything.
    """

    shared: Floats
    prev: Flags
    ever: Flags
    none: Flags
    room: Floats
    level: NDArray[np.int8]
    bits: Flags
    free: Flags
    order: NDArray[np.int64]

    @staticmethod
    def of(
        draws: Draws, panel_size: Floats, level: NDArray[np.int64], steps: int, order: NDArray[np.int64]
    ) -> PanelInputs:
        """The inputs of all draws; `panel_size` [patients], `level` [patients, T] with LEVELS for never measured."""
        prev, ever = draws.previous_bits(), draws.ever_bits()
        gap = np.diff(draws.step, prepend=0)
        first = draws.index == 0
        size = draws.bits.sum(axis=1)
        starts = np.flatnonzero(first)
        before = np.cumsum(size) - size
        before -= np.repeat(before[starts], np.diff(np.append(starts, len(size))))
        count = draws.per_patient()[draws.owner]
        due = (panel_size[draws.owner] * count - before) / (count - draws.index)
        shared = shared_features(
            step=draws.step,
            gap=np.where(first, 0, gap),
            first=first,
            previous_size=prev.sum(axis=1),
            steps=steps,
            tests=draws.bits.shape[1],
        )
        has = (level < LEVELS)[draws.owner]
        empty = none_before(draws.bits, order)
        last_chance = has & ~ever & (draws.index == count - 1)[:, None]
        none = empty.copy()
        none[:, order[:1]] = False
        return PanelInputs(
            shared=shared,
            prev=prev,
            ever=ever,
            none=none,
            room=room_of(due, draws.bits, has, order),
            level=level.astype(np.int8)[draws.owner],
            bits=draws.bits,
            free=has & ~last_chance & ~(empty & last_of(has, order)),
            order=order,
        )

    def of_test(self, t: int) -> Floats:
        """The features of test t's decision, [d, SHARED + OWN + how many tests come before it]."""
        before = earlier_than(t, self.order)
        return np.column_stack(
            [
                self.shared,
                self.prev[:, t],
                self.ever[:, t],
                self.none[:, t],
                self.room[:, t],
                self.ever[:, t, None] * USUAL[self.level[:, t]],
                self.bits[:, before],
            ]
        )


def room_of(due: Floats, bits: Flags, has: Flags, order: NDArray[np.int64]) -> Floats:
    """The room left for each test when it is decided on, [d, T]; `due` [d] records, `has` [d, T]."""
    placed = bits[:, order]
    held = np.cumsum(placed, axis=1, dtype=np.int64) - placed
    room = np.empty(bits.shape)
    room[:, order] = room_left(due[:, None], held, yet_to_come(has, order))
    return room


def panel_rows(
    draws: Draws, panel_size: Floats, level: NDArray[np.int64], steps: int, order: NDArray[np.int64]
) -> Floats:
    """Each patient's sums of features of the tests that were in, test by test, [patients, features of all tests].

    Privacy: internal only; row i is built from patient i alone.
    """
    inputs = PanelInputs.of(draws, panel_size, level, steps, order)
    held = draws.bits & inputs.free
    blocks = [draws.sums(inputs.of_test(t) * held[:, t, None]) for t in range(draws.bits.shape[1])]
    return np.concatenate(blocks, axis=1)


def weights_of(head: PanelHead, t: int) -> Floats:
    """Test t's weights in the order of `PanelInputs.of_test`."""
    own = [head.prev[t], head.ever[t], head.none[t], head.room[t], *head.again[t]]
    return np.concatenate([head.shared[t], own, head.bits[t, earlier_than(t, head.order)]])


def with_weights(head: PanelHead, rows: list[Floats]) -> PanelHead:
    """The head with test t's weights `rows[t]`; the latent loading stays."""
    bits = np.zeros_like(head.bits)
    for t, row in enumerate(rows):
        bits[t, earlier_than(t, head.order)] = row[SHARED + OWN :]
    return replace(
        head,
        shared=np.stack([row[:SHARED] for row in rows]),
        prev=np.array([row[SHARED] for row in rows]),
        ever=np.array([row[SHARED + 1] for row in rows]),
        none=np.array([row[SHARED + 2] for row in rows]),
        room=np.array([row[ROOM] for row in rows]),
        again=np.stack([row[ROOM + 1 : ROOM + 1 + AGAIN] for row in rows]),
        bits=bits,
    )


def panel_prior(heads: Heads) -> tuple[Belief, ...]:
    """What is believed of each test's panel weights, in the order of `weights_of`, before anything is told."""
    return tuple(Belief.prior(weights_of(heads.panels, t), PRIOR_SCALE) for t in range(len(heads.panels.prev)))


def rates_only(head: PanelHead, rates: Floats) -> PanelHead:
    """A head in which tests share the room of a draw by their noisy rates [T], whatever else there is."""
    rates = np.clip(rates, 0.01, 0.9)
    odds = np.log(rates / (1 - rates))
    shared = head.shared.copy()
    shared[:, 0] = odds - np.average(odds, weights=rates)
    return replace(head, shared=shared, room=np.full(len(rates), ROOM_START))


def curvature(inputs: PanelInputs, head: PanelHead, t: int, patients: int) -> tuple[Floats, Floats]:
    """Test t's Fisher information a patient [p, p], and the mean gradient a patient, on dreamt draws."""
    mine = np.flatnonzero(inputs.free[:, t])
    features = inputs.of_test(t)[mine]
    chance = expit(features @ weights_of(head, t))
    fisher = (features * (chance * (1 - chance))[:, None]).T @ features / patients
    return fisher, features.T @ (inputs.bits[mine, t] - chance) / patients


def _by_test(flat: Floats, order: NDArray[np.int64]) -> list[Floats]:
    return np.split(flat, np.cumsum(SHARED + OWN + np.argsort(order))[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelCounts:
    """The noisy `mean` of `panel_rows` over patients, each clipped to `norm`; `sigma` is the noise in each number."""

    mean: Floats
    sigma: float
    norm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missed:
    """What the dreams of a head miss of the counts, by test, and what they were dreamt on."""

    by_test: list[Floats]
    sigma: list[Floats]
    inputs: PanelInputs
    kept: float
    patients: int

    @staticmethod
    def of(heads: Heads, counts: PanelCounts, sketch: Sketch, rng: np.random.Generator) -> _Missed:
        """Dreams are clipped as the patients were, so that clipping does not bias the match."""
        dreamt = dream(sketch, heads, rng, values=False).draws
        moments = panel_rows(dreamt, sketch.panel_size, sketch.level, heads.steps, heads.panels.order)
        factor = np.minimum(1.0, counts.norm / np.maximum(np.linalg.norm(moments, axis=1), 1e-9))
        moments *= factor[:, None]
        missed = counts.mean - moments.mean(axis=0)
        chance = moments.std(axis=0) / np.sqrt(dreamt.patients)
        return _Missed(
            by_test=_by_test(missed, heads.panels.order),
            inputs=PanelInputs.of(dreamt, sketch.panel_size, sketch.level, heads.steps, heads.panels.order),
            sigma=_by_test(np.hypot(counts.sigma, chance), heads.panels.order),
            kept=float(factor.mean()),
            patients=dreamt.patients,
        )


def match_rates(
    heads: Heads, counts: PanelCounts, sketch: Sketch, rng: np.random.Generator, *, rounds: int = 4
) -> PanelHead:
    """The head with each test's constant moved towards being dreamt as often, among all records, as counted.

    Noise in the weights makes a rare test more frequent, since chances bend upwards; the counts
    know better, unless noise covers them: a constant is believed to be off by about RATE_PRIOR.

    Privacy: free; post-processing.
    """
    start = heads.panels.shared[:, 0]
    for _ in range(rounds):
        missed = _Missed.of(heads, counts, sketch, rng)
        wanted = np.array([block[0] for block in _by_test(counts.mean, heads.panels.order)])
        dreamt = wanted - np.array([block[0] for block in missed.by_test])
        # how many records a patient has is the patient table's to say
        off = np.maximum(wanted, 0.0) * dreamt.sum() / max(float(np.maximum(wanted, 0.0).sum()), 1e-9) - dreamt
        shared = heads.panels.shared.copy()
        for t, gap in enumerate(off):
            bend = curvature(missed.inputs, heads.panels, t, missed.patients)[0][0, 0] * missed.kept + 1e-9
            trust = RATE_PRIOR**2 / (RATE_PRIOR**2 + (missed.sigma[t][0] / bend) ** 2)
            aim = start[t] + trust * (shared[t, 0] + gap / bend - start[t])
            shared[t, 0] += float(np.clip(aim - shared[t, 0], -LONGEST_SHIFT, LONGEST_SHIFT))
        heads = replace(heads, panels=replace(heads.panels, shared=shared))
    return heads.panels


def match_panels(
    heads: Heads,
    counts: PanelCounts,
    sketch: Sketch,
    rng: np.random.Generator,
    priors: tuple[Belief, ...],
    *,
    rounds: int = 8,
) -> PanelHead:
    """The head whose dreams meet the counts, as far as they tell more than the `priors` of each test's weights.

    Gauss-Newton on the simulated moments (method of simulated moments, McFadden 1989). What room is
    left stays as it weighs: were it to weigh more, less of it would be left, and the lines would bend back.

    Privacy: free; post-processing.
    """
    for _ in range(rounds):
        missed = _Missed.of(heads, counts, sketch, rng)
        rows = []
        for t, wanted in enumerate(missed.by_test):
            fisher = curvature(missed.inputs, heads.panels, t, missed.patients)[0] * missed.kept
            now, prior = weights_of(heads.panels, t), priors[t].pinned(ROOM)
            # the line through the present weights, read at the prior's mean
            aim = prior.observe(wanted + fisher @ (now - prior.mean), fisher, missed.sigma[t]).mean
            step = DAMPING * (aim - now)
            rows.append(now + step * min(1.0, LONGEST / max(float(np.abs(step).max()), 1e-9)))
        heads = replace(heads, panels=with_weights(heads.panels, rows))
    return heads.panels
