"""Columns of the patients' table together: pairs, triples, correlations, patterns of missing values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from evaluation.features import column_numbers
from evaluation.fidelity.arms import Arms, Side
from evaluation.fidelity.columns import missable, missing_mask
from evaluation.fidelity.comparison import compare, summary_finding, tabulate
from evaluation.fidelity.grids import column_cells
from evaluation.fidelity.histograms import Floats, Ints, quantile_edges
from evaluation.finding import Finding
from privacy.cohort import Cohort
from privacy.randomness import public
from privacy.schema import Category

PAIR_BINS, TRIPLE_BINS, MOST_PAIRS, TRIPLES, MOST_CELLS = 20, 6, 500, 100, 24
PATTERNS, VARIABLES, FEWEST, NO_SPREAD = 60, 60, 30, 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedColumn:
    """A column on public cells, the rare ones (by the training data) merged: `merged` [cells] -> [0, size)."""

    name: str
    bins: int
    merged: Ints
    size: int

    @staticmethod
    def of(train: Cohort, name: str, bins: int, *, most: int = MOST_CELLS) -> MergedColumn:
        """Keep the `most` frequent cells; the judge's choice, nothing that leaves the house.

        Privacy: internal only.
        """
        cells, size = column_cells(train, name, bins)
        number = np.bincount(cells, minlength=size)
        keep = np.sort(np.argsort(-number, kind="stable")[:most])
        merged = np.full(size, len(keep), dtype=np.int64)
        merged[keep] = np.arange(len(keep))
        return MergedColumn(name=name, bins=bins, merged=merged, size=len(keep) + 1)

    def cells(self, cohort: Cohort) -> Ints:
        """The merged cell of each patient, shape [n]."""
        return self.merged[column_cells(cohort, self.name, self.bins)[0]]


def two_way(arms: Arms, *, seed: int = 0) -> Finding:
    """All pairs of columns (500 random ones where there are more), twenty public bins each.

    Privacy: internal only.
    """
    return _joint(arms, 2, PAIR_BINS, MOST_PAIRS, seed, test="two-way", title="Pairs of columns")


def three_way(arms: Arms, *, seed: int = 0) -> Finding:
    """A hundred random triples of columns, six public bins each.

    Privacy: internal only.
    """
    return _joint(arms, 3, TRIPLE_BINS, TRIPLES, seed, test="three-way", title="Triples of columns")


def missing_patterns(arms: Arms) -> Finding:
    """Which columns are missing together: the sixty most frequent patterns of the training data, and the rest.

    Privacy: internal only.
    """
    columns = missable(arms.schema)
    common, number = np.unique(missing_mask(arms.train, columns), axis=0, return_counts=True)
    known = {common[place].tobytes(): rank for rank, place in enumerate(np.argsort(-number)[:PATTERNS])}

    def table(side: Side) -> Floats:
        mask = missing_mask(side, columns)
        cell = np.array([known.get(row.tobytes(), PATTERNS) for row in mask], dtype=np.int64)
        rows = np.arange(len(mask))
        return tabulate(side.redraws, rows, np.zeros_like(rows), cell, (1, PATTERNS + 1))

    names = ("patterns",) if len(columns) > 1 else ()
    comparison = compare(arms, table, names, ceiling="shuffled")
    return summary_finding(
        comparison, test="missing patterns", title="Patterns of missing values", n=len(arms.synthetic.cohort)
    )


def correlations(arms: Arms) -> Finding:
    """Mean difference of rank correlations between numbers, ordered codes and patients' mean lab values.

    Ranks are taken among the training data, so that both sides are on one scale; pairs known in
    fewer than thirty patients are left out.

    Privacy: internal only.
    """
    columns = tuple(name for name, kind in arms.schema.columns.items() if not _is_nominal(kind))
    frequent = np.argsort(-np.bincount(arms.train.draws.test, minlength=1), kind="stable")
    tests = [int(place) for place in frequent if int(place) in arms.measured][: max(0, VARIABLES - len(columns))]
    train = _variables(arms.train, columns, tests)
    edges = [quantile_edges(train[:, column], 100) for column in range(train.shape[1])]
    labels = (*columns, *(f"mean {list(arms.schema.tests)[place]}" for place in tests))
    names = tuple(f"{a} and {b}" for a, b in combinations(labels, 2))

    def table(side: Side) -> Floats:
        rows = np.arange(len(side.cohort))
        return moments(side, ranks(_variables(side, columns, tests), edges), rows)

    comparison = compare(arms, table, names, ceiling="shuffled", distance=correlation_difference)
    return summary_finding(
        comparison, test="correlations", title="Rank correlations", n=len(arms.synthetic.cohort), high=2.0
    )


def correlation_difference(left: Floats, right: Floats) -> Floats:
    """Difference of Pearson's r from moments [..., (n, x, y, xx, yy, xy)], NaN where n is below thirty."""
    return np.abs(_correlation(left) - _correlation(right))


def _joint(arms: Arms, width: int, bins: int, most: int, seed: int, *, test: str, title: str) -> Finding:
    train = arms.train.cohort
    columns = [MergedColumn.of(train, name, bins, most=min(bins, MOST_CELLS) + 1) for name in arms.schema.columns]
    sets = list(combinations(range(len(columns)), width))
    chosen = sorted(public(seed, "fidelity", test).permutation(len(sets))[:most].tolist())
    sets = [sets[place] for place in chosen]
    cells = max((int(np.prod([columns[place].size for place in group])) for group in sets), default=1)

    def table(side: Side) -> Floats:
        codes = [column.cells(side.cohort) for column in columns]
        rows = np.arange(len(side.cohort))
        result = np.zeros((side.redraws.groups, len(sets), cells))
        for place, group in enumerate(sets):
            joint = np.ravel_multi_index([codes[one] for one in group], [columns[one].size for one in group])
            result[:, place] = tabulate(side.redraws, rows, np.zeros_like(rows), joint, (1, cells))[:, 0]
        return result

    names = [" and ".join(columns[one].name for one in group) for group in sets]
    comparison = compare(arms, table, names, ceiling="shuffled")
    return summary_finding(comparison, test=test, title=title, n=len(arms.synthetic.cohort))


def _is_nominal(kind: object) -> bool:
    return isinstance(kind, Category) and kind.kind == "categorical" and len(kind.levels) > 2  # noqa: PLR2004  two codes have an order


def _variables(side: Side, columns: tuple[str, ...], tests: list[int]) -> Floats:
    """Columns and mean scaled values of tests, NaN where unknown, shape [n, variables]."""
    draws = side.draws
    size = draws.patients * draws.tests
    key = draws.owner * draws.tests + draws.test
    number = np.bincount(key, minlength=size)
    mean = np.where(number > 0, np.bincount(key, side.scaled, minlength=size) / np.maximum(number, 1), np.nan)
    attributes = [column_numbers(side.cohort, name) for name in columns]
    return np.column_stack([*attributes, mean.reshape(draws.patients, -1)[:, tests]])


def ranks(values: Floats, edges: list[Floats]) -> Floats:
    """Each column as its rank in [0, 1] among the training data, NaN kept."""
    result = np.full(values.shape, np.nan)
    for column, cut in enumerate(edges):
        known = np.isfinite(values[:, column])
        grid = np.linspace(0, 1, max(len(cut), 1))
        result[known, column] = np.interp(values[known, column], cut, grid) if len(cut) > 0 else 0.0
    return result


def moments(side: Side, rows: Floats, owner: Ints) -> Floats:
    """Sums by group of patients and pair of variables: n, x, y, xx, yy, xy, shape [groups, pairs, 6].

    `rows` [k, variables] hold NaN where unknown; `owner` [k] is the patient of each.
    """
    first, second = np.triu_indices(rows.shape[1], 1)
    known = np.isfinite(rows).astype(np.float64)
    value = np.where(known > 0, rows, 0.0)
    group_of = side.redraws.group[owner]
    result = np.zeros((side.redraws.groups, len(first), 6))
    for group in range(side.redraws.groups):
        mine = group_of == group
        k, v = known[mine], value[mine]
        tables = (k.T @ k, v.T @ k, k.T @ v, (v * v).T @ k, k.T @ (v * v), v.T @ v)
        result[group] = np.column_stack([table[first, second] for table in tables])
    return result


def _correlation(sums: Floats) -> Floats:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (xx - x * x / n) * (yy - y * y / n)
        r = (xy - x * y / n) / np.sqrt(spread)
    return np.where((n >= FEWEST) & (spread > NO_SPREAD), r, np.nan)
