"""Bootstrap by patient for tables of counts: patients are dealt into groups, and whole groups are redrawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from evaluation.fidelity.histograms import Floats, Ints
from evaluation.finding import Estimate, Interval

GROUPS, REPEATS, LEVEL = 50, 100, 0.95
BY_GROUP, BY_PATIENT = "bootstrap over groups of patients", "bootstrap by patient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redraws:
    """The group of each patient, `group` [n], and how often each group is drawn, `weights` [1 + repeats, groups].

    Row 0 of the weights is the cohort as it is. A table that sums over patients is kept as one table
    a group, so that a redraw costs a product of matrices and not another pass over the records.
    """

    group: Ints
    weights: Floats

    @staticmethod
    def of(patients: int, chance: np.random.Generator) -> Redraws:
        """Deal `patients` into at most 50 groups of equal size and redraw them 100 times with replacement."""
        groups = max(1, min(GROUPS, patients))
        drawn = chance.multinomial(groups, np.full(groups, 1 / groups), size=REPEATS)
        return Redraws(
            group=chance.permutation(patients) % groups,
            weights=np.concatenate([np.ones((1, groups)), drawn]),
        )

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.weights.shape[1])


def redrawn_weights(patients: int, chance: np.random.Generator) -> Floats:
    """How often each patient is drawn, shape [1 + repeats, patients]; row 0 is the cohort as it is."""
    drawn = chance.multinomial(patients, np.full(patients, 1 / patients), size=REPEATS)
    return np.concatenate([np.ones((1, patients)), drawn])


def estimate(name: str, redrawn: Floats, *, low: float = 0.0, high: float = 1.0, method: str = BY_GROUP) -> Estimate:
    """A number from `redrawn` [1 + repeats]: the first is the estimate, the rest give its standard error.

    The interval is normal and cut to [low, high]: a percentile interval of a distance would lie
    above it, since redrawing adds noise to both sides (Efron and Tibshirani 1993, section 10.3).
    """
    value = float(redrawn[0])
    spread = redrawn[1:][np.isfinite(redrawn[1:])]
    if not np.isfinite(value) or len(spread) <= 1:
        return Estimate(name=name, value=None, note="not enough data")
    half = float(norm.ppf(0.5 + LEVEL / 2)) * float(spread.std(ddof=1))
    interval = Interval(low=max(low, value - half), high=min(high, value + half), level=LEVEL, method=method)
    return Estimate(name=name, value=value, interval=interval)


def known(name: str, value: float) -> Estimate:
    """A number that holds by definition: its interval is a point."""
    return Estimate(name=name, value=value, interval=Interval(low=value, high=value, level=1.0, method="by definition"))
