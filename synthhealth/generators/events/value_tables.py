"""The value head fitted to noisy tables of transitions and levels: convex, column by column, free of charge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from synthhealth.encoding.bins import project
from synthhealth.encoding.draws import Draws
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains
from synthhealth.generators.events.values import (
    LEVEL_BASIS,
    LEVEL_WAVES,
    WAVES,
    ValueHead,
    first_features,
    next_features,
)

Floats = NDArray[np.float64]
RIDGE = 30.0
NEWTON_STEPS = 60
RAKING_ROUNDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueTables:
    """Noisy tables a patient, T tests, V bins: `transition` [T, V + 1, V] from the last bin (V: none) to the next,
    `level` [T, 2, LEVELS, V] of level and value, later values first, and their noise scales [T].
    """

    transition: Floats
    level: Floats
    transition_sigma: Floats
    level_sigma: Floats


def transition_rows(draws: Draws, chains: Chains, weight: Floats) -> sp.csr_matrix:
    """Each patient's transitions, weighted a test, shape [patients, T * (V + 1) * V].

    Privacy: internal only; row i is built from patient i alone.
    """
    tests = len(weight)
    cell = (draws.test * (VALUE_BINS + 1) + chains.last) * VALUE_BINS + chains.bin
    return _rows(draws, cell, weight, tests * (VALUE_BINS + 1) * VALUE_BINS)


def level_rows(draws: Draws, chains: Chains, weight: Floats) -> sp.csr_matrix:
    """Each patient's values by level, weighted a test, shape [patients, T * 2 * LEVELS * V].

    Privacy: internal only; row i is built from patient i alone.
    """
    first = (chains.last == VALUE_BINS).astype(np.int64)
    level = np.minimum(chains.level[draws.record_owner, draws.test], LEVELS - 1)
    cell = ((draws.test * 2 + first) * LEVELS + level) * VALUE_BINS + chains.bin
    return _rows(draws, cell, weight, len(weight) * 2 * LEVELS * VALUE_BINS)


def _rows(draws: Draws, cell: NDArray[np.int64], weight: Floats, cells: int) -> sp.csr_matrix:
    entries = (weight[draws.test], (draws.record_owner, cell))
    return sp.coo_matrix(entries, shape=(draws.patients, cells)).tocsr()


def start_values(head: ValueHead, tables: ValueTables) -> ValueHead:
    """A head whose biases follow the one-way tables, to dream the first contexts from.

    Privacy: free; post-processing.
    """
    for t in range(len(head.width)):
        moments = _moments(head, tables, t)
        bins = int(head.width[t])
        for name, share in (("first", moments.first[:bins]), ("next", moments.next[:bins])):
            bias = np.log(np.maximum(share, 1e-6) / max(float(share.sum()), 1e-6) + 1e-4)
            if name == "first":
                head = head.with_first(t, np.concatenate([_wide(bias), np.zeros(LEVEL_WAVES * WAVES)]))
            else:
                head = head.with_next(t, np.concatenate([_wide(bias), np.zeros(WAVES**2 + LEVEL_WAVES * WAVES + 2)]))
    return head


def fit_values(head: ValueHead, tables: ValueTables, contexts: Floats) -> ValueHead:
    """The head of largest entropy that meets the noisy tables, ridged by their noise.

    `contexts` [T, V + 1, LEVELS] are dreamt counts a patient of (last bin, level); they are
    raked to the noisy margins first, since a head fitted on unraked dreams drifts away.

    Privacy: free; post-processing.
    """
    for t in range(len(head.width)):
        head = _fit_test(head, tables, contexts[t], t)
    return head


def _fit_test(head: ValueHead, tables: ValueTables, contexts: Floats, t: int) -> ValueHead:
    moments = _moments(head, tables, t)
    bins = int(head.width[t])
    basis = head.basis[t, :bins]
    mass_next, mass_first = max(moments.next.sum(), 1e-5), max(moments.first.sum(), 1e-5)
    last = _positive(tables.transition[t, :VALUE_BINS].sum(axis=1)[:bins], mass_next)
    level_next = _positive(tables.level[t, 0].sum(axis=1), mass_next)
    level_first = _positive(tables.level[t, 1].sum(axis=1), mass_first)
    joint = _rake(contexts[:bins], last, level_next)
    first = _dual(
        first_features(basis),
        level_first,
        np.concatenate([moments.first[:bins], moments.first_level]),
        np.concatenate([np.full(bins, moments.first_sigma), np.full(LEVEL_WAVES * WAVES, moments.level_sigma)]),
    )
    later = _dual(
        next_features(basis),
        joint.ravel(),
        np.concatenate([moments.next[:bins], moments.next_last, moments.next_level, moments.near]),
        np.concatenate(
            [
                np.full(bins, moments.next_sigma),
                np.full(WAVES**2, moments.last_sigma),
                np.full(LEVEL_WAVES * WAVES, moments.level_sigma),
                moments.last_sigma * np.sqrt([bins, 2.0 * bins]),
            ]
        ),
    )
    head = head.with_first(t, np.concatenate([_wide(first[:bins]), first[bins:]]))
    return head.with_next(t, np.concatenate([_wide(later[:bins]), later[bins:]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """What the noisy tables say of one test, in the head's own features, a patient."""

    first: Floats
    next: Floats
    next_last: Floats
    next_level: Floats
    first_level: Floats
    near: Floats
    first_sigma: float
    next_sigma: float
    last_sigma: float
    level_sigma: float


def _moments(head: ValueHead, tables: ValueTables, t: int) -> _Moments:
    bins = int(head.width[t])
    basis = head.basis[t, :bins]
    transition, s1 = tables.transition[t], float(tables.transition_sigma[t]) + 1e-12
    level, s2 = tables.level[t], float(tables.level_sigma[t]) + 1e-12
    weigh_next = (1 / (bins * s1**2), 1 / (LEVELS * s2**2))
    weigh_first = (1 / s1**2, 1 / (LEVELS * s2**2))
    square = transition[:bins, :bins]
    later = (square.sum(axis=0) * weigh_next[0] + level[0, :, :bins].sum(axis=0) * weigh_next[1]) / sum(weigh_next)
    first = (transition[VALUE_BINS, :bins] * weigh_first[0] + level[1, :, :bins].sum(axis=0) * weigh_first[1]) / sum(
        weigh_first
    )
    apart = np.abs(np.arange(bins)[:, None] - np.arange(bins))
    next_sigma, first_sigma = sum(weigh_next) ** -0.5, sum(weigh_first) ** -0.5
    return _Moments(
        first=_share(first, first_sigma),
        next=_share(later, next_sigma),
        next_last=(basis.T @ square @ basis).ravel(),
        next_level=(LEVEL_BASIS.T @ level[0, :, :bins] @ basis).ravel(),
        first_level=(LEVEL_BASIS.T @ level[1, :, :bins] @ basis).ravel(),
        near=np.array([square[apart == 0].sum(), square[apart == 1].sum()]),
        first_sigma=first_sigma,
        next_sigma=next_sigma,
        last_sigma=s1,
        level_sigma=s2,
    )


def _share(counts: Floats, sigma: float) -> Floats:
    """Noisy counts made positive without changing their sum; flat where the noise covers them."""
    total = float(counts.sum())
    if total <= 3 * sigma:
        return np.full(len(counts), max(total, 1e-6) / len(counts))
    return project(counts / total) * total


def _positive(counts: Floats, total: float) -> Floats:
    return project(counts / max(float(counts.sum()), 1e-9)) * total + 1e-4 * total / len(counts)


def _rake(contexts: Floats, last: Floats, level: Floats) -> Floats:
    """Dreamt counts [V, LEVELS] scaled to both margins (iterative proportional fitting)."""
    bins = len(last)
    apart = np.abs((np.arange(bins)[:, None] + 0.5) / bins - (np.arange(LEVELS) + 0.5) / LEVELS)
    joint = contexts + 0.05 * max(float(contexts.sum()), 1e-6) / contexts.size * np.exp(-8 * apart) + 1e-7
    for _ in range(RAKING_ROUNDS):
        joint = joint * (last / joint.sum(axis=1))[:, None]
        joint = joint * (level / joint.sum(axis=0))
    return joint


def _dual(features: Floats, context: Floats, target: Floats, sigma: Floats) -> Floats:
    """Minimise sum_c context_c logsumexp(features_c w) - w.target + RIDGE sum(sigma^2 w^2) / 2 by Newton steps.

    `features` [contexts, V, p], `context` [contexts], `target` and `sigma` [p].
    """
    w = np.zeros(features.shape[-1])
    ridge = RIDGE * sigma**2
    scale = max(float(context.sum()), 1e-12)
    value, chances = _dual_value(features, context, target, ridge, w)
    for _ in range(NEWTON_STEPS):
        mean = np.einsum("cv,cvp->cp", chances, features)
        slope = context @ mean - target + ridge * w
        rows = (features * np.sqrt(chances * context[:, None])[..., None]).reshape(-1, len(w))
        hessian = rows.T @ rows - (mean * context[:, None]).T @ mean + np.diag(ridge + 1e-6 * scale)
        step = -np.linalg.solve(hessian, slope)
        gain = -float(slope @ step)
        if gain < 1e-9 * scale:
            break
        size = 1.0
        while size > 1e-4:  # noqa: PLR2004  # a shorter step gains nothing
            trial, tried = _dual_value(features, context, target, ridge, w + size * step)
            if trial < value - 1e-4 * size * gain:
                break
            size /= 2
        w, value, chances = w + size * step, trial, tried
    return w


def _dual_value(features: Floats, context: Floats, target: Floats, ridge: Floats, w: Floats) -> tuple[float, Floats]:
    logits = features @ w
    top = logits.max(axis=1, keepdims=True)
    odds = np.exp(logits - top)
    total = odds.sum(axis=1, keepdims=True)
    value = float(context @ (np.log(total) + top)[:, 0]) - float(w @ target) + 0.5 * float((ridge * w * w).sum())
    return value, odds / total


def _wide(values: Floats) -> Floats:
    return np.concatenate([values, np.zeros(VALUE_BINS - len(values))])
