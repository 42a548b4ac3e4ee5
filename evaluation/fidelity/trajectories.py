"""What ties a patient's values together: the next value, the spread within a patient, slopes, attributes."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from evaluation.benchmark_labs import benchmark_attributes
from evaluation.features import summarise
from evaluation.fidelity.arms import CLASSES, Arms, Side
from evaluation.fidelity.columns import value_names
from evaluation.fidelity.comparison import compare, summary_finding, tabulate
from evaluation.fidelity.histograms import Floats, place, quantile_edges, total_variation
from evaluation.fidelity.joint import MergedColumn
from evaluation.fidelity.rhythm import frequent_tests
from evaluation.finding import Finding

ATTRIBUTE_CLASSES, FEWEST, NO_SPREAD, MOST_CROSSED, FEWEST_PAIRS = 6, 30, 1e-12, 20, 200


def lag_one(arms: Arms) -> Finding:
    """A value and the patient's next value of the same test, in eight classes each.

    Privacy: internal only.
    """

    def table(side: Side) -> Floats:
        now, later = side.draws.followers()
        cell = side.classes[now] * CLASSES + side.classes[later]
        shape = (max(side.draws.tests, 1), CLASSES**2)
        return tabulate(side.redraws, side.draws.owner[now], side.draws.test[now], cell, shape)[:, list(arms.measured)]

    comparison = compare(arms, table, value_names(arms), ceiling="shuffled")
    return summary_finding(comparison, test="lag 1", title="A value and the next", n=len(arms.synthetic.draws.owner))


def cross_lag(arms: Arms) -> Finding:
    """A value and another test's value in the patient's next draw, four classes each, 200 such pairs or more.

    Creatinine today goes with potassium tomorrow: what ties tests together over time. The twenty most
    frequent tests are looked at.

    Privacy: internal only.
    """
    tests = frequent_tests(arms, MOST_CROSSED)
    first, second = np.nonzero(~np.eye(len(tests), dtype=np.bool_))
    names = list(arms.schema.tests)
    labels = [f"{names[tests[a]]} and then {names[tests[b]]}" for a, b in zip(first, second, strict=True)]

    def table(side: Side) -> Floats:
        return _crossed(side, tests)[:, first, second]

    comparison = compare(arms, table, labels, ceiling="shuffled", distance=where_enough)
    return summary_finding(
        comparison, test="cross lag", title="A value and another test's in the next draw", n=len(arms.synthetic.cohort)
    )


def where_enough(left: Floats, right: Floats) -> Floats:
    """Total variation, NaN where a side has fewer than 200 items."""
    enough = (left.sum(axis=-1) >= FEWEST_PAIRS) & (right.sum(axis=-1) >= FEWEST_PAIRS)
    return np.where(enough, total_variation(left, right), np.nan)


def spread(arms: Arms) -> Finding:
    """Difference of the ratio of within-patient to total standard deviation.

    Privacy: internal only.
    """

    def table(side: Side) -> Floats:
        return _spread_sums(side)[:, list(arms.measured)]

    comparison = compare(arms, table, value_names(arms), ceiling="shuffled", distance=spread_difference)
    return summary_finding(
        comparison, test="spread", title="Spread within a patient", n=len(arms.synthetic.cohort), high=np.inf
    )


def slopes(arms: Arms) -> Finding:
    """The patient's least-squares slope of each test, in eight quantile classes of the training data.

    Privacy: internal only.
    """
    learnt = summarise(arms.train.draws, ("slope",))[0]
    edges = [quantile_edges(learnt[:, test], CLASSES) for test in arms.measured]

    def table(side: Side) -> Floats:
        slope = summarise(side.draws, ("slope",))[0]
        parts = [np.zeros((side.redraws.groups, 0, CLASSES))]
        for test, edge in zip(arms.measured, edges, strict=True):
            owner = np.flatnonzero(np.isfinite(slope[:, test]))
            cell = place(slope[owner, test], edge)
            parts.append(tabulate(side.redraws, owner, np.zeros_like(cell), cell, (1, CLASSES)))
        return np.concatenate(parts, axis=1)

    comparison = compare(arms, table, value_names(arms), ceiling="shuffled")
    return summary_finding(comparison, test="slopes", title="Slopes", n=len(arms.synthetic.cohort))


def attribute_and_value(arms: Arms) -> Finding:
    """Each attribute with the values of each test, the attribute in six equal classes or its codes.

    Privacy: internal only.
    """
    attributes = benchmark_attributes(arms.schema)
    columns = [MergedColumn.of(arms.train.cohort, name, ATTRIBUTE_CLASSES) for name in attributes]
    width = max((column.size for column in columns), default=1) * CLASSES

    def table(side: Side) -> Floats:
        draws, parts = side.draws, [np.zeros((side.redraws.groups, 0, width))]
        for column in columns:
            cell = column.cells(side.cohort)[draws.owner] * CLASSES + side.classes
            whole = tabulate(side.redraws, draws.owner, draws.test, cell, (max(draws.tests, 1), width))
            parts.append(whole[:, list(arms.measured)])
        return np.concatenate(parts, axis=1)

    names = [f"{name} and {test}" for name in attributes for test in value_names(arms)]
    comparison = compare(arms, table, names, ceiling="shuffled")
    return summary_finding(
        comparison, test="attribute and value", title="Attributes and values", n=len(arms.synthetic.cohort)
    )


def spread_difference(left: Floats, right: Floats) -> Floats:
    """From sums [..., (inner deviation, patients, n, x, xx)]; NaN below thirty patients with two records."""
    return np.abs(_spread_ratio(left) - _spread_ratio(right))


def _crossed(side: Side, tests: list[int]) -> Floats:
    """Consecutive draws by the class of a test in the first and of a test in the second, [groups, tests, tests, 16]."""
    draws, half = side.draws, CLASSES // 2
    spot = np.full(max(draws.tests, 1), -1)
    spot[tests] = np.arange(len(tests))
    kept = spot[draws.test] >= 0
    column = spot[draws.test[kept]] * half + side.classes[kept] // 2
    shape = (len(draws.draw_owner), len(tests) * half)
    held = sp.csr_matrix((np.ones(len(column)), (draws.draw[kept], column)), shape=shape)
    same = np.flatnonzero(draws.draw_owner[1:] == draws.draw_owner[:-1])
    group = side.redraws.group[draws.draw_owner[same]]
    result = np.zeros((side.redraws.groups, len(tests), len(tests), half * half))
    for number in range(side.redraws.groups):
        mine = same[group == number]
        joint = (held[mine].T @ held[mine + 1]).toarray().reshape(len(tests), half, len(tests), half)
        result[number] = joint.transpose(0, 2, 1, 3).reshape(len(tests), len(tests), half * half)
    return result


def _spread_sums(side: Side) -> Floats:
    """Sums by group and test: within-patient deviations, patients with two records, n, x, xx, [groups, tests, 5]."""
    draws, group = side.draws, side.redraws.group
    tests, size = max(draws.tests, 1), draws.patients * max(draws.tests, 1)
    key = draws.owner * tests + draws.test
    number = np.bincount(key, minlength=size)
    mean = np.bincount(key, side.scaled, minlength=size) / np.maximum(number, 1)
    squares = np.bincount(key, (side.scaled - mean[key]) ** 2, minlength=size)
    several = number > 1
    inner = np.where(several, np.sqrt(squares / np.maximum(number - 1, 1)), 0.0)
    place_of = np.repeat(group, tests) * tests + np.tile(np.arange(tests), draws.patients)
    record = group[draws.owner] * tests + draws.test
    cells = side.redraws.groups * tests
    sums = (
        np.bincount(place_of, inner, minlength=cells),
        np.bincount(place_of, several, minlength=cells),
        np.bincount(record, minlength=cells),
        np.bincount(record, side.scaled, minlength=cells),
        np.bincount(record, side.scaled**2, minlength=cells),
    )
    return np.stack(sums, axis=-1).reshape(side.redraws.groups, tests, len(sums)).astype(np.float64)


def _spread_ratio(sums: Floats) -> Floats:
    inner, people, n, x, xx = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = xx / n - (x / n) ** 2
        ratio = inner / people / np.sqrt(variance)
    return np.where((people >= FEWEST) & (variance > NO_SPREAD), ratio, np.nan)
