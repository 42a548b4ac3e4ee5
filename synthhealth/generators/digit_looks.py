"""The look at digits: which numbers inside a cell are favourites, for columns and for values of tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.plan import Charge
from synthhealth.encoding.bins import Bins
from synthhealth.encoding.digits import (
    LAST_DIGITS,
    inside_of_last_digits,
    is_wide,
    place_of,
    points_of,
    spread_of_points,
)
from synthhealth.encoding.layout import Layout
from synthhealth.generators.charges import sum_charge, table_charge
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.looks import Looks
from synthhealth.generators.table.measure import one_hot_rows


def digit_charges(layout: Layout, *, share: float, scale: float) -> tuple[Charge, ...]:
    """The charges of `with_digits`: none for a schema whose cells hold one number each.

    Privacy: free; reads no rows.
    """
    columns, tests = len(wide_columns(layout)), wide_tests(layout)
    charges = []
    if columns:
        charges.append(
            table_charge("digits", share=share, tables=columns, scale=scale, reads="numbers, one cell a number")
        )
    if tests:
        charges.append(sum_charge("value digits", share=share, scale=scale, reads="last digits of lab values by test"))
    return tuple(charges)


def wide_columns(layout: Layout) -> tuple[int, ...]:
    """Places of the attributes whose cells hold several numbers; where bounds are bought, cells are not known yet."""
    slots = enumerate(layout.attributes)
    return tuple(j for j, slot in slots if slot.grid is not None and not slot.paid and is_wide(slot.grid))


def wide_tests(layout: Layout) -> tuple[int, ...]:
    """Places of the tests whose cells hold several numbers."""
    return tuple(t for t, grid in enumerate(layout.tests) if is_wide(grid))


def with_digits(looks: Looks, book: Codebook, *, max_norm: float) -> Codebook:
    """The codebook with each number's spread inside its cells; `max_norm` clips a patient's values.

    Privacy: spends the charges of `digit_charges`, where the looks are paid ones.
    """
    layout = book.layout
    return replace(
        book,
        attributes=_of_columns(looks, layout, book.attributes),
        tests=_of_tests(looks, layout, book.tests, max_norm=max_norm),
    )


def _of_columns(looks: Looks, layout: Layout, attributes: tuple[Bins | None, ...]) -> tuple[Bins | None, ...]:
    wide = {j: grid for j in wide_columns(layout) if (grid := layout.attributes[j].grid) is not None}
    if not wide:
        return attributes
    size = np.array([len(points_of(grid)) + 1 for grid in wide.values()])

    def rows(block: Cohort) -> sp.csr_matrix:
        columns = []
        for j, grid in wide.items():
            values = block.numbers(layout.attributes[j].name)
            known = np.isfinite(values)
            columns.append(np.where(known, place_of(grid, np.where(known, values, 0.0)), len(points_of(grid))))
        return one_hot_rows(np.stack(columns, axis=1), size)

    table = looks.histograms("digits", rows)
    changed = list(attributes)
    for (j, grid), counts in zip(wide.items(), np.split(table.values, np.cumsum(size)[:-1]), strict=True):
        bins = attributes[j]
        assert bins is not None  # noqa: S101  # a slot with a grid has bins
        density, inside = spread_of_points(grid, bins.density, counts[:-1], table.sigma)
        changed[j] = replace(bins, density=density, inside=inside)
    return tuple(changed)


def _of_tests(looks: Looks, layout: Layout, tests: tuple[Bins, ...], *, max_norm: float) -> tuple[Bins, ...]:
    wide = wide_tests(layout)
    if not wide:
        return tests
    column = np.full(len(tests), -1)
    column[list(wide)] = np.arange(len(wide))

    def rows(block: Cohort) -> sp.csr_matrix:
        records = block.records
        place: NDArray[np.int64] = np.full(len(records.value), -1)
        for k, t in enumerate(wide):
            grid = layout.tests[t]
            mine = np.flatnonzero(records.test == t)
            last = points_of(grid)[place_of(grid, records.value[mine])] % LAST_DIGITS
            place[mine] = k * LAST_DIGITS + last
        kept = np.flatnonzero(place >= 0)
        entries = (np.ones(len(kept)), (records.owner[kept], place[kept]))
        return sp.coo_matrix(entries, shape=(len(block), len(wide) * LAST_DIGITS)).tocsr()

    table = looks.sums("value digits", rows, max_norm=max_norm)
    counts = table.values.reshape(len(wide), LAST_DIGITS)
    return tuple(
        bins
        if column[t] < 0
        else replace(bins, inside=inside_of_last_digits(layout.tests[t], bins.density, counts[column[t]], table.sigma))
        for t, bins in enumerate(tests)
    )
