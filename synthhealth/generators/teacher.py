"""The measured part of a model: noisy looks at columns, pairs, values and gaps, and what is fitted to them for free."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from privacy.accounting import gaussian_size
from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.mechanisms import noisy_sums
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.events.chains import Chains
from synthhealth.generators.events.gaps import GapHead, gap_rows
from synthhealth.generators.events.value_moments import ValueMoments, moment_rows
from synthhealth.generators.events.values import ValueHead
from synthhealth.generators.first_looks import clip_norm, first_looks
from synthhealth.generators.looks import PaidLooks
from synthhealth.generators.table.decoder import Decoder, fit_decoder
from synthhealth.generators.table.masks import Masks
from synthhealth.generators.table.measure import (
    affordable_degree,
    lost_to_clipping,
    noisy_moments,
    pair_weights,
    score_rows,
    score_table,
)

Floats = NDArray[np.float64]
RARE_POWER = 0.25
RARE_CAP = 4.0
UNCLIPPING_ROUNDS, UNCLIPPING_DREAMS = 2, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """What the noisy looks taught: bins, the patient table's decoder, and tables of values and gaps.

    `shares[j]` [levels] are one-way shares, `patients` the noisy number of patients,
    `frequency` [tests] records a patient, `weight` [tests] what a record of a test weighs,
    `value_norm` the norm to which a patient's vector of value features was clipped.
    `values` is None, and `gaps` too, for a schema without tests.
    """

    book: Codebook
    decoder: Decoder
    shares: tuple[Floats, ...]
    patients: float
    frequency: Floats
    weight: Floats
    value_norm: float
    values: ValueMoments | None
    gaps: GapHead | None


def learn(gate: Gate, layout: Layout, rng: np.random.Generator) -> Teacher:
    """Take every look that `measured_charges` planned, and fit the patient table.

    Privacy: spends the charges of `measured_charges`.
    """
    looks = first_looks(PaidLooks(gate=gate), layout)
    book, shares, patients = looks.book, looks.shares, looks.patients
    noise = 1.0 / gaussian_size((gate.charge("moments").event,))
    degree = affordable_degree(book.columns, noise_multiplier=noise, cohort_size=gate.ledger.plan.cohort_size)
    scores = score_table(shares, book.columns, degree)
    weights = pair_weights(scores, book.columns)
    moments = noisy_moments(gate, "moments", book.code, scores, weights=weights, patients=patients)
    masks = Masks.of(layout.schema, book.columns)
    decoder = fit_decoder(shares, scores, moments, rng, masks)
    for _ in range(UNCLIPPING_ROUNDS):
        codes, _ = decoder.sample(UNCLIPPING_DREAMS, rng)
        whole = moments.values + lost_to_clipping(score_rows(codes, scores), weights)
        decoder = fit_decoder(shares, scores, replace(moments, values=whole), rng, masks, near=decoder)
    teacher = Teacher(
        book=book,
        decoder=decoder,
        shares=shares,
        patients=patients,
        frequency=looks.frequency,
        weight=_rarity(looks.frequency),
        value_norm=1.0,
        values=None,
        gaps=None,
    )
    return _event_tables(gate, teacher) if layout.tests else teacher


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

    norm = clip_norm(float(ever @ weight**2), 1.2)
    sums = noisy_sums(gate, "value moments", rows, max_norm=norm)
    gaps = noisy_sums(
        gate,
        "gaps",
        lambda block: gap_rows(Draws.of(block, layout), layout.steps),
        max_norm=clip_norm(float(teacher.frequency.sum()) / max(book.mean_panel(), 1.0)),
    )
    values = ValueMoments.of(sums.values / teacher.patients, sums.sigma / teacher.patients, weight)
    return replace(teacher, value_norm=norm, values=values, gaps=GapHead.of(gaps.values, layout.steps))
