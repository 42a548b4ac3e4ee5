"""What choices are made among and held against: candidates, thresholds, the ends of a histogram; no rows in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from privacy.contributions import LATTICE
from privacy.events import Thresholded


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What a choice is made among; all of it public or paid for before.

    `group` [cells] ascends and names each cell's candidate; a candidate's score is
    weight x (sum over its cells of |patients - expected| - offset), with `expected` [cells],
    `weight` and `offset` [candidates]. With nothing expected and one cell a candidate, the
    score is a number of patients; with a model's expectations it is that of AIM (McKenna et
    al. 2022, algorithm 3).
    """

    group: NDArray[np.int64]
    expected: NDArray[np.float64]
    weight: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def sensitivity(self) -> float:
        """The most that one patient, who counts at most once in a group, moves a score."""
        return float(self.weight.max())

    def scores(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """The candidates' scores [candidates] from the patients in each cell [cells]."""
        misfit = np.bincount(self.group, weights=np.abs(counts - self.expected), minlength=len(self.weight))
        return self.weight * (misfit - self.offset)


def code_threshold(event: Thresholded, most: int) -> float:
    """The noisy votes that a code needs, public: see `noisy_codes`."""
    k = np.arange(1, most + 1)
    quantile = -ndtri(-np.expm1(np.log1p(-event.delta) / k))
    return float((1.0 / np.sqrt(k) + event.noise_multiplier * quantile).max()) + 1.0 / LATTICE


def outer_cells(counts: NDArray[np.float64], sigma: float, *, share: float) -> tuple[int, int]:
    """The first and the last cell of a histogram [cells] with noise of scale `sigma` a cell that have to be kept.

    Counts are added up from an end until they exceed `share` of all by twice the noise of the
    sum: what lies before that is `share` of the patients, and as many more as noise hides. All
    cells where nothing stands out.

    Privacy: free; post-processing.
    """
    noise = 2.0 * sigma * np.sqrt(np.arange(1, len(counts) + 1))
    least = share * max(float(counts.sum()), 0.0) + noise
    ends = [np.flatnonzero(np.cumsum(one) > least) for one in (counts, counts[::-1])]
    if min(len(found) for found in ends) == 0:
        return 0, len(counts) - 1
    low, high = int(ends[0][0]), len(counts) - 1 - int(ends[1][0])
    return min(low, high), max(low, high)
