"""One column, one test at a time: values, missing values, last digits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evaluation.fidelity.arms import Arms, Side, values_by_test
from evaluation.fidelity.comparison import Comparison, compare, summary_finding, tabulate
from evaluation.fidelity.distances import rate_difference
from evaluation.fidelity.grids import column_cells
from evaluation.fidelity.histograms import Floats, Ints, place_within, quantile_edges
from evaluation.finding import Finding
from privacy.schema import Number, Schema

PUBLIC_BINS, VALUE_BINS, DIGITS = 20, 12, 10


def one_way(arms: Arms) -> Finding:
    """Every column by itself on public cells, *missing* a cell.

    Privacy: internal only.
    """
    return summary_finding(
        column_comparison(arms), test="one-way", title="Columns one by one", n=len(arms.synthetic.cohort)
    )


def values(arms: Arms) -> Finding:
    """Values of each test in twelve quantile classes of the training data.

    Privacy: internal only.
    """
    return summary_finding(
        value_comparison(arms), test="values", title="Values of each test", n=len(arms.synthetic.cohort)
    )


def missing_rates(arms: Arms) -> Finding:
    """How often a column is missing and a test was never done, by patient.

    Privacy: internal only.
    """
    columns = missable(arms.schema)
    names = (*columns, *(f"{list(arms.schema.tests)[place]} never measured" for place in arms.measured))

    def table(side: Side) -> Floats:
        absent = np.concatenate([missing_mask(side, columns), never_measured(side)[:, list(arms.measured)]], axis=1)
        rows = np.repeat(np.arange(len(absent)), len(names))
        subject = np.tile(np.arange(len(names)), len(absent))
        return tabulate(side.redraws, rows, subject, 1 - absent.ravel().astype(np.int64), (len(names), 2))

    comparison = compare(arms, table, names, ceiling="scattered", distance=rate_difference)
    return summary_finding(comparison, test="missing rates", title="Missing values", n=len(arms.synthetic.cohort))


def last_digits(arms: Arms) -> Finding:
    """The last digit at the declared precision, of columns and tests with at least twenty steps.

    Privacy: internal only.
    """
    schema = arms.schema
    columns = _fine_columns(schema)
    kinds = list(schema.tests.values())
    tests = [place for place in arms.measured if kinds[place].grid.size >= PUBLIC_BINS and not kinds[place].codes]
    names = (*columns, *(list(schema.tests)[place] for place in tests))

    def table(side: Side) -> Floats:
        parts = [np.zeros((side.redraws.groups, 0, DIGITS))]
        for name in columns:
            numbers = side.cohort.numbers(name)
            parts.append(_digit_table(side, np.arange(len(numbers)), numbers, columns[name]))
        for test in tests:
            mine = side.draws.test == test
            parts.append(_digit_table(side, side.draws.owner[mine], side.draws.value[mine], kinds[test].step))
        return np.concatenate(parts, axis=1)

    comparison = compare(arms, table, names, ceiling="scattered")
    return summary_finding(comparison, test="last digits", title="Last digits", n=len(arms.synthetic.cohort))


def missable(schema: Schema) -> tuple[str, ...]:
    """The free columns that the schema lets be missing."""
    return tuple(name for name, kind in schema.free_columns.items() if kind.missing)


def missing_mask(side: Side, columns: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which of `columns` each patient lacks, boolean [n, columns]."""
    table = side.cohort.patients
    if not columns:
        return np.zeros((len(table), 0), dtype=np.bool_)
    return np.column_stack([table[name].isna().to_numpy() for name in columns])


def never_measured(side: Side) -> NDArray[np.bool_]:
    """Which tests each patient never had, boolean [n, tests]."""
    draws = side.draws
    ever = np.zeros((draws.patients, draws.tests), dtype=np.bool_)
    ever[draws.owner, draws.test] = True
    return ~ever


def value_names(arms: Arms) -> list[str]:
    """The names of the tests that the training data hold."""
    names = list(arms.schema.tests)
    return [names[place] for place in arms.measured]


def value_comparison(arms: Arms) -> Comparison:
    """Values of each measured test, in twelve quantile classes of the training data.

    Privacy: internal only.
    """
    edges = [quantile_edges(mine, VALUE_BINS) for mine in values_by_test(arms.train.draws)]

    def table(side: Side) -> Floats:
        draws = side.draws
        cell = place_within(draws.value, draws.test, edges)
        whole = tabulate(side.redraws, draws.owner, draws.test, cell, (max(draws.tests, 1), VALUE_BINS))
        return whole[:, list(arms.measured)]

    return compare(arms, table, value_names(arms), ceiling="scattered")


def column_comparison(arms: Arms) -> Comparison:
    """Each column on twenty public cells, *missing* a cell.

    Privacy: internal only.
    """
    names = tuple(arms.schema.columns)
    width = max(column_cells(arms.train.cohort, name, PUBLIC_BINS)[1] for name in names)

    def table(side: Side) -> Floats:
        rows = np.arange(len(side.cohort))
        cells = (column_cells(side.cohort, name, PUBLIC_BINS)[0] for name in names)
        parts = [tabulate(side.redraws, rows, np.zeros_like(rows), cell, (1, width)) for cell in cells]
        return np.concatenate(parts, axis=1)

    return compare(arms, table, names, ceiling="scattered")


def _fine_columns(schema: Schema) -> Mapping[str, float]:
    """The numeric columns of at least twenty steps, and their step."""
    numbers = {name: kind for name, kind in schema.columns.items() if isinstance(kind, Number)}
    return {name: kind.step for name, kind in numbers.items() if kind.grid.size >= PUBLIC_BINS}


def _digit_table(side: Side, owner: Ints, value: Floats, step: float) -> Floats:
    """Items by the last digit of their number of steps, shape [groups, 1, 10]."""
    known = np.isfinite(value)
    digit = np.rint(value[known] / step).astype(np.int64) % DIGITS
    return tabulate(side.redraws, owner[known], np.zeros_like(digit), digit, (1, DIGITS))
