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
from synthhealth.generators.events.panels import SHARED, PanelHead, shared_features

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
PRIOR_SCALE = 1.5
OWN = 2
DAMPING = 0.7
LONGEST = 1.0
LONGEST_SHIFT = 0.5
RATE_PRIOR = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelInputs:
    """What the panel head sees of d draws: numbers `shared` [d, SHARED], flags `prev`, `ever`, `bits`, `has` [d, T]."""

    shared: Floats
    prev: Flags
    ever: Flags
    bits: Flags
    has: Flags

    @staticmethod
    def of(draws: Draws, panel_size: Floats, level: NDArray[np.int64], steps: int) -> PanelInputs:
        """The inputs of all draws; `panel_size` [patients], `level` [patients, T] with LEVELS for never measured."""
        prev = draws.previous_bits()
        gap = np.diff(draws.step, prepend=0)
        first = draws.index == 0
        size = draws.bits.sum(axis=1)
        starts = np.flatnonzero(first)
        before = np.cumsum(size) - size
        before -= np.repeat(before[starts], np.diff(np.append(starts, len(size))))
        count = draws.per_patient()[draws.owner]
        shared = shared_features(
            step=draws.step,
            gap=np.where(first, 0, gap),
            first=first,
            still_due=(panel_size[draws.owner] * count - before) / (count - draws.index),
            previous_size=prev.sum(axis=1),
            steps=steps,
            tests=draws.bits.shape[1],
        )
        return PanelInputs(
            shared=shared,
            prev=prev,
            ever=draws.ever_bits(),
            bits=draws.bits,
            has=(level < LEVELS)[draws.owner],
        )

    def of_test(self, t: int) -> Floats:
        """The features of test t's decision, [d, SHARED + OWN + t]."""
        return np.column_stack([self.shared, self.prev[:, t], self.ever[:, t], self.bits[:, :t]])


def panel_rows(draws: Draws, panel_size: Floats, level: NDArray[np.int64], steps: int) -> Floats:
    """Each patient's sums of features of the tests that were in, [patients, sum over t of (SHARED + OWN + t)].

    Privacy: internal only; row i is built from patient i alone.
    """
    inputs = PanelInputs.of(draws, panel_size, level, steps)
    blocks = [draws.sums(inputs.of_test(t) * draws.bits[:, t, None]) for t in range(draws.bits.shape[1])]
    return np.concatenate(blocks, axis=1)


def weights_of(head: PanelHead, t: int) -> Floats:
    """Test t's weights in the order of `PanelInputs.of_test`."""
    return np.concatenate([head.shared[t], [head.prev[t], head.ever[t]], head.bits[t, :t]])


def with_weights(head: PanelHead, rows: list[Floats]) -> PanelHead:
    """The head with test t's weights `rows[t]`; the latent loading stays."""
    bits = np.zeros_like(head.bits)
    for t, row in enumerate(rows):
        bits[t, :t] = row[SHARED + OWN :]
    return replace(
        head,
        shared=np.stack([row[:SHARED] for row in rows]),
        prev=np.array([row[SHARED] for row in rows]),
        ever=np.array([row[SHARED + 1] for row in rows]),
        bits=bits,
    )


def rates_only(head: PanelHead, rates: Floats) -> PanelHead:
    """A head in which each test stands in a draw at its noisy rate [T], whatever else there is."""
    shared = head.shared.copy()
    shared[:, 0] = np.log(np.clip(rates, 0.01, 0.9) / (1 - np.clip(rates, 0.01, 0.9)))
    return replace(head, shared=shared)


def curvature(inputs: PanelInputs, head: PanelHead, t: int, patients: int) -> tuple[Floats, Floats]:
    """Test t's Fisher information a patient [p, p], and the mean gradient a patient, on dreamt draws."""
    mine = np.flatnonzero(inputs.has[:, t])
    features = inputs.of_test(t)[mine]
    chance = expit(features @ weights_of(head, t))
    fisher = (features * (chance * (1 - chance))[:, None]).T @ features / patients
    return fisher, features.T @ (inputs.bits[mine, t] - chance) / patients


def _by_test(flat: Floats, tests: int) -> list[Floats]:
    return np.split(flat, np.cumsum([SHARED + OWN + t for t in range(tests)])[:-1])


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
    inputs: PanelInputs
    kept: float
    patients: int

    @staticmethod
    def of(heads: Heads, counts: PanelCounts, sketch: Sketch, rng: np.random.Generator) -> _Missed:
        """Dreams are clipped as the patients were, so that clipping does not bias the match."""
        dreamt = dream(sketch, heads, rng, values=False).draws
        moments = panel_rows(dreamt, sketch.panel_size, sketch.level, heads.steps)
        factor = np.minimum(1.0, counts.norm / np.maximum(np.linalg.norm(moments, axis=1), 1e-9))
        missed = counts.mean - factor @ moments / dreamt.patients
        return _Missed(
            by_test=_by_test(missed, len(heads.panels.prev)),
            inputs=PanelInputs.of(dreamt, sketch.panel_size, sketch.level, heads.steps),
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
        wanted = np.array([block[0] for block in _by_test(counts.mean, len(start))])
        dreamt = wanted - np.array([block[0] for block in missed.by_test])
        # how many records a patient has is the patient table's to say
        off = np.maximum(wanted, 0.0) * dreamt.sum() / max(float(np.maximum(wanted, 0.0).sum()), 1e-9) - dreamt
        shared = heads.panels.shared.copy()
        for t, gap in enumerate(off):
            bend = curvature(missed.inputs, heads.panels, t, missed.patients)[0][0, 0] * missed.kept + 1e-9
            trust = RATE_PRIOR**2 / (RATE_PRIOR**2 + (counts.sigma / bend) ** 2)
            aim = start[t] + trust * (shared[t, 0] + gap / bend - start[t])
            shared[t, 0] += float(np.clip(aim - shared[t, 0], -LONGEST_SHIFT, LONGEST_SHIFT))
        heads = replace(heads, panels=replace(heads.panels, shared=shared))
    return heads.panels


def match_panels(
    heads: Heads,
    counts: PanelCounts,
    sketch: Sketch,
    rng: np.random.Generator,
    *,
    rounds: int = 8,
    scale: float = PRIOR_SCALE,
) -> PanelHead:
    """The head whose dreams meet the counts.

    Gauss-Newton on the simulated moments with a prior of `scale` around the head that comes in
    (method of simulated moments, McFadden 1989).

    Privacy: free; post-processing.
    """
    start = heads.panels
    for _ in range(rounds):
        missed = _Missed.of(heads, counts, sketch, rng)
        rows = []
        for t, wanted in enumerate(missed.by_test):
            fisher = curvature(missed.inputs, heads.panels, t, missed.patients)[0] * missed.kept
            now, origin = weights_of(heads.panels, t), weights_of(start, t)
            belief = Belief.prior(origin, scale)
            # the line through the present weights, read at the prior's mean
            aim = belief.observe(wanted + fisher @ (now - origin), fisher, counts.sigma).mean
            step = DAMPING * (aim - now)
            rows.append(now + step * min(1.0, LONGEST / max(float(np.abs(step).max()), 1e-9)))
        heads = replace(heads, panels=with_weights(heads.panels, rows))
    return heads.panels
