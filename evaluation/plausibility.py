"""What a clinician would stumble over: extreme values, jumps, panels nobody draws, values that do not go together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evaluation.fidelity.arms import Arms, Side, values_by_test
from evaluation.fidelity.columns import value_names
from evaluation.fidelity.comparison import Comparison, compare, summary_finding, tabulate
from evaluation.fidelity.distances import rate_difference
from evaluation.fidelity.histograms import Floats, Ints, quantile_edges
from evaluation.fidelity.joint import correlation_difference, moments, ranks
from evaluation.fidelity.rhythm import frequent_tests, panel_marks
from evaluation.finding import Family, Finding

TAIL, JUMP, CURVE = 0.01, 0.99, 100


def plausibility_findings(arms: Arms) -> tuple[Finding, ...]:
    """All clinical checks, each with the rate in fresh real patients as floor.

    Privacy: internal only.
    """
    return (critical_values(arms), at_the_bounds(arms), delta_checks(arms), new_panels(arms), physiologic_pairs(arms))


def critical_values(arms: Arms) -> Finding:
    """Values beyond the first or last percentile of the training data: too many or too few by test.

    Privacy: internal only.
    """
    limits = np.array([_limits(values) for values in values_by_test(arms.train.draws)]).reshape(-1, 2)

    def table(side: Side) -> Floats:
        draws = side.draws
        beyond = (draws.value < limits[draws.test, 0]) | (draws.value > limits[draws.test, 1])
        return _rates(arms, side, draws.owner, draws.test, beyond)

    comparison = compare(arms, table, value_names(arms), ceiling="scattered", distance=rate_difference)
    return _finding(comparison, arms, "critical values", "Values beyond the 1st and 99th percentile")


def at_the_bounds(arms: Arms) -> Finding:
    """Values that sit exactly on a public bound: clipping piles them up.

    Privacy: internal only.
    """
    bounds = np.array([kind.bounds for kind in arms.schema.tests.values()]).reshape(-1, 2)

    def table(side: Side) -> Floats:
        draws = side.draws
        on = (draws.value <= bounds[draws.test, 0]) | (draws.value >= bounds[draws.test, 1])
        return _rates(arms, side, draws.owner, draws.test, on)

    comparison = compare(arms, table, value_names(arms), ceiling="scattered", distance=rate_difference)
    return _finding(comparison, arms, "bounds", "Values on a public bound")


def delta_checks(arms: Arms) -> Finding:
    """Jumps from one value to the next that only one in a hundred of the training data's reaches.

    The delta check of clinical laboratories (Ladenson 1975), its limits taken from the training data.

    Privacy: internal only.
    """
    size, test = _jumps(arms.train)
    limits = np.full(max(arms.train.draws.tests, 1), np.inf)
    for place in np.unique(test):
        limits[place] = np.quantile(size[test == place], JUMP)

    def table(side: Side) -> Floats:
        jump, kind = _jumps(side)
        owner = side.draws.owner[side.draws.followers()[0]]
        return _rates(arms, side, owner, kind, jump > limits[kind])

    comparison = compare(arms, table, value_names(arms), ceiling="shuffled", distance=rate_difference)
    return _finding(comparison, arms, "delta checks", "Jumps beyond the 99th percentile")


def new_panels(arms: Arms) -> Finding:
    """Draws with a set of tests that no draw of the training data has.

    Privacy: internal only.
    """
    seen = np.unique(panel_marks(arms.train))

    def table(side: Side) -> Floats:
        strange = (~np.isin(panel_marks(side), seen)).astype(np.int64)
        return tabulate(side.redraws, side.draws.draw_owner, np.zeros_like(strange), 1 - strange, (1, 2))

    names = ("panels",) if arms.measured else ()
    comparison = compare(arms, table, names, ceiling="scattered", distance=rate_difference)
    return _finding(comparison, arms, "new panels", "Draws with a set of tests never seen")


def _rates(arms: Arms, side: Side, owner: Ints, test: Ints, hit: NDArray[np.bool_]) -> Floats:
    """Hits and misses by group of patients and measured test, shape [groups, tests, 2]."""
    shape = (max(side.draws.tests, 1), 2)
    return tabulate(side.redraws, owner, test, 1 - hit.astype(np.int64), shape)[:, list(arms.measured)]


def _limits(values: Floats) -> Floats:
    if len(values) == 0:
        return np.array([-np.inf, np.inf])
    return np.quantile(values, [TAIL, 1 - TAIL])


def _jumps(side: Side) -> tuple[Floats, Ints]:
    """The size of each step from a value to the next, on the declared scale, and its test."""
    now, later = side.draws.followers()
    return np.abs(side.scaled[later] - side.scaled[now]), side.draws.test[now]


def _finding(comparison: Comparison, arms: Arms, test: str, title: str, *, high: float = 1.0) -> Finding:
    n = len(arms.synthetic.cohort)
    return summary_finding(comparison, test=test, title=title, n=n, high=high, family=Family.PLAUSIBILITY)


def physiologic_pairs(arms: Arms) -> Finding:
    """Rank correlation of two tests in one draw, for all pairs of the forty most frequent tests.

    Creatinine goes with urea, sodium with chloride: values of one draw hang together.

    Privacy: internal only.
    """
    tests = frequent_tests(arms)
    names = list(arms.schema.tests)
    edges = [quantile_edges(values, CURVE) for values in values_by_test(arms.train.draws)]

    def table(side: Side) -> Floats:
        wide = np.full((len(side.draws.draw_owner), max(side.draws.tests, 1)), np.nan)
        wide[side.draws.draw, side.draws.test] = side.draws.value
        return moments(side, ranks(wide[:, tests], [edges[test] for test in tests]), side.draws.draw_owner)

    pairs = [f"{names[a]} and {names[b]}" for a, b in combinations(tests, 2)]
    comparison = compare(arms, table, pairs, ceiling="shuffled", distance=correlation_difference)
    return _finding(comparison, arms, "physiologic pairs", "Correlation of two tests in one draw", high=2.0)
