"""One measure on all arms: tables that add up over patients, a distance between two of them, and a finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.fidelity.arms import Arms, Side
from evaluation.fidelity.histograms import Floats, Ints, total_variation
from evaluation.finding import Estimate, Family, Finding, Verdict
from evaluation.resampling import Redraws, estimate

Ceiling = Literal["shuffled", "scattered"]
Distance = Callable[[Floats, Floats], Floats]
WORST = 5
BLOCK = 4_000_000
# Beyond this many standard errors floor and ceiling are taken to differ, and a share of the gap is given.
CLEAR = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Distances to the training data for each subject, all of shape [1 + repeats, subjects]."""

    names: tuple[str, ...]
    synthetic: Floats
    floor: Floats
    ceiling: Floats

    def __len__(self) -> int:
        return len(self.names)


def tabulate(redraws: Redraws, owner: Ints, subject: Ints, cell: Ints, shape: tuple[int, int]) -> Floats:
    """Items counted by group of patients, subject and cell, shape [groups, *shape]; `owner` is the patient."""
    key = (redraws.group[owner] * shape[0] + subject) * shape[1] + cell
    size = redraws.groups * shape[0] * shape[1]
    return np.bincount(key, minlength=size).reshape(redraws.groups, *shape).astype(np.float64)


def compare(
    arms: Arms,
    table: Callable[[Side], Floats],
    names: Sequence[str],
    *,
    ceiling: Ceiling,
    distance: Distance = total_variation,
) -> Comparison:
    """Measure every arm against train; `table` gives [groups, subjects, cells] of a side.

    A subject of which train has nothing is NaN: there is nothing to be near to.

    Privacy: internal only.
    """
    null = arms.shuffled if ceiling == "shuffled" else arms.scattered
    real = table(arms.train)
    rows = [_distances(real, table(side), arms.train, side, distance) for side in (arms.synthetic, arms.holdout, null)]
    for part in rows:
        part[:, real.sum(axis=(0, 2)) == 0] = np.nan
    return Comparison(names=tuple(names), synthetic=rows[0], floor=rows[1], ceiling=rows[2])


def _distances(real: Floats, other: Floats, train: Side, side: Side, distance: Distance) -> Floats:
    """Distances of every redraw and subject, a block of subjects at a time to keep memory flat."""
    redraws, subjects, cells = len(train.redraws.weights), real.shape[1], real.shape[2]
    step = max(1, BLOCK // max(1, redraws * cells))
    result = np.empty((redraws, subjects))
    for start in range(0, subjects, step):
        block = slice(start, start + step)
        result[:, block] = distance(_redrawn(real[:, block], train), _redrawn(other[:, block], side))
    return result


def _redrawn(table: Floats, side: Side) -> Floats:
    flat = side.redraws.weights @ table.reshape(table.shape[0], -1)
    return flat.reshape(len(flat), *table.shape[1:])


def summary_finding(
    comparison: Comparison,
    *,
    test: str,
    title: str,
    n: int,
    high: float = 1.0,
    family: Family = Family.FIDELITY,
    citation: str = "",
) -> Finding:
    """The mean over subjects as headline, its floor, ceiling and share of the gap, and the worst subjects beside it.

    Privacy: internal only.
    """
    if len(comparison) == 0:
        reason = "the schema or the training data hold nothing of the kind"
        return not_measurable(test=test, title=title, reason=reason, family=family)
    mean = [_mean(rows) for rows in (comparison.synthetic, comparison.floor, comparison.ceiling)]
    return Finding(
        family=family,
        test=test,
        title=title,
        headline=estimate(title, mean[0], high=high),
        verdict=Verdict.MEASURED,
        n=n,
        floor=estimate("floor: real holdout", mean[1], high=high),
        ceiling=estimate("ceiling", mean[2], high=high),
        others=(gap_share(*mean), *_worst(comparison, high)),
        citation=citation,
    )


def gap_share(synthetic: Floats, floor: Floats, ceiling: Floats) -> Estimate:
    """(ceiling - synthetic) / (ceiling - floor) of redraws [1 + repeats], withheld where the gap is not clear."""
    name = "share of the gap closed"
    gap = ceiling - floor
    if not np.isfinite(gap[0]) or gap[0] <= CLEAR * float(gap[1:].std(ddof=1)):
        return Estimate(name=name, value=None, note="floor and ceiling do not differ clearly")
    return estimate(name, (ceiling - synthetic) / np.where(gap > 0, gap, np.nan), low=-np.inf, high=np.inf)


def not_measurable(*, test: str, title: str, reason: str, family: Family = Family.FIDELITY) -> Finding:
    """A finding that says why there is no number."""
    return Finding(
        family=family,
        test=test,
        title=title,
        headline=Estimate(name=title, value=None, note=reason),
        verdict=Verdict.NOT_MEASURABLE,
        reason=reason,
    )


def _mean(rows: Floats) -> Floats:
    known = np.isfinite(rows)
    total = np.where(known, rows, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _worst(comparison: Comparison, high: float) -> tuple[Estimate, ...]:
    """The subjects furthest above their floor."""
    if len(comparison) == 1:
        return ()
    excess = comparison.synthetic[0] - comparison.floor[0]
    order = np.argsort(-np.where(np.isfinite(excess), excess, -np.inf))[:WORST]
    return tuple(
        estimate(f"worst: {comparison.names[place]}", comparison.synthetic[:, place], high=high) for place in order
    )
