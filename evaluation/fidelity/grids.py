"""Public grids: the cells of a column or a test that the schema alone fixes, missing as a cell of its own."""

from __future__ import annotations

import numpy as np

from evaluation.fidelity.histograms import Floats, Ints, place
from privacy.cohort import Cohort
from privacy.schema import Category, Derived, Number, Schema, Test


def public_edges(kind: Number | Test, bins: int) -> Floats:
    """`bins` classes of equal width between the public bounds, on the declared scale, shape [<= bins + 1].

    A column with fewer steps than bins gets one class a step.
    """
    low, high = kind.bounds if isinstance(kind, Test) else (kind.low, kind.high)
    if kind.scale == "log":
        first = max(low, min(kind.step, high / 2))
        inner = np.exp(np.linspace(np.log(first), np.log(high), bins + 1))
        return np.concatenate(([low], inner[1:]))
    if high - low < kind.step * bins:
        return np.arange(low, high + 1.5 * kind.step, kind.step)
    return np.linspace(low, high, bins + 1)


def column_cells(cohort: Cohort, column: str, bins: int) -> tuple[Ints, int]:
    """The cell of each patient in one column, shape [n], and how many cells there are; the last is *missing*.

    A derived column is placed between the bounds that its own values in the cohort never define:
    its formula at the bounds of its parents.

    Privacy: internal only.
    """
    kind = cohort.schema.columns[column]
    if isinstance(kind, Category):
        codes, size = cohort.codes(column), len(kind.levels)
        return np.where(codes < 0, size, codes), size + 1
    edges = derived_edges(cohort.schema, kind, bins) if isinstance(kind, Derived) else public_edges(kind, bins)
    return place_or_missing(cohort.numbers(column), edges)


def place_or_missing(values: Floats, edges: Floats) -> tuple[Ints, int]:
    """The class of each value among `edges`, NaN as a class of its own (the last), and the number of classes."""
    size = max(len(edges) - 1, 1)
    known = np.isfinite(values)
    return np.where(known, place(np.where(known, values, edges[0]), edges), size), size + 1


def derived_edges(schema: Schema, column: Derived, bins: int) -> Floats:
    """Equal classes between the least and the greatest value of a formula on a public grid of its parents."""
    names = column.parsed.names
    axes = []
    for name in names:
        parent = schema.columns[name]
        if isinstance(parent, Number):
            axes.append(np.linspace(parent.low, parent.high, 11))
    axes += [np.array([0.0, 1.0])] * len(column.parsed.matches)
    names = (*names, *(match.key for match in column.parsed.matches))
    points = np.meshgrid(*axes, indexing="ij")
    values = column.parsed.evaluate({name: point.ravel() for name, point in zip(names, points, strict=True)})
    known = values[np.isfinite(values)]
    if len(known) == 0 or known.min() == known.max():
        return np.array([0.0, 1.0])
    # The extremes of a quotient are far out (the tallest and lightest), so the middle 90 % of the grid is divided.
    low, high = np.quantile(known, [0.05, 0.95])
    return np.linspace(low, high, bins + 1)
