"""Scores of a column's levels: few numbers a level, orthonormal under the noisy one-way table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

CAP = 3.5
MAX_CONTRASTS = 12
LEAST_DEGREE, MOST_DEGREE = 2, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The scores of one column: `table` [levels, m], and for each score its sort.

    Sorts: 0 missing, 1 linear in the rank, 2 quadratic, 3 a contrast of one code, 4 a higher power of the rank,
    5 a contrast of one frequent level of an ordered column.
    """

    table: NDArray[np.float64]
    sort: NDArray[np.int64]

    @staticmethod
    def of(shares: NDArray[np.float64], *, ordered: bool, missing: bool, degree: int = LEAST_DEGREE) -> Scores:
        """Scores from the noisy shares [levels] of a column, missing last where it is a level.

        An ordered column gets `degree` scores: normal scores of its mid-ranks, their square, and
        in turn a higher power and the contrast of a frequent level, such as a zero that many have.
        Any other column gets one contrast a code, and `missing` a contrast of its own; Gram-Schmidt
        makes each uncorrelated with those before, and CAP bounds what one patient can add.

        Privacy: free; post-processing.
        """
        levels = len(shares)
        known = levels - 1 if missing else levels
        raw: list[tuple[NDArray[np.float64], int]] = []
        if missing:
            raw.append((_indicator(levels, levels - 1), 0))
        if ordered or known == 2:  # noqa: PLR2004  # a binary code has one contrast, and it is linear
            raw.extend(_rank_scores(shares, known, degree))
        else:
            largest = np.argsort(-shares[:known])
            raw.extend((_indicator(levels, int(level)), 3) for level in largest[1 : MAX_CONTRASTS + 1])
        return _orthonormal(raw, shares)

    @property
    def count(self) -> int:
        """How many scores the column has."""
        return int(self.table.shape[1])


def _indicator(levels: int, level: int) -> NDArray[np.float64]:
    vector = np.zeros(levels)
    vector[level] = 1.0
    return vector


def score_count(levels: int, *, ordered: bool, missing: bool, degree: int) -> int:
    """How many scores `Scores.of` gives a column of `levels`, which is public.

    Privacy: free; reads no rows.
    """
    known = levels - 1 if missing else levels
    most = degree if ordered else MAX_CONTRASTS
    return int(missing) + max(0, min(most, known - 1))


def _rank_scores(shares: NDArray[np.float64], known: int, degree: int) -> list[tuple[NDArray[np.float64], int]]:
    inside = shares[:known] / shares[:known].sum()
    score = norm.ppf(np.clip(np.cumsum(inside) - inside / 2, 1e-3, 1 - 1e-3))
    rows: list[tuple[NDArray[np.float64], int]] = []
    powers = [(4, score**power) for power in range(3, 3 + degree)]
    frequent = [(5, _indicator(known, int(level))) for level in np.argsort(-inside, kind="stable")]
    further = [one for pair in zip(powers, frequent, strict=False) for one in pair]
    for sort, values in [(1, score), (2, score**2), *further][: min(degree, known - 1)]:
        vector = np.zeros(len(shares))
        vector[:known] = values - (inside * values).sum()
        rows.append((vector, sort))
    return rows


def _orthonormal(raw: list[tuple[NDArray[np.float64], int]], shares: NDArray[np.float64]) -> Scores:
    """Gram-Schmidt under the shares; a score without mass is 0 throughout, so that the number of scores is public."""
    basis = [np.ones(len(shares))]
    table = np.zeros((len(shares), len(raw)))
    for k, (vector, _) in enumerate(raw):
        for other in basis:
            vector = vector - (shares * vector * other).sum() * other  # noqa: PLW2901  # Gram-Schmidt in place
        size = float(np.sqrt((shares * vector**2).sum()))
        if size < 1e-6:  # noqa: PLR2004  # a level without mass has no direction of its own
            continue
        basis.append(vector / size)
        table[:, k] = np.clip(vector / max(size, 0.05), -CAP, CAP)
    return Scores(table=table, sort=np.array([sort for _, sort in raw], dtype=np.int64))
