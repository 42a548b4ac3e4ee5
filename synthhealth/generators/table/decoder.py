"""The autoregressive decoder of the patient table: each column a log-linear model on the scores of those before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from privacy.mechanisms import NoisyMoments
from synthhealth.generators.table.features import Scores
from synthhealth.generators.table.masks import OPEN, Masks

Floats = NDArray[np.float64]
Wanted = Floats | Callable[[NDArray[np.int64]], Floats]
"""The share [levels] of each level of a column that is wanted, or what gives it row by row from the rows before it."""
MAX_PARENT_SCORES, MAX_WEIGHTS = 128, 768
DREAMS = 8_000
NEWTON_STEPS = 12
LINE_SEARCH = 10
UNMEASURED = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """p(x_1) p(x_2 | x_1) ...: logits of column j are bias_j + (scores of columns before j) W_j (scores of x_j)^T.

    `bias[j]` has shape [levels_j], `weight[j]` [scores before j, scores of j]. Levels that the `masks` close
    have no chance.
    """

    scores: tuple[Scores, ...]
    bias: tuple[Floats, ...]
    weight: tuple[Floats, ...]
    masks: Masks = OPEN

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        allowed: Mapping[int, Wanted] | None = None,
        hints: Mapping[int, Floats] | None = None,
        prefix: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.int64], Floats]:
        """`n` rows of levels [n, columns], and the log weight [n] of each under evidence.

        `allowed` maps a column to the share [levels] of each of its levels that is wanted: 0, 1, or
        part of a bin; or to a function that gives it [n, levels] from the rows drawn so far. Rows drawn
        under evidence follow the conditional law once resampled by exp(log weight), the closer the
        more are drawn (likelihood weighting, Fung and Chang 1990); without evidence all weights
        are 0. `hints` [levels], above 0, draw some levels of a column more often, and weights make up
        for it. `prefix` [n, fixed] gives the first columns.

        Privacy: free; post-processing.
        """
        rows = np.zeros((n, len(self.scores)), dtype=np.int64)
        context = np.zeros((n, sum(score.count for score in self.scores)))
        log_weight = np.zeros(n)
        start, fixed = 0, 0 if prefix is None else prefix.shape[1]
        for j, score in enumerate(self.scores):
            if prefix is not None and j < fixed:
                rows[:, j] = prefix[:, j]
                context[:, start : start + score.count] = score.table[rows[:, j]]
                start += score.count
                continue
            logits = self.bias[j] + (context[:, :start] @ self.weight[j]) @ score.table.T
            chances = _softmax(logits + self.masks.closed(j, rows))
            share = evidence(j, rows, allowed, hints)
            if share is not None:
                chances, told = under(chances, share)
                log_weight += told
            rows[:, j] = _draw(chances, rng)
            if hints is not None and j in hints:
                log_weight -= np.log(hints[j])[rows[:, j]]
            context[:, start : start + score.count] = score.table[rows[:, j]]
            start += score.count
        return rows, log_weight

    def head(self, columns: int) -> Decoder:
        """The decoder of the first `columns`, which the later ones do not touch."""
        return replace(self, scores=self.scores[:columns], bias=self.bias[:columns], weight=self.weight[:columns])


def fit_decoder(
    shares: tuple[Floats, ...],
    scores: tuple[Scores, ...],
    moments: NoisyMoments,
    rng: np.random.Generator,
    masks: Masks = OPEN,
    near: Decoder | None = None,
) -> Decoder:
    """The decoder of largest entropy whose one-way shares and second moments meet the noisy ones.

    `shares[j]` [levels] are noisy one-way shares; `moments.values` [s, s] are noisy means of
    products of scores of different columns with standard error `moments.sigma` [s, s]. Column
    by column the dual is solved by Newton steps on dreamt parents (iterative I-projection,
    Csiszar 1975); each weight is pulled to zero by its noise variance over the empirical-Bayes
    variance of its sort of moment, so that noise is not learnt. What `masks` close has no chance from the start.
    A decoder that is `near` in its weights saves steps and changes nothing else.

    Privacy: free; post-processing.
    """
    # scores have mean 0 and variance 1, so the mean of a product of two lies in [-1, 1]
    moments = replace(moments, values=np.clip(moments.values, -1.0, 1.0))
    pull = _pull(moments, np.concatenate([score.sort for score in scores]))
    context = np.zeros((DREAMS, moments.values.shape[0]))
    rows = np.zeros((DREAMS, len(scores)), dtype=np.int64)
    bias, weight, start = [], [], 0
    for j, score in enumerate(scores):
        stop = start + score.count
        target = moments.values[:start, start:stop]
        ridge = pull[:start, start:stop]
        chosen = _strongest(target, ridge)
        closed = np.broadcast_to(masks.closed(j, rows), (DREAMS, len(shares[j])))
        begin = None if near is None else (near.bias[j], near.weight[j][chosen])
        b, w = _fit_column(context[:, chosen], score.table, shares[j], target[chosen], ridge[chosen], closed, begin)
        full = np.zeros((start, score.count))
        full[chosen] = w
        rows[:, j] = _draw(_softmax(b + (context[:, chosen] @ w) @ score.table.T + closed), rng)
        context[:, start:stop] = score.table[rows[:, j]]
        bias.append(b)
        weight.append(full)
        start = stop
    return Decoder(scores=scores, bias=tuple(bias), weight=tuple(weight), masks=masks)


def _pull(moments: NoisyMoments, sort: NDArray[np.int64]) -> Floats:
    """Ridge a moment: its noise variance over the variance of true moments of that pair of sorts, shape [s, s]."""
    noise = np.where(np.isfinite(moments.sigma), moments.sigma**2 + 1.0 / DREAMS, np.inf)
    pull = np.full(noise.shape, UNMEASURED)
    for a in np.unique(sort):
        for b in np.unique(sort):
            pair = (sort[:, None] == a) & (sort[None] == b) & np.isfinite(noise)
            if pair.any():
                signal = max(float(np.mean(moments.values[pair] ** 2 - noise[pair])), 1e-5)
                pull[pair] = noise[pair] / signal
    return pull


def _strongest(target: Floats, ridge: Floats) -> NDArray[np.int64]:
    """The parents' scores, no more than are allowed, whose moments tell most after shrinkage."""
    told = ((target / (1.0 + ridge)) ** 2).sum(axis=1)
    most = min(MAX_PARENT_SCORES, MAX_WEIGHTS // max(target.shape[1], 1))
    return np.sort(np.argsort(-told, kind="stable")[:most])


def _fit_column(
    parents: Floats,
    table: Floats,
    shares: Floats,
    target: Floats,
    ridge: Floats,
    closed: Floats,
    begin: tuple[Floats, Floats] | None,
) -> tuple[Floats, Floats]:
    """Minimise E[logsumexp] - b.p - <w, target> + ridge |w|^2 / 2 over b [levels] and w [parents, scores].

    `closed` [dreams, levels] is added to the logits; `begin` is a guess at b and w.
    """
    reachable = np.isfinite(closed).any(axis=0)
    if not reachable.all():
        # noise may give a share to what is closed in every row, which no bias could reach
        shares = np.where(reachable, shares, 0.0) / shares[reachable].sum()
    b, w = (np.log(np.maximum(shares, 1e-6)), np.zeros(target.shape)) if begin is None else begin
    value, chances = _objective(parents, table, shares, target, ridge, b, w, closed)
    for _ in range(NEWTON_STEPS):
        step_b, step_w, slope = _newton(parents, table, chances, shares, target, ridge, w)
        if slope < 1e-7:  # noqa: PLR2004  # converged far below the noise
            break
        size = 1.0
        for _ in range(LINE_SEARCH):
            new_b, new_w = b + size * step_b, w + size * step_w
            trial, tried = _objective(parents, table, shares, target, ridge, new_b, new_w, closed)
            if trial <= value - 1e-4 * size * slope:
                break
            size /= 2
        else:
            break
        b, w, value, chances = new_b, new_w, trial, tried
    return b, w


def _objective(
    parents: Floats,
    table: Floats,
    shares: Floats,
    target: Floats,
    ridge: Floats,
    b: Floats,
    w: Floats,
    closed: Floats,
) -> tuple[float, Floats]:
    logits = b + (parents @ w) @ table.T + closed
    top = logits.max(axis=1, keepdims=True)
    odds = np.exp(logits - top)
    total = odds.sum(axis=1, keepdims=True)
    value = float(np.mean(np.log(total) + top)) - float(b @ shares) - float((w * target).sum())
    return value + 0.5 * float((ridge * w * w).sum()), odds / total


def _newton(
    parents: Floats, table: Floats, chances: Floats, shares: Floats, target: Floats, ridge: Floats, w: Floats
) -> tuple[Floats, Floats, float]:
    """The Newton direction and its slope; the Hessian is that of a multinomial logit."""
    n, (levels, scores) = len(parents), table.shape
    mean = chances @ table
    slope_b = chances.mean(axis=0) - shares
    slope_w = parents.T @ mean / n - target + ridge * w
    size = levels + w.size
    hessian = np.zeros((size, size))
    hessian[:levels, :levels] = np.diag(chances.mean(axis=0)) - chances.T @ chances / n
    for a in range(scores):
        spread = chances * (table[:, a] - mean[:, a : a + 1])
        hessian[:levels, levels + a :: scores] = spread.T @ parents / n
        for c in range(a, scores):
            product = spread @ table[:, c]
            block = (parents * product[:, None]).T @ parents / n
            hessian[levels + a :: scores, levels + c :: scores] = block
            hessian[levels + c :: scores, levels + a :: scores] = block.T
    hessian[levels:, :levels] = hessian[:levels, levels:].T
    hessian[np.diag_indices(size)] += np.concatenate([np.full(levels, 1e-6), ridge.ravel() + 1e-6])
    slope = np.concatenate([slope_b, slope_w.ravel()])
    step = -np.linalg.solve(hessian, slope)
    return step[:levels], step[levels:].reshape(w.shape), float(-(slope @ step))


def evidence(
    j: int, rows: NDArray[np.int64], allowed: Mapping[int, Wanted] | None, hints: Mapping[int, Floats] | None
) -> Floats | None:
    """What the chances of column `j` are multiplied with, [levels] or [n, levels]; None without evidence and hint."""
    wanted = None if allowed is None else allowed.get(j)
    share = wanted(rows) if callable(wanted) else wanted
    hint = None if hints is None else hints.get(j)
    if hint is None:
        return share
    return hint if share is None else share * hint


def under(chances: Floats, share: Floats) -> tuple[Floats, Floats]:
    """`chances` [n, levels] times the `share` of each level that is wanted, and the log weight [n] of that evidence.

    A row in which the evidence has no chance at all weighs nothing, and takes any level that is wanted.
    """
    product = chances * share
    mass = product.sum(axis=1)
    dead = mass == 0
    product[dead] = np.broadcast_to(share, chances.shape)[dead]
    return product, np.log(mass, out=np.full(len(mass), -np.inf), where=~dead)


def _softmax(logits: Floats) -> Floats:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _draw(chances: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    below = np.cumsum(chances, axis=1)
    return np.asarray(
        np.minimum((below <= rng.random((len(chances), 1)) * below[:, -1:]).sum(axis=1), chances.shape[1] - 1)
    )
