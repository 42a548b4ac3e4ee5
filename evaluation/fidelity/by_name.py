"""Each column and each test by itself, with the distances that reviewers ask for by name."""

from __future__ import annotations

import numpy as np

from evaluation.fidelity.arms import Arms, Side
from evaluation.fidelity.columns import column_comparison, value_comparison
from evaluation.fidelity.comparison import Comparison, gap_share, tabulate
from evaluation.fidelity.distances import exact_distances, kolmogorov_smirnov, kullback_leibler, wasserstein_cells
from evaluation.fidelity.histograms import Floats, Ints, place, quantile_edges
from evaluation.finding import Estimate, Family, Finding, Verdict
from evaluation.resampling import estimate
from privacy.schema import Category

FINE_BINS, MERGED, MOST_CLASSES = 100, 5, 20


def each_column(arms: Arms) -> tuple[Finding, ...]:
    """For each column total variation with floor and ceiling; Kolmogorov-Smirnov, Wasserstein and KL beside it.

    Privacy: internal only.
    """
    comparison = column_comparison(arms)
    findings = []
    for place_of, name in enumerate(arms.schema.columns):
        left, right = (_column_items(side, name) for side in (arms.train, arms.synthetic))
        named = named_distances(arms, left, right, codes=isinstance(arms.schema.columns[name], Category))
        findings.append(_finding(comparison, place_of, "column", named, len(right[0])))
    return tuple(findings)


def each_test(arms: Arms) -> tuple[Finding, ...]:
    """The same for the values of each test that the training data hold.

    Privacy: internal only.
    """
    comparison = value_comparison(arms)
    findings = []
    for row, test in enumerate(arms.measured):
        left, right = (_test_items(side, test) for side in (arms.train, arms.synthetic))
        findings.append(_finding(comparison, row, "test", named_distances(arms, left, right), len(right[0])))
    return tuple(findings)


def named_distances(
    arms: Arms, left: tuple[Ints, Floats], right: tuple[Ints, Floats], *, codes: bool = False
) -> tuple[Estimate, ...]:
    """Three distances of (patient, value) items; the intervals come from classes of the training data.

    Wasserstein's is in standard deviations of the training data, KL in nats over twenty classes.
    Codes have no distance between them, so they get KL alone.

    Privacy: internal only.
    """
    edges = np.arange(left[1].max(initial=0) + 2) if codes else quantile_edges(left[1], FINE_BINS)
    if len(edges) == 0 or len(right[0]) == 0:
        return (Estimate(name="Kullback-Leibler divergence", value=None, note="no value on one of the sides"),)
    cells = max(len(edges) - 1, 1)
    a, b = (
        _redrawn(side, owner, place(value, edges), cells)
        for side, (owner, value) in ((arms.train, left), (arms.synthetic, right))
    )
    merge = np.arange(0, cells, 1 if codes or cells <= MOST_CLASSES else MERGED)
    divergence = kullback_leibler(np.add.reduceat(a, merge, axis=1), np.add.reduceat(b, merge, axis=1))
    kl = estimate("Kullback-Leibler divergence", divergence, high=np.inf)
    if codes:
        return (kl,)
    steepest, moved = exact_distances(left[1], right[1])
    middles = (edges[1:] + edges[:-1]) / 2 if len(edges) > 1 else edges
    spread = float(left[1].std())
    earth = wasserstein_cells(a, b, middles) / (spread if spread > 0 else 1.0)
    return (
        estimate("Kolmogorov-Smirnov distance", _recentred(kolmogorov_smirnov(a, b), steepest)),
        estimate("Wasserstein distance (standard deviations)", _recentred(earth, moved), high=np.inf),
        kl,
    )


def _redrawn(side: Side, owner: Ints, cell: Ints, cells: int) -> Floats:
    table = tabulate(side.redraws, owner, np.zeros_like(cell), cell, (1, cells))
    return np.asarray(side.redraws.weights @ table[:, 0, :])


def _recentred(redrawn: Floats, exact: float) -> Floats:
    """The classes give the spread, the exact distance the centre."""
    return np.asarray(redrawn - redrawn[0] + exact)


def _column_items(side: Side, name: str) -> tuple[Ints, Floats]:
    kind = side.cohort.schema.columns[name]
    numbers = side.cohort.codes(name).astype(np.float64) if isinstance(kind, Category) else side.cohort.numbers(name)
    rows = np.flatnonzero(np.isfinite(numbers) & ((numbers >= 0) | (not isinstance(kind, Category))))
    return rows, numbers[rows]


def _test_items(side: Side, test: int) -> tuple[Ints, Floats]:
    mine = side.draws.test == test
    return side.draws.owner[mine], side.draws.value[mine]


def _finding(comparison: Comparison, row: int, test: str, named: tuple[Estimate, ...], n: int) -> Finding:
    synthetic, floor, ceiling = (rows[:, row] for rows in (comparison.synthetic, comparison.floor, comparison.ceiling))
    title = f"{comparison.names[row]}: values"
    return Finding(
        family=Family.FIDELITY,
        test=test,
        title=title,
        headline=estimate("total variation", synthetic),
        verdict=Verdict.MEASURED,
        subject=comparison.names[row],
        unit="patient" if test == "column" else "record",
        n=n,
        floor=estimate("floor: real holdout", floor),
        ceiling=estimate("ceiling: evenly spread over the schema", ceiling),
        others=(gap_share(synthetic, floor, ceiling), *named),
    )
