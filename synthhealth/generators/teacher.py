"""The measured part of a model: noisy looks at columns, pairs, values and gaps, and what is fitted to them for free."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.mechanisms import NoisyTable, noisy_histograms, noisy_sums
from synthhealth.encoding.bins import Bins, project
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout, Slot
from synthhealth.generators.codebook import Codebook, mean_of
from synthhealth.generators.events.chains import VALUE_BINS, Chains, Summaries, summary_slots
from synthhealth.generators.events.gaps import GapHead, gap_rows
from synthhealth.generators.events.value_moments import ValueMoments, moment_rows
from synthhealth.generators.events.values import ValueHead
from synthhealth.generators.table.decoder import Decoder, fit_decoder
from synthhealth.generators.table.measure import noisy_moments, one_hot_rows, pair_weights, score_table

Floats = NDArray[np.float64]
ATTRIBUTE_BINS = 12
SHARE_FLOOR = 1e-4
RARE_POWER = 0.25
RARE_CAP = 4.0
HEADROOM = 1.25
REPEATS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """What the noisy looks taught: bins, the patient table's decoder, and tables of values and gaps.

    `shares[j]` [levels] are one-way shares, `patients` the noisy number of patients,
    `frequency` [tests] records a patient, `weight` [tests] what a record of a test weighs.
    `values` is None, and `gaps` too, for a schema without tests.
    """

    book: Codebook
    decoder: Decoder
    shares: tuple[Floats, ...]
    patients: float
    frequency: Floats
    weight: Floats
    values: ValueMoments | None
    gaps: GapHead | None


def learn(gate: Gate, layout: Layout, rng: np.random.Generator) -> Teacher:
    """Take every look that `measured_charges` planned, and fit the patient table.

    Privacy: spends the charges of `measured_charges`.
    """
    fine = _fine_tables(gate, layout)
    book = _attribute_book(layout, fine)
    frequency = np.zeros(0)
    if layout.tests:
        book, frequency = _value_book(gate, book)
    shares, patients = _one_way(gate, book, fine)
    scores = score_table(shares, book.columns)
    weights = pair_weights(scores, book.columns)
    moments = noisy_moments(gate, "moments", book.code, scores, weights=weights, patients=patients)
    decoder = fit_decoder(shares, scores, moments, rng)
    teacher = Teacher(
        book=book,
        decoder=decoder,
        shares=shares,
        patients=patients,
        frequency=frequency / patients,
        weight=_rarity(frequency),
        values=None,
        gaps=None,
    )
    return _event_tables(gate, teacher) if layout.tests else teacher


def numeric_slots(layout: Layout) -> tuple[Slot, ...]:
    """The columns of the patient table that are numbers on a grid."""
    slots = tuple(slot for slot in layout.attributes if slot.grid is not None)
    return (*slots, *summary_slots(layout)) if layout.tests else slots


def _cells(slot: Slot) -> int:
    return 0 if slot.grid is None else slot.grid.cells


def _fine_tables(gate: Gate, layout: Layout) -> dict[str, NoisyTable]:
    """Noisy counts in the fine cells of each number, missing last where it is allowed, by column name."""
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

    table = noisy_histograms(gate, "grids", rows)
    pieces = np.split(table.values, np.cumsum(width)[:-1])
    names = [slot.name for slot in slots]
    return {name: NoisyTable(values=piece, sigma=table.sigma) for name, piece in zip(names, pieces, strict=True)}


def _attribute_book(layout: Layout, fine: dict[str, NoisyTable]) -> Codebook:
    def bins(slot: Slot) -> Bins:
        table = fine[slot.name]
        return Bins.of(table.values[: _cells(slot)], table.sigma, bins=ATTRIBUTE_BINS)

    return Codebook(
        layout=layout,
        attributes=tuple(bins(slot) if slot.grid is not None else None for slot in layout.attributes),
        summaries=tuple(bins(slot) for slot in summary_slots(layout)) if layout.tests else (),
        tests=(),
    )


def _value_book(gate: Gate, book: Codebook) -> tuple[Codebook, Floats]:
    """Bins of the tests' values, and noisy numbers of records by test."""
    layout = book.layout
    width = np.array([grid.cells for grid in layout.tests])
    start = np.concatenate(([0], np.cumsum(width)))

    def rows(block: Cohort) -> sp.csr_matrix:
        draws = Draws.of(block, layout)
        entries = (np.ones(len(draws.draw)), (draws.record_owner, start[draws.test] + draws.cell))
        return sp.coo_matrix(entries, shape=(len(block), int(start[-1]))).tocsr()

    records = mean_of(summary_slots(layout)[0], book.summaries[0]) * max(book.mean_panel(), 1.0)
    table = noisy_sums(gate, "values", rows, max_norm=clip_norm(records))
    pieces = np.split(table.values, start[1:-1])
    bins = tuple(Bins.of(piece, table.sigma, bins=VALUE_BINS) for piece in pieces)
    totals = np.array([max(float(piece.sum()), table.sigma * math.sqrt(len(piece))) for piece in pieces])
    return replace(book, tests=bins), totals


def clip_norm(records: float, weight: float = 1.0) -> float:
    """A clip norm for a table of `records` a patient: some fall into one cell, and some patients have more."""
    return HEADROOM * math.sqrt(max(REPEATS * records * weight**2, 1.0))


def _one_way(gate: Gate, book: Codebook, fine: dict[str, NoisyTable]) -> tuple[tuple[Floats, ...], float]:
    """One-way shares of every column, those of numbers weighed with their fine histograms; the number of patients."""
    columns = book.columns
    levels = np.array([column.levels for column in columns])
    table = noisy_histograms(gate, "one-way", lambda block: one_hot_rows(book.code(block), levels))
    pieces = np.split(table.values, np.cumsum(levels)[:-1])
    # every table counts every patient once; the sum of a table of k cells has noise variance k sigma^2
    patients = float(np.average([piece.sum() for piece in pieces], weights=1.0 / levels))
    bins = dict(zip([slot.name for slot in book.layout.attributes], book.attributes, strict=True))
    bins |= dict(zip([slot.name for slot in summary_slots(book.layout)], book.summaries, strict=False))
    shares = []
    for column, piece in zip(columns, pieces, strict=True):
        counts = piece
        if column.name in fine:
            counts = _weighed(piece, table.sigma, fine[column.name], bins[column.name])
        share = np.maximum(project(counts), SHARE_FLOOR)
        shares.append(share / share.sum())
    return tuple(shares), max(patients, 1.0)


def _weighed(counts: Floats, sigma: float, fine: NoisyTable, bins: Bins | None) -> Floats:
    """The precision-weighted mean of a coarse count and the sum of its fine cells."""
    if bins is None:
        return counts
    edges = np.append(bins.edges[:-1], bins.edges[-1]) if len(counts) > bins.count else bins.edges[:-1]
    sums = np.add.reduceat(fine.values, edges)
    variance = fine.sigma**2 * np.diff(np.append(edges, len(fine.values)))
    trust = variance / (variance + sigma**2)
    return np.asarray(trust * counts + (1 - trust) * sums)


def _rarity(totals: Floats) -> Floats:
    """What a record weighs in the tables of values: rare tests more, within RARE_CAP, shape [tests]."""
    if len(totals) == 0:
        return totals
    known = np.maximum(totals, 1e-3 * totals.max())
    return np.asarray(np.minimum((known.max() / known) ** RARE_POWER, RARE_CAP))


def _event_tables(gate: Gate, teacher: Teacher) -> Teacher:
    """The noisy moments of values and the noisy table of gaps."""
    book, weight, layout = teacher.book, teacher.weight, teacher.book.layout
    head = ValueHead.blank(np.array([bins.count for bins in book.tests]))
    # a patient brings about one vector for each test that the patient ever had
    ever = np.array([1.0 - share[-1] for share in teacher.shares[-len(book.tests) :]])

    def rows(block: Cohort) -> sp.csr_matrix:
        draws = Draws.of(block, layout)
        return moment_rows(draws, Chains.of(draws, book.tests), head, weight)

    sums = noisy_sums(gate, "value moments", rows, max_norm=clip_norm(float(ever @ weight**2), 1.2))
    gaps = noisy_sums(
        gate,
        "gaps",
        lambda block: gap_rows(Draws.of(block, layout), layout.steps),
        max_norm=clip_norm(float(teacher.frequency.sum()) / max(book.mean_panel(), 1.0)),
    )
    values = ValueMoments.of(sums.values / teacher.patients, sums.sigma / teacher.patients, weight)
    return replace(teacher, values=values, gaps=GapHead.of(gaps.values, layout.steps))
