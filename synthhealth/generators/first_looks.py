"""The first looks at rows: fine histograms of numbers and values, one-way tables; they place all bins."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.mechanisms import NoisyTable
from privacy.plan import Charge
from synthhealth.encoding.bins import Bins, project
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout, Slot
from synthhealth.generators.charges import sum_charge, table_charge
from synthhealth.generators.codebook import Codebook, mean_of
from synthhealth.generators.digit_looks import digit_charges, with_digits
from synthhealth.generators.events.chains import VALUE_BINS, Summaries, summary_slots
from synthhealth.generators.looks import Looks
from synthhealth.generators.paid_bounds import bought, bound_charges
from synthhealth.generators.table.measure import one_hot_rows

Floats = NDArray[np.float64]
ATTRIBUTE_BINS = 12
SHARE_FLOOR = 1e-4
BOUNDS = 0.5  # the share of bounds that are bought, in that of the one-way tables
HEADROOM = 1.25
REPEATS = 1.5
DIGIT_WEIGHT = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLooks:
    """Bins of every number and test; `shares[j]` [levels] of every column of the patient table; `patients`, a number.

    `frequency` [tests] is the number of records of each test a patient. `share_sigma` is the
    standard deviation of the noise in a share, `record_sigma` that in the records a patient of
    one fine cell of values.
    """

    book: Codebook
    shares: tuple[Floats, ...]
    patients: float
    frequency: Floats
    share_sigma: float
    record_sigma: float


def first_charges(
    layout: Layout, *, grids: float, digits: float, values: float, one_way: float, scale: float
) -> tuple[Charge, ...]:
    """The charges of `first_looks` in their order, with these shares of the whole budget.

    Privacy: free; reads no rows.
    """
    tests, numeric = len(layout.tests), len(numeric_slots(layout))
    bounds = bound_charges(layout, share=BOUNDS * one_way, scale=scale)
    columns = len(layout.attributes) + (len(summary_slots(layout)) + tests if tests else 0)
    charges: list[Charge] = []
    if numeric:
        charges.append(table_charge("grids", share=grids, tables=numeric, scale=scale, reads="numbers, in fine cells"))
    if tests:
        charges.append(sum_charge("values", share=values, scale=scale, reads="lab values by test, fine cells"))
    one_ways = table_charge("one-way", share=one_way, tables=columns, scale=scale, reads="the levels of every column")
    return (*bounds, *charges, *digit_charges(layout, share=digits, scale=scale), one_ways)


def first_looks(looks: Looks, layout: Layout) -> FirstLooks:
    """Look, and place the bins.

    Privacy: spends the charges of `first_charges`, where the looks are paid ones.
    """
    layout = bought(looks, layout)
    fine = _fine_tables(looks, layout)
    book = _attribute_book(layout, fine)
    totals, record_sigma, records = np.zeros(0), 0.0, 0.0
    if layout.tests:
        records = mean_of(summary_slots(layout)[0], book.summaries[0]) * max(book.mean_panel(), 1.0)
        book, totals, record_sigma = _value_book(looks, book, max_norm=clip_norm(records))
    # a patient's values share few last digits, so their counts add up
    book = with_digits(looks, book, max_norm=clip_norm(records, DIGIT_WEIGHT))
    shares, patients, share_sigma = _one_way(looks, book, fine)
    return FirstLooks(
        book=book,
        shares=shares,
        patients=patients,
        frequency=totals / patients,
        share_sigma=share_sigma / patients,
        record_sigma=record_sigma / patients,
    )


def numeric_slots(layout: Layout) -> tuple[Slot, ...]:
    """The columns of the patient table that are numbers on a grid."""
    slots = tuple(slot for slot in layout.attributes if slot.grid is not None)
    return (*slots, *summary_slots(layout)) if layout.tests else slots


def _cells(slot: Slot) -> int:
    return 0 if slot.grid is None else slot.grid.cells


def _fine_tables(looks: Looks, layout: Layout) -> dict[int, NoisyTable]:
    """Counts in the fine cells of each number, missing last where it is allowed, by place in the patient table."""
    slots = numeric_slots(layout)
    if not slots:
        return {}
    width = np.array([_cells(slot) + slot.missing for slot in slots])
    numeric = [j for j, slot in enumerate(layout.attributes) if slot.grid is not None]

    def rows(block: Cohort) -> sp.csr_matrix:
        codes = layout.fine(block)[:, numeric]
        if layout.tests:
            codes = np.concatenate([codes, Summaries.of(Draws.of(block, layout), summary_slots(layout)).cells], axis=1)
        return one_hot_rows(codes, width)

    table = looks.histograms("grids", rows)
    pieces = np.split(table.values, np.cumsum(width)[:-1])
    # by place and not by name: a column may be called like a test or a summary
    of_table = [*numeric, *range(len(layout.attributes), len(layout.attributes) + len(slots) - len(numeric))]
    return {j: NoisyTable(values=piece, sigma=table.sigma) for j, piece in zip(of_table, pieces, strict=True)}


def _attribute_book(layout: Layout, fine: dict[int, NoisyTable]) -> Codebook:
    def bins(j: int, slot: Slot, *, thin: bool = False) -> Bins:
        return Bins.of(fine[j].values[: _cells(slot)], fine[j].sigma, bins=ATTRIBUTE_BINS, thin=thin)

    start = len(layout.attributes)
    return Codebook(
        layout=layout,
        attributes=tuple(bins(j, slot) if slot.grid is not None else None for j, slot in enumerate(layout.attributes)),
        # a few patients of very many draws, whom noise alone put there, would outvote all others
        summaries=tuple(bins(start + j, slot, thin=True) for j, slot in enumerate(summary_slots(layout)))
        if layout.tests
        else (),
        tests=(),
    )


def _value_book(looks: Looks, book: Codebook, *, max_norm: float) -> tuple[Codebook, Floats, float]:
    """Bins of the tests' values, numbers of records by test, and the noise in a fine cell."""
    layout = book.layout
    width = np.array([grid.cells for grid in layout.tests])
    start = np.concatenate(([0], np.cumsum(width)))

    def rows(block: Cohort) -> sp.csr_matrix:
        draws = Draws.of(block, layout)
        entries = (np.ones(len(draws.draw)), (draws.record_owner, start[draws.test] + draws.cell))
        return sp.coo_matrix(entries, shape=(len(block), int(start[-1]))).tocsr()

    table = looks.sums("values", rows, max_norm=max_norm)
    pieces = np.split(table.values, start[1:-1])
    bins = tuple(Bins.of(piece, table.sigma, bins=VALUE_BINS) for piece in pieces)
    totals = np.array([max(float(piece.sum()), table.sigma * math.sqrt(len(piece))) for piece in pieces])
    return replace(book, tests=bins), totals, table.sigma


def clip_norm(records: float, weight: float = 1.0) -> float:
    """A clip norm for a table of `records` a patient: some fall into one cell, and some patients have more."""
    return HEADROOM * math.sqrt(max(REPEATS * records * weight**2, 1.0))


def _one_way(looks: Looks, book: Codebook, fine: dict[int, NoisyTable]) -> tuple[tuple[Floats, ...], float, float]:
    """One-way shares of every column, numbers weighed with their fine histograms; the number of patients; the noise."""
    columns = book.columns
    levels = np.array([column.levels for column in columns])
    table = looks.histograms("one-way", lambda block: one_hot_rows(book.code(block), levels))
    pieces = np.split(table.values, np.cumsum(levels)[:-1])
    # every table counts every patient once; the sum of a table of k cells has noise variance k sigma^2
    patients = float(np.average([piece.sum() for piece in pieces], weights=1.0 / levels))
    bins = (*book.attributes, *book.summaries)
    shares = []
    for j, piece in enumerate(pieces):
        counts = _weighed(piece, table.sigma, fine[j], bins[j]) if j in fine else piece
        share = np.maximum(project(counts), SHARE_FLOOR)
        shares.append(share / share.sum())
    return tuple(shares), max(patients, 1.0), table.sigma


def _weighed(counts: Floats, sigma: float, fine: NoisyTable, bins: Bins | None) -> Floats:
    """The precision-weighted mean of a coarse count and the sum of its fine cells."""
    if bins is None or sigma == 0:
        return counts
    edges = np.append(bins.edges[:-1], bins.edges[-1]) if len(counts) > bins.count else bins.edges[:-1]
    sums = np.add.reduceat(fine.values, edges)
    variance = fine.sigma**2 * np.diff(np.append(edges, len(fine.values)))
    trust = variance / (variance + sigma**2)
    return np.asarray(trust * counts + (1 - trust) * sums)
