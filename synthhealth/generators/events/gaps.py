"""When the next draw comes: a noisy table of gaps by how much time is left for each draw still to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from synthhealth.encoding.draws import Draws

Floats = NDArray[np.float64]
GAP_BINS = 18
PACE_BINS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class GapHead:
    """p(gap bin | pace): `chances` [PACE_BINS, GAP_BINS].

    The pace is (last step - this step) / (draws still to come) in time steps; both axes are cut
    at public, geometric points `gap_edges` and `pace_edges` of the window.
    """

    chances: Floats
    gap_edges: NDArray[np.int64]
    pace_edges: Floats

    @staticmethod
    def edges(steps: int) -> tuple[NDArray[np.int64], Floats]:
        """The public cuts for a window of `steps`."""
        gaps = np.unique(np.round(np.geomspace(1, max(steps, 2), GAP_BINS)).astype(np.int64))
        return np.append(gaps, gaps[-1] + 1), np.append(np.geomspace(1.0, max(steps, 2), PACE_BINS)[:-1] - 1e-9, np.inf)

    @staticmethod
    def of(table: Floats, steps: int) -> GapHead:
        """The head from a noisy table of counts [paces, gaps], smoothed by the neighbouring paces where it is thin.

        Privacy: free; post-processing.
        """
        gap_edges, pace_edges = GapHead.edges(steps)
        counts = np.maximum(table.reshape(len(pace_edges) - 1, len(gap_edges) - 1), 0.0)
        wide = np.pad(counts, ((1, 1), (0, 0)), mode="edge")
        counts = counts + 0.05 * (wide[:-2] + wide[2:]) + 1e-3 * counts.mean() + 1e-9
        # a gap longer than all the time that is left for one draw is rare: the lower triangle of the prior
        return GapHead(chances=counts / counts.sum(axis=1, keepdims=True), gap_edges=gap_edges, pace_edges=pace_edges)

    def draw(self, left: Floats, to_come: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """A gap in steps for patients with `left` steps before their last draw and `to_come` draws still to come."""
        pace = _pace(left, to_come, self.pace_edges)
        below = np.cumsum(self.chances[pace], axis=1)
        cell = np.minimum((below < rng.random((len(pace), 1))).sum(axis=1), self.chances.shape[1] - 1)
        low, high = self.gap_edges[cell], self.gap_edges[cell + 1]
        gap = low + np.floor(rng.random(len(cell)) * (high - low)).astype(np.int64)
        # leave at least one step for each draw that is still to come
        room = np.maximum(left - (to_come - 1), 1).astype(np.int64)
        return np.asarray(np.minimum(gap, room))


def gap_rows(draws: Draws, steps: int) -> sp.csr_matrix:
    """Each patient's gaps by pace, shape [patients, paces * gaps]; the last gap of a patient is not counted.

    Privacy: internal only; row i is built from patient i alone.
    """
    gap_edges, pace_edges = GapHead.edges(steps)
    count = draws.per_patient()
    final = np.zeros(draws.patients, dtype=np.int64)
    stop = np.cumsum(count)
    final[count > 0] = draws.step[stop[count > 0] - 1]
    to_come = count[draws.owner] - draws.index - 1
    open_ = np.flatnonzero(to_come > 1)
    left = (final[draws.owner] - draws.step)[open_].astype(np.float64)
    gap = draws.step[open_ + 1] - draws.step[open_]
    pace = _pace(left, to_come[open_].astype(np.float64), pace_edges)
    cell = np.clip(np.searchsorted(gap_edges, gap, side="right") - 1, 0, len(gap_edges) - 2)
    index = pace * (len(gap_edges) - 1) + cell
    shape = (draws.patients, (len(pace_edges) - 1) * (len(gap_edges) - 1))
    return sp.coo_matrix((np.ones(len(index)), (draws.owner[open_], index)), shape=shape).tocsr()


def _pace(left: Floats, to_come: Floats, edges: Floats) -> NDArray[np.int64]:
    pace = left / np.maximum(to_come, 1.0)
    return np.clip(np.searchsorted(edges, pace, side="right") - 1, 0, len(edges) - 2)
