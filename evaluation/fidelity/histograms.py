"""Cells and how far apart two tables of counts are: quantile edges, places on a grid, total variation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def quantile_edges(values: Floats, bins: int) -> Floats:
    """Edges of `bins` classes of equal weight, ties merged; shape [<= bins + 1], empty without values.

    Values that are no more than `bins` (codes, say) get a class each.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return np.empty(0, dtype=np.float64)
    different = np.unique(known)
    if len(different) <= bins:
        return np.append(different, different[-1] + 1)
    return np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))


def place(values: Floats, edges: Floats) -> Ints:
    """The class of each value among the half-open intervals of `edges`, ends included, shape of `values`."""
    if len(edges) <= 1:
        return np.zeros(len(values), dtype=np.int64)
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def place_within(values: Floats, group: NDArray[np.integer], edges: Sequence[Floats]) -> Ints:
    """The class of each value among the edges of its own group, `values` and `group` of shape [r]."""
    result = np.zeros(len(values), dtype=np.int64)
    order = np.argsort(group, kind="stable")
    borders = np.searchsorted(group[order], np.arange(len(edges) + 1))
    for place_of, low, high in zip(edges, borders[:-1], borders[1:], strict=True):
        mine = order[low:high]
        result[mine] = place(values[mine], place_of)
    return result


def counts(row: Ints, cell: Ints, shape: tuple[int, int]) -> Floats:
    """How many items fall on each (row, cell), shape `shape`."""
    return np.bincount(row * shape[1] + cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def total_variation(left: Floats, right: Floats) -> Floats:
    """Half the L1 distance of the shares of counts along the last axis, shape [...] of [..., cells].

    Two empty tables are at distance 0, an empty one and any other at distance 1.
    """
    a, b = left.sum(axis=-1), right.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = 0.5 * np.abs(left / a[..., None] - right / b[..., None]).sum(axis=-1)
    return np.where((a == 0) & (b == 0), 0.0, np.where((a == 0) | (b == 0), 1.0, distance))


def mean_known(values: Floats) -> float:
    """The mean of the values that are not NaN, NaN where there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
