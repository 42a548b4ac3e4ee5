"""How closely the values of one test follow one another within patients, real and synthetic."""

from __future__ import annotations

import numpy as np
from bench.generator_cohorts import Split
from numpy.typing import NDArray

from privacy.cohort import Cohort

TEST = "hdl"


def sequence_figures(split: Split, synthetic: Cohort) -> dict[str, float]:
    """Intraclass correlation and correlation with the value before, of hdl in NAFLD.

    For the holdout itself, that of the holdout.
    """
    del split
    place = list(synthetic.schema.tests).index(TEST)
    records = synthetic.records
    mine = records.test == place
    owner, value = records.owner[mine].astype(np.int64), records.value[mine]
    again = owner[1:] == owner[:-1]
    return {
        f"{TEST}_icc": _intraclass(owner, value),
        f"{TEST}_lag1": float(np.corrcoef(value[1:][again], value[:-1][again])[0, 1]),
    }


def _intraclass(owner: NDArray[np.int64], value: NDArray[np.float64]) -> float:
    """The intraclass correlation by one-way analysis of variance with groups of unequal size (Shrout, Fleiss 1979)."""
    _, group, size = np.unique(owner, return_inverse=True, return_counts=True)
    mean = np.bincount(group, weights=value) / size
    groups, number = len(size), len(value)
    between = float((size * (mean - value.mean()) ** 2).sum()) / (groups - 1)
    within = float(((value - mean[group]) ** 2).sum()) / (number - groups)
    typical = (number - float((size**2).sum()) / number) / (groups - 1)
    return (between - within) / (between + (typical - 1) * within)
