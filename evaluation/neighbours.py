"""Exact nearest neighbours between sets of patients, with distances that are exactly zero for exact copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from evaluation.spread import spread

QUERIES_A_BLOCK = 8192
_SPARE = 4
_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The k nearest points of each query, nearest first: `index` [n, k] int64, `distance` [n, k] float64."""

    index: NDArray[np.int64]
    distance: NDArray[np.float64]

    @property
    def nearest(self) -> NDArray[np.float64]:
        """Distance to the closest point, shape [n]."""
        return self.distance[:, 0]

    def mean(self, k: int) -> NDArray[np.float64]:
        """Mean distance to the k closest points, shape [n]; fewer where fewer are known."""
        return np.asarray(self.distance[:, :k].mean(axis=1), dtype=np.float64)

    def kth(self, k: int) -> NDArray[np.float64]:
        """Distance to the k-th closest point, shape [n]; the farthest known where fewer are known."""
        return self.distance[:, min(k, self.distance.shape[1]) - 1]

    def take(self, rows: NDArray[np.integer]) -> Neighbours:
        """The neighbours of the queries at `rows`."""
        return Neighbours(index=self.index[rows], distance=self.distance[rows])


def nearest(queries: NDArray[np.float32], points: NDArray[np.float32], k: int) -> Neighbours:
    """The k Euclidean nearest neighbours of each of `queries` [n, d] among `points` [m, d], by full comparison.

    k is cut to m. Candidates come from the blocked expansion |a|^2 - 2ab + |b|^2 in float64
    (memory is flat in n and m); k + 4 of them are measured again as |a - b|, since the
    expansion turns the distance between two equal points into rounding noise. Raises
    ValueError when there is no point.

    Queries go by blocks of QUERIES_A_BLOCK, so that a block is the same work wherever `spread` has it done.

    Privacy: internal only, when either side is real; a cluster's workers see all points and their queries.
    """
    if len(points) == 0:
        raise ValueError("there are no points to be near to")
    wanted = min(k, len(points))
    spare = min(wanted + _SPARE, len(points))
    # a common origin near the data keeps |a|^2 small, and with it the rounding of the expansion
    origin = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    starts = range(0, max(len(queries), 1), QUERIES_A_BLOCK)
    blocks = ((queries[start : start + QUERIES_A_BLOCK], points, origin, wanted, spare) for start in starts)
    parts = spread(_of_block, blocks)
    return Neighbours(
        index=np.concatenate([part.index for part in parts]),
        distance=np.concatenate([part.distance for part in parts]),
    )


def _of_block(
    queries: NDArray[np.float32], points: NDArray[np.float32], origin: NDArray[np.float32], wanted: int, spare: int
) -> Neighbours:
    """The neighbours of some queries, of which only the points are seen besides."""
    search = NearestNeighbors(n_neighbors=spare, algorithm="brute", metric="sqeuclidean").fit(points - origin)
    candidates = search.kneighbors(queries - origin, return_distance=False)
    distance = _measured(queries, points, candidates)
    order = np.argsort(distance, axis=1, kind="stable")[:, :wanted]
    return Neighbours(
        index=np.take_along_axis(candidates, order, axis=1).astype(np.int64),
        distance=np.take_along_axis(distance, order, axis=1),
    )


def _measured(
    queries: NDArray[np.float32], points: NDArray[np.float32], candidates: NDArray[np.integer]
) -> NDArray[np.float64]:
    """|query - candidate| for each candidate [n, c], taken directly, block by block."""
    result = np.empty(candidates.shape, dtype=np.float64)
    block = max(1, _BLOCK_VALUES // max(1, candidates.shape[1] * queries.shape[1]))
    for start in range(0, len(queries), block):
        stop = start + block
        gap = points[candidates[start:stop]] - queries[start:stop, None, :]
        result[start:stop] = np.sqrt(np.einsum("ncd,ncd->nc", gap, gap, dtype=np.float64))
    return result
