"""The value head fitted to noisy moments of its own features: convex, test by test, free of charge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from synthhealth.encoding.bins import project
from synthhealth.encoding.draws import Draws
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains
from synthhealth.generators.events.values import (
    FIRST,
    KERNEL,
    LATER,
    WAVES,
    ValueHead,
    first_features,
    next_features,
)

Floats = NDArray[np.float64]
WAVE_WEIGHT = 1.5
KERNEL_WEIGHT = 0.5
MISFIT = 0.005
RIDGE = 50.0
MOST_TRUSTED = 0.8
NEWTON_STEPS = 40
RAKING_ROUNDS = 40
_OF_FIRST = ("first_level", "first_pull")
_OF_LATER = ("next_last", "near", "next_level", "next_pull")
TILT_POINTS, TILT_WEIGHTS = np.array([-(3**0.5), 0.0, 3**0.5]), np.array([1, 4, 1]) / 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMoments:
    """Noisy sums of the value head's features a patient, for T tests.

    `first` [T, FIRST] runs over the patients' first values, `later` [T, LATER] over the others.
    Features stand as in `first_features` and `next_features`, bins a test lacks at 0; `sigma`
    [T] is the noise of a bin's share, to be divided by a feature's weight.
    """

    first: Floats
    later: Floats
    sigma: Floats

    def plus(self, flat: Floats, weight: Floats) -> ValueMoments:
        """The moments and further sums a patient of `moment_rows`, `flat` [T * (FIRST + LATER)]."""
        more = ValueMoments.of(flat, 0.0, weight)
        return ValueMoments(first=self.first + more.first, later=self.later + more.later, sigma=self.sigma)

    @staticmethod
    def of(flat: Floats, sigma: float, weight: Floats) -> ValueMoments:
        """The moments from noisy sums a patient of `moment_rows`, `flat` [T * (FIRST + LATER)]."""
        table = flat.reshape(len(weight), FIRST + LATER) / weight[:, None]
        return ValueMoments(
            first=table[:, :FIRST] / _weights()[:FIRST],
            later=table[:, FIRST:] / _weights()[FIRST:],
            sigma=sigma / weight,
        )


def _weights() -> Floats:
    """What each feature weighs in a patient's vector: bins 1, waves and neighbours so that none drowns the others."""
    waves, kernel = [WAVE_WEIGHT] * WAVES**2, [KERNEL_WEIGHT] * KERNEL
    first = [1.0] * VALUE_BINS + waves + kernel
    later = [1.0] * VALUE_BINS + 2 * (waves + kernel)
    return np.array(first + later)


def moment_rows(draws: Draws, chains: Chains, head: ValueHead, weight: Floats) -> sp.csr_matrix:
    """Each patient's sums of features, [patients, T * (FIRST + LATER)].

    A test's part is divided by the root of the patient's number of its values, so that long
    series do not outvote the others; `weight` [T] is what a test weighs.

    Privacy: internal only; row i is built from patient i alone.
    """
    tests = len(weight)
    series = draws.record_owner * tests + draws.test
    root = np.sqrt(np.bincount(series, minlength=draws.patients * tests))
    level = np.minimum(chains.level[draws.record_owner, draws.test], LEVELS - 1)
    blocks = []
    for t in range(tests):
        mine = np.flatnonzero(draws.test == t)
        owner, bins = draws.record_owner[mine], int(head.width[t])
        size = weight[t] / np.maximum(root[owner * tests + t], 1.0)
        is_first = chains.last[mine] == VALUE_BINS
        basis = head.basis[t, :bins]
        sums = []
        for picked, context, features in (
            (is_first, level[mine], first_features(basis)),
            (~is_first, np.minimum(chains.last[mine], bins - 1) * LEVELS + level[mine], next_features(basis)),
        ):
            cell = context[picked] * bins + chains.bin[mine][picked]
            shape = (draws.patients, features.shape[0] * bins)
            counts = sp.coo_matrix((size[picked], (owner[picked], cell)), shape=shape).tocsr()
            sums.append(_widened(counts @ features.reshape(-1, features.shape[-1]), bins))
        blocks.append(np.concatenate(sums, axis=1) * _weights())
    return sp.csr_matrix(np.concatenate(blocks, axis=1))


def lost_to_clipping(rows: sp.csr_matrix, max_norm: float) -> Floats:
    """What clipping takes off the mean of a table of rows [patients, cells], shape [cells].

    Patients with many tests have long vectors, so that clipping forgets more of what is theirs;
    dreamt patients tell how much.

    Privacy: free; for dreamt rows.
    """
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    taken = 1.0 - np.minimum(1.0, max_norm / np.maximum(length, 1e-12))
    return np.asarray(rows.T @ taken) / max(rows.shape[0], 1)


def start_values(head: ValueHead, moments: ValueMoments) -> ValueHead:
    """A head whose biases follow the noisy shares of bins, to dream the first contexts from.

    Privacy: free; post-processing.
    """
    for t, width in enumerate(head.width):
        bins, sigma = int(width), float(moments.sigma[t])
        for later, table in ((False, moments.first), (True, moments.later)):
            weights = head.weights_of(t, later=later)
            weights[:bins] += _log_shares(table[t, :bins], sigma)
            head = head.with_weights(t, weights, later=later)
    return head


def fit_values(
    head: ValueHead, moments: ValueMoments, contexts: Floats, values: Floats, push: Floats | None = None
) -> ValueHead:
    """The head of largest entropy that meets the noisy moments, held near what the other tests are like by their noise.

    `contexts` [T, V + 1, LEVELS] are dreamt counts a patient of (last bin, level), `values` [T, V]
    of all values. The last bins are raked first, since a head fitted on unraked dreams drifts away:
    to the noisy shares of all values, times the dreamt share of each value that another one
    follows. `push` [T] is the standard deviation by which other tests of the draw tilt a test: with
    it the head meets the moments on average over that tilt, taken as normal, and not before it.

    Privacy: free; post-processing.
    """
    alike = like_the_others(head, moments)
    for t, width in enumerate(head.width):
        bins, sigma = int(width), float(moments.sigma[t])
        basis, tilt = head.basis[t, :bins], head.tilt[t, :bins] * (0.0 if push is None else float(push[t]))
        first, later = _positive(moments.first[t, :bins], sigma), _positive(moments.later[t, :bins], sigma)
        level = contexts[t, VALUE_BINS] + 1e-3 * max(contexts[t, VALUE_BINS].sum(), 1e-6) / LEVELS
        last = (first + later) * _followed(contexts[t, :bins], values[t, :bins])
        joint = _rake(contexts[t, :bins], last / last.sum() * later.sum())
        for is_later, features, context, shares, table in (
            (False, first_features(basis), level / level.sum() * first.sum(), first, moments.first),
            (True, next_features(basis), joint.ravel(), later, moments.later),
        ):
            scale = _narrowed(_weights()[FIRST:] if is_later else _weights()[:FIRST], bins)
            weights = _dual(
                *_tilted(features, context, tilt),
                np.append(shares, table[t, VALUE_BINS:]),
                np.sqrt((sigma / scale) ** 2 + (MISFIT * shares.sum()) ** 2),
                alike.weights_of(t, later=is_later),
            )
            head = head.with_weights(t, weights, later=is_later)
    return head


def like_the_others(head: ValueHead, moments: ValueMoments) -> ValueHead:
    """What to believe of each test before its moments speak: what the head holds of others with as many bins.

    Their mean, weighed by how far each one's records stand above the noise, and as one more of them
    what `ValueHead.blank` believes. Biases are not shared, nor is anything learnt from the test itself.

    Privacy: free; post-processing.
    """
    blank = ValueHead.blank(head.width)
    alike = head.width[:, None] == head.width[None, :]
    shared = {}
    for names, table in ((_OF_FIRST, moments.first), (_OF_LATER, moments.later)):
        told = np.maximum(table[:, :VALUE_BINS].sum(axis=1), 0.0) / np.maximum(moments.sigma, 1e-12)
        most = max(float(np.quantile(told, MOST_TRUSTED)), 1e-12)
        trust = np.minimum(told / most, 1.0) ** 2 * alike
        np.fill_diagonal(trust, 0.0)
        for name in names:
            weights, start = getattr(head, name), getattr(blank, name)
            mean = (np.tensordot(trust, weights - start, axes=1).T / (trust.sum(axis=1) + 1.0)).T
            shared[name] = start + mean
    return replace(blank, **shared)


def _followed(contexts: Floats, values: Floats) -> Floats:
    """The dreamt share of each value [V] that is the last one of another, a little of it where none was dreamt."""
    little = 1e-3 * max(float(values.sum()), 1e-6) / len(values)
    return np.asarray((contexts.sum(axis=1) + little) / (values + little))


def _positive(counts: Floats, sigma: float) -> Floats:
    """Noisy counts made positive without changing their sum; flat where the noise covers them."""
    total = float(counts.sum())
    if total <= 2 * sigma * np.sqrt(len(counts)):
        return np.full(len(counts), max(total, sigma, 1e-6) / len(counts))
    shares = project(counts / total) + 1e-4 / len(counts)
    return np.asarray(shares / shares.sum() * total)


def _log_shares(counts: Floats, sigma: float) -> Floats:
    shares = _positive(counts, sigma)
    return np.asarray(np.log(shares / shares.sum()))


def _rake(contexts: Floats, last: Floats) -> Floats:
    """Dreamt counts [V, LEVELS] scaled to the margin `last` [V]; a little mass goes where level and value agree."""
    bins = len(last)
    apart = np.abs((np.arange(bins)[:, None] + 0.5) / bins - (np.arange(LEVELS) + 0.5) / LEVELS)
    joint = contexts + 0.05 * max(float(contexts.sum()), 1e-6) / contexts.size * np.exp(-8 * apart) + 1e-9
    return np.asarray(joint * (last / joint.sum(axis=1))[:, None])


def _tilted(features: Floats, context: Floats, tilt: Floats) -> tuple[Floats, Floats, Floats]:
    """Features, weights and offsets [contexts, V] of each context at three points of a normal tilt (Gauss-Hermite)."""
    if not tilt.any():
        return features, context, np.zeros(features.shape[:2])
    count = len(context)
    offset = np.repeat(TILT_POINTS, count)[:, None] * tilt
    return np.tile(features, (len(TILT_POINTS), 1, 1)), np.repeat(TILT_WEIGHTS, count) * np.tile(context, 3), offset


def _dual(features: Floats, context: Floats, offset: Floats, target: Floats, sigma: Floats, prior: Floats) -> Floats:
    """Minimise sum_c context_c logsumexp(features_c w + offset_c) - w.target + RIDGE sum(sigma^2 (w - prior)^2) / 2.

    `features` [contexts, V, p], `context` [contexts], `offset` [contexts, V], `target`, `sigma` and
    `prior` [p]; Newton steps.
    """
    w = prior.copy()
    ridge = RIDGE * sigma**2
    scale = max(float(context.sum()), 1e-12)
    value, chances = _dual_value(features, context, offset, target, ridge, w, prior)
    for _ in range(NEWTON_STEPS):
        mean = np.einsum("cv,cvp->cp", chances, features)
        slope = context @ mean - target + ridge * (w - prior)
        rows = (features * np.sqrt(chances * context[:, None])[..., None]).reshape(-1, len(w))
        hessian = rows.T @ rows - (mean * context[:, None]).T @ mean + np.diag(ridge + 1e-5 * scale)
        step = -np.linalg.solve(hessian, slope)
        gain = -float(slope @ step)
        if gain < 1e-7 * scale:
            break
        size = 1.0
        while size > 1e-4:  # noqa: PLR2004  # a shorter step gains nothing
            trial, tried = _dual_value(features, context, offset, target, ridge, w + size * step, prior)
            if trial < value - 1e-4 * size * gain:
                break
            size /= 2
        w, value, chances = w + size * step, trial, tried
    return w


def _dual_value(
    features: Floats, context: Floats, offset: Floats, target: Floats, ridge: Floats, w: Floats, prior: Floats
) -> tuple[float, Floats]:
    logits = features @ w + offset
    top = logits.max(axis=1, keepdims=True)
    odds = np.exp(logits - top)
    total = odds.sum(axis=1, keepdims=True)
    value = (
        float(context @ (np.log(total) + top)[:, 0]) - float(w @ target) + 0.5 * float((ridge * (w - prior) ** 2).sum())
    )
    return value, odds / total


def _widened(rows: Floats, bins: int) -> Floats:
    """Zeros put in after the first `bins` of the last axis, so that there are VALUE_BINS of them."""
    gap = np.zeros((*rows.shape[:-1], VALUE_BINS - bins))
    return np.concatenate([rows[..., :bins], gap, rows[..., bins:]], axis=-1)


def _narrowed(row: Floats, bins: int) -> Floats:
    return np.append(row[:bins], row[VALUE_BINS:])
