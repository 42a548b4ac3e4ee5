"""When and what is measured: records and draws a patient, gaps, which tests come together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import scipy.sparse as sp

from evaluation.fidelity.arms import CLASSES, Arms, Side
from evaluation.fidelity.columns import never_measured
from evaluation.fidelity.comparison import compare, summary_finding, tabulate
from evaluation.fidelity.distances import rate_difference
from evaluation.fidelity.histograms import Floats, Ints, place, total_variation
from evaluation.finding import Finding
from privacy.randomness import public
from privacy.schema import Schema

COUNT_CLASSES, PANELS, MOST_TESTS, FEWEST, START_CLASSES = 30, 100, 40, 200, 24


def records(arms: Arms) -> Finding:
    """Records and draws a patient, in classes that grow with the number.

    Privacy: internal only.
    """
    edges = count_edges(arms.schema.privacy_unit.max_records)

    def table(side: Side) -> Floats:
        parts = [
            _patient_table(side, place(number.astype(np.float64), edges), len(edges))
            for number in (side.draws.records_per_patient(), side.draws.draws_per_patient())
        ]
        return np.concatenate(parts, axis=1)

    names = ("records a patient", "draws a patient") if arms.measured else ()
    comparison = compare(arms, table, names, ceiling="scattered")
    return summary_finding(
        comparison, test="records", title="Records and draws a patient", n=len(arms.synthetic.cohort)
    )


def gaps(arms: Arms) -> Finding:
    """Time from draw to draw, and from the start of the window to the first draw.

    Privacy: internal only.
    """
    edges = count_edges(_steps(arms.schema))

    def table(side: Side) -> Floats:
        owner, time = side.draws.draw_owner, side.draws.draw_time
        same = owner[1:] == owner[:-1]
        first = np.ones(len(owner), dtype=np.bool_)
        first[1:] = ~same
        gap = place((time[1:] - time[:-1])[same], edges)
        start = (time[first] * START_CLASSES // _steps(arms.schema)).astype(np.int64)
        return np.concatenate(
            [
                tabulate(side.redraws, owner[1:][same], np.zeros_like(gap), gap, (1, len(edges) + START_CLASSES)),
                tabulate(side.redraws, owner[first], np.zeros_like(start), start, (1, len(edges) + START_CLASSES)),
            ],
            axis=1,
        )

    names = ("gap between draws", "first draw") if arms.measured else ()
    comparison = compare(arms, table, names, ceiling="scattered")
    return summary_finding(comparison, test="gaps", title="Times of draws", n=len(arms.synthetic.cohort))


def presence(arms: Arms) -> Finding:
    """Difference in the share of draws that hold each test.

    Privacy: internal only.
    """
    names = [list(arms.schema.tests)[place_of] for place_of in arms.measured]

    def table(side: Side) -> Floats:
        draws = side.draws
        shape = (max(draws.tests, 1), 1)
        held = tabulate(side.redraws, draws.owner, draws.test, np.zeros_like(draws.test), shape)[:, list(arms.measured)]
        every = np.bincount(side.redraws.group[draws.draw_owner], minlength=side.redraws.groups)
        return np.concatenate([held, every[:, None, None] - held], axis=2)

    comparison = compare(arms, table, names, ceiling="scattered", distance=rate_difference)
    return summary_finding(comparison, test="presence", title="Tests in a draw", n=len(arms.synthetic.draws.draw_owner))


def panels(arms: Arms) -> Finding:
    """Which sets of tests are drawn together: the hundred most frequent of the training data, and the rest.

    Privacy: internal only.
    """
    known, number = np.unique(panel_marks(arms.train), return_counts=True)
    common = np.sort(known[np.argsort(-number, kind="stable")[:PANELS]])

    def table(side: Side) -> Floats:
        marks = panel_marks(side)
        spot = np.minimum(np.searchsorted(common, marks), max(len(common) - 1, 0))
        cell = np.where(common[spot] == marks, spot, PANELS) if len(common) > 0 else spot
        return tabulate(side.redraws, side.draws.draw_owner, np.zeros_like(cell), cell, (1, PANELS + 1))

    comparison = compare(arms, table, ("panels",) if arms.measured else (), ceiling="scattered")
    return summary_finding(comparison, test="panels", title="Panels", n=len(arms.synthetic.draws.draw_owner))


def ever_measured(arms: Arms) -> Finding:
    """Pairs of tests by whether a patient ever had them: what is ordered together over a stay.

    Privacy: internal only.
    """
    tests = frequent_tests(arms)
    pairs = np.array(list(combinations(range(len(tests)), 2)), dtype=np.int64).reshape(-1, 2)

    def table(side: Side) -> Floats:
        absent = never_measured(side)[:, tests].astype(np.int64)
        result = np.zeros((side.redraws.groups, len(pairs), 4))
        rows = np.arange(len(absent))
        for place_of, (a, b) in enumerate(pairs):
            cell = absent[:, a] * 2 + absent[:, b]
            result[:, place_of] = tabulate(side.redraws, rows, np.zeros_like(rows), cell, (1, 4))[:, 0]
        return result

    names = pair_names(arms, tests)
    comparison = compare(arms, table, names, ceiling="scattered")
    return summary_finding(comparison, test="ever measured", title="Tests over a stay", n=len(arms.synthetic.cohort))


def pairs_in_a_draw(arms: Arms) -> tuple[Finding, Finding]:
    """Pairs of the forty most frequent tests in a draw: all draws, and the values in draws that hold both.

    Privacy: internal only.
    """
    tests = frequent_tests(arms)
    names = pair_names(arms, tests)

    def table(side: Side) -> Floats:
        return _pair_table(side, tests)

    whole = compare(arms, table, names, ceiling="scattered")
    both = compare(arms, table, names, ceiling="shuffled", distance=values_where_both)
    number = len(arms.synthetic.draws.draw_owner)
    return (
        summary_finding(whole, test="pairs", title="Pairs of tests in a draw", n=number),
        summary_finding(both, test="pair values", title="Values of two tests of one draw", n=number),
    )


def values_where_both(left: Floats, right: Floats) -> Floats:
    """Distance of the joint of two values in four classes each, NaN below 200 draws with both on a side."""
    inner = [_both_present(side) for side in (left, right)]
    enough = (inner[0].sum(axis=-1) >= FEWEST) & (inner[1].sum(axis=-1) >= FEWEST)
    return np.where(enough, total_variation(inner[0], inner[1]), np.nan)


def frequent_tests(arms: Arms, most: int = MOST_TESTS) -> list[int]:
    """The tests with most records in the training data, at most forty or `most`, in the schema's order."""
    number = np.bincount(arms.train.draws.test, minlength=1)
    return sorted(int(test) for test in np.argsort(-number, kind="stable")[:most] if number[test] > 0)


def pair_names(arms: Arms, tests: list[int]) -> list[str]:
    """The names of all pairs of `tests`, the earlier test first."""
    names = list(arms.schema.tests)
    return [f"{names[a]} and {names[b]}" for a, b in combinations(tests, 2)]


def count_edges(most: int) -> Floats:
    """Classes of whole numbers from 0 to `most` whose width grows with the number, shape [<= 31]."""
    growing = np.unique(np.rint(np.geomspace(1, max(most, 2), COUNT_CLASSES)))
    return np.concatenate(([0.0], growing))


def _steps(schema: Schema) -> int:
    start, end = schema.privacy_unit.window
    return max(1, int(np.ceil((end - start) / max(schema.time_precision, 1.0))))


def _patient_table(side: Side, cell: Ints, cells: int) -> Floats:
    rows = np.arange(len(side.cohort))
    return tabulate(side.redraws, rows, np.zeros_like(rows), cell, (1, cells))


def panel_marks(side: Side) -> Ints:
    """A number for the set of tests of each draw, the same for the same set, shape [d]."""
    if len(side.draws.draw) == 0:
        return np.empty(0, dtype=np.int64)
    mark = public(0, "fidelity", "panels").integers(0, 2**63, max(side.draws.tests, 1))
    starts = np.searchsorted(side.draws.draw, np.arange(len(side.draws.draw_owner)))
    return np.asarray(np.bitwise_xor.reduceat(mark[side.draws.test], starts))


def _pair_table(side: Side, tests: list[int]) -> Floats:
    """Draws by the classes of two tests, absent the last, shape [groups, pairs, 81]."""
    draws, wide = side.draws, CLASSES + 1
    spot = np.full(max(draws.tests, 1), -1)
    spot[tests] = np.arange(len(tests))
    kept = spot[draws.test] >= 0
    column = spot[draws.test[kept]] * CLASSES + side.classes[kept]
    held = sp.csr_matrix(
        (np.ones(len(column)), (draws.draw[kept], column)),
        shape=(len(draws.draw_owner), len(tests) * CLASSES),
    )
    first, second = np.triu_indices(len(tests), 1)
    result = np.zeros((side.redraws.groups, len(first), wide, wide))
    group = side.redraws.group[draws.draw_owner]
    for number in range(side.redraws.groups):
        mine = held[group == number]
        both = (mine.T @ mine).toarray().reshape(len(tests), CLASSES, len(tests), CLASSES).transpose(0, 2, 1, 3)
        alone = np.asarray(mine.sum(axis=0)).reshape(len(tests), CLASSES)
        joint = both[first, second]
        result[number, :, :CLASSES, :CLASSES] = joint
        result[number, :, :CLASSES, CLASSES] = alone[first] - joint.sum(axis=2)
        result[number, :, CLASSES, :CLASSES] = alone[second] - joint.sum(axis=1)
        result[number, :, CLASSES, CLASSES] = mine.shape[0] - result[number].sum(axis=(1, 2))
    return result.reshape(side.redraws.groups, len(first), wide * wide)


def _both_present(table: Floats) -> Floats:
    """The cells where both tests are there, merged to four classes each, shape [..., 16]."""
    wide, half = CLASSES + 1, CLASSES // 2
    joint = table.reshape(*table.shape[:-1], wide, wide)[..., :CLASSES, :CLASSES]
    merged = joint.reshape(*table.shape[:-1], half, 2, half, 2).sum(axis=(-3, -1))
    return np.asarray(merged.reshape(*table.shape[:-1], half * half))
