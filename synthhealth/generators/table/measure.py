"""The patient table as rows of levels, and the noisy look at all its pairs of columns at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.mechanisms import NoisyMoments, noisy_second_moments
from synthhealth.generators.table.features import LEAST_DEGREE, MOST_DEGREE, Scores, score_count

Floats = NDArray[np.float64]
Coder = Callable[[Cohort], NDArray[np.int64]]
OUTCOME_WEIGHT = 3.0
MOST_NOISE = 0.015  # in the mean of a product, up to which a finer description pays for its noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the patient table in levels: how many, whether in order, whether the last is `missing`."""

    name: str
    levels: int
    ordered: bool
    missing: bool
    outcome: bool = False


def one_hot_rows(codes: NDArray[np.int64], levels: NDArray[np.int64]) -> sp.csr_matrix:
    """Each patient's one cell a column, [patients, sum(levels)], from codes [patients, columns]."""
    n, columns = codes.shape
    start = np.concatenate(([0], np.cumsum(levels)))
    cells = (codes + start[:-1]).ravel()
    return sp.csr_matrix((np.ones(len(cells)), cells, np.arange(0, len(cells) + 1, columns)), shape=(n, int(start[-1])))


def affordable_degree(columns: tuple[Column, ...], *, noise_multiplier: float, cohort_size: int) -> int:
    """With how many scores the columns in order can be told before noise covers their products; public facts alone.

    Every score more lengthens each patient's vector of products, and so the noise in all of them.

    Privacy: free; reads no rows.
    """
    outcome = np.array([column.outcome for column in columns])

    def noise(degree: int) -> float:
        counts = [score_count(one.levels, ordered=one.ordered, missing=one.missing, degree=degree) for one in columns]
        return noise_multiplier * moment_norm(_column_weights(np.array(counts), outcome)) / cohort_size

    finer = range(LEAST_DEGREE + 1, MOST_DEGREE + 1)
    return max((degree for degree in finer if noise(degree) <= MOST_NOISE), default=LEAST_DEGREE)


def score_table(
    shares: tuple[Floats, ...], columns: tuple[Column, ...], degree: int = LEAST_DEGREE
) -> tuple[Scores, ...]:
    """The scores of every column under its noisy shares, `degree` for a column in order.

    Privacy: free; post-processing.
    """
    return tuple(
        Scores.of(share, ordered=column.ordered, missing=column.missing, degree=degree)
        for share, column in zip(shares, columns, strict=True)
    )


def pair_weights(scores: tuple[Scores, ...], columns: tuple[Column, ...]) -> Floats:
    """Weights [s, s] of the products: 0 within a column or of an empty score, OUTCOME_WEIGHT with outcomes, else 1."""
    counts = np.array([score.count for score in scores], dtype=np.int64)
    weights = _column_weights(counts, np.array([column.outcome for column in columns]))
    empty = np.concatenate([~score.table.any(axis=0) for score in scores])
    weights[empty] = weights[:, empty] = 0.0
    return weights


def _column_weights(counts: NDArray[np.int64], outcome: NDArray[np.bool_]) -> Floats:
    """Weights [s, s] for columns of `counts` scores each."""
    owner = np.repeat(np.arange(len(counts)), counts)
    weights = np.where(outcome[owner][:, None] | outcome[owner], OUTCOME_WEIGHT, 1.0)
    weights[owner[:, None] == owner] = 0.0
    return weights


def score_rows(codes: NDArray[np.int64], scores: tuple[Scores, ...]) -> Floats:
    """Rows of levels [n, columns] as rows of scores [n, s].

    Privacy: internal only, when the rows are real; a per-patient map.
    """
    return np.concatenate([score.table[codes[:, j]] for j, score in enumerate(scores)], axis=1)


def moment_norm(weights: Floats) -> float:
    """The clip norm of a patient's vector of products: its length if the columns were independent."""
    length = math.sqrt(float((np.triu(weights, 1) ** 2).sum()))
    # a table of one column has no pairs: nothing is added up, under any norm
    return length if length > 0 else 1.0


def lost_to_clipping(rows: Floats, weights: Floats) -> Floats:
    """What clipping takes off the mean products of rows of scores [n, s], shape [s, s].

    Patients with a rare outcome have long vectors, so that clipping weakens what goes with it;
    dreamt patients tell by how much.

    Privacy: free; for dreamt rows.
    """
    squares = rows**2
    length = np.sqrt(np.maximum(np.einsum("ns,ns->n", squares @ (weights**2), squares) / 2, 1e-12))
    factor = np.minimum(1.0, moment_norm(weights) / length)
    return np.asarray((rows * (1 - factor)[:, None]).T @ rows / max(len(rows), 1))


def noisy_moments(
    gate: Gate, name: str, code: Coder, scores: tuple[Scores, ...], *, weights: Floats, patients: float
) -> NoisyMoments:
    """Means over patients of all products of scores of two columns.

    The clip norm is `moment_norm`, which the scores, being orthonormal, tell without a look.
    `patients` is the public or noisy number that the sums are divided by.

    Privacy: spends the charge `name`.
    """

    def rows(block: Cohort) -> Floats:
        return score_rows(code(block), scores)

    sums = noisy_second_moments(gate, name, rows, weights=weights, max_norm=moment_norm(weights))
    return NoisyMoments(values=sums.values / patients, sigma=sums.sigma / patients)
