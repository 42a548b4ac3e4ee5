"""Breaks of what is made of looks: real rows, or their exact number, where dreams and public numbers belong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.mechanisms import NoisyMoments, NoisyTable, Query
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout
from synthhealth.generators import first_looks, marginal, panel_counts, teacher
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.events.chains import Summaries, summary_slots
from synthhealth.generators.events.dream import Heads, Sketch
from synthhealth.generators.events.panel_moments import PanelCounts
from synthhealth.generators.events.panels import PanelHead
from synthhealth.generators.events.value_moments import ValueMoments
from synthhealth.generators.first_looks import FirstLooks
from synthhealth.generators.looks import ExactLooks, PaidLooks
from synthhealth.generators.table.features import Scores
from synthhealth.generators.table.measure import Column, score_rows
from synthhealth.generators.training import Room
from synthhealth.generators.vae import engine as vae_engine
from synthhealth.generators.vae import wake
from synthhealth.generators.vae.episodes import Episodes, Source

Floats = NDArray[np.float64]


def behind(gate: Gate) -> Cohort:
    """The rows, without asking anybody."""
    rows: Cohort = gate._Gate__rows  # type: ignore[attr-defined]
    return rows


# --- looks without noise ------------------------------------------------------------------------------------------


def exact_digits(patch: pytest.MonkeyPatch) -> None:
    """Favourite numbers of columns are counted without noise, since they are nobody's secret."""
    real = PaidLooks.histograms

    def histograms(looks: PaidLooks, name: str, query: Query) -> NoisyTable:
        paid = real(looks, name, query)
        return ExactLooks(rows=behind(looks.gate)).histograms(name, query) if name == "digits" else paid

    patch.setattr(PaidLooks, "histograms", histograms)


def exact_value_digits(patch: pytest.MonkeyPatch) -> None:
    """The same for the last digits of values."""
    real = PaidLooks.sums

    def sums(looks: PaidLooks, name: str, query: Query, *, max_norm: float) -> NoisyTable:
        paid = real(looks, name, query, max_norm=max_norm)
        return ExactLooks(rows=behind(looks.gate)).histograms(name, query) if name == "value digits" else paid

    patch.setattr(PaidLooks, "sums", sums)


def counts_matched_exactly(patch: pytest.MonkeyPatch) -> None:
    """After the steps the panels are matched once more, to counts without noise: the noisy ones were paid for."""
    exact: list[Floats] = []
    _beside_sums(patch, panel_counts, "panel counts", lambda rows, _: exact.append(np.asarray(rows.mean(axis=0))[0]))
    real = vae_engine.match_panels

    def match(heads: Heads, counts: PanelCounts, *given: Any, **named: Any) -> PanelHead:
        return real(
            heads,
            replace(counts, mean=exact[-1]) if named["rounds"] == vae_engine.REMATCH_ROUNDS else counts,
            *given,
            **named,
        )

    patch.setattr(vae_engine, "match_panels", match)


def tests_ordered_by_exact_counts(patch: pytest.MonkeyPatch) -> None:
    """Which test is rare is read off the rows: an order alone, no number."""
    gates, real = _gates_seen(patch), marginal.rates_only

    def rates(head: PanelHead, given: Floats) -> PanelHead:
        tests = len(head.order)
        exact = np.bincount(behind(gates[-1]).records.test, minlength=tests)
        return real(replace(head, order=np.argsort(exact, kind="stable")), given)

    patch.setattr(marginal, "rates_only", rates)


def had_once_in_the_rows(patch: pytest.MonkeyPatch) -> None:
    """Which test is repeated least is read off the rows, and it is had once: one yes or no a test."""
    gates, real = _gates_seen(patch), marginal.had_once

    def had_once(values: ValueMoments, width: NDArray[np.int64]) -> NDArray[np.bool_]:
        records, tests = behind(gates[-1]).records, len(real(values, width))
        having = np.bincount(np.unique(records.owner * tests + records.test) % tests, minlength=tests)
        often = np.bincount(records.test, minlength=tests) / np.maximum(having, 1)
        return np.asarray(np.arange(tests) == often.argmin())

    patch.setattr(marginal, "had_once", had_once)


# --- numbers of patients, and norms, off the rows -----------------------------------------------------------------


def degree_from_rows(patch: pytest.MonkeyPatch) -> None:
    """With how many scores a column is told follows from how many patients there are."""
    gates, real = _gates_seen(patch), teacher.affordable_degree

    def degree(columns: tuple[Column, ...], *, noise_multiplier: float, cohort_size: int) -> int:
        del cohort_size
        return real(columns, noise_multiplier=noise_multiplier, cohort_size=max(1, len(behind(gates[-1]))))

    patch.setattr(teacher, "affordable_degree", degree)


def means_over_exact_numbers(patch: pytest.MonkeyPatch) -> None:
    """Noisy sums are divided by how many patients there are, in place of a noisy number of them."""
    real = teacher.first_looks

    def looked(looks: PaidLooks, layout: Layout) -> FirstLooks:
        return replace(real(looks, layout), patients=float(max(1, len(behind(looks.gate)))))

    patch.setattr(teacher, "first_looks", looked)


def panel_norm_from_rows(patch: pytest.MonkeyPatch) -> None:
    """Panels are clipped to a quantile of the lengths of real vectors."""
    real = panel_counts.noisy_sums

    def sums(gate: Gate, name: str, query: Query, *, max_norm: float) -> NoisyTable:
        rows = query(behind(gate))
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)))
        return real(gate, name, query, max_norm=max(1.0, min(max_norm, float(np.quantile(lengths, 0.5)))))

    patch.setattr(panel_counts, "noisy_sums", sums)


def tail_from_rows(patch: pytest.MonkeyPatch) -> None:
    """Nobody has more draws than some patient has."""
    gates, real = _gates_seen(patch), first_looks._attribute_book

    def book(layout: Layout, fine: dict[int, NoisyTable]) -> Codebook:
        made = real(layout, fine)
        if not layout.tests:
            return made
        most = Summaries.of(Draws.of(behind(gates[-1]), layout), summary_slots(layout)).cells[:, 0].max()
        count = made.summaries[0]
        density = np.where(np.arange(len(count.density)) <= most, count.density, 1e-12)
        first = replace(count, density=density / density.sum())
        return replace(made, summaries=(first, *made.summaries[1:]))

    patch.setattr(first_looks, "_attribute_book", book)


def dreams_from_rows(patch: pytest.MonkeyPatch) -> None:
    """As many patients are dreamt of as there are."""
    gates = _gates_seen(patch)
    for module in (marginal, vae_engine):
        patch.setattr(module, "dreamers", _as_many_as_there_are(marginal.dreamers, gates))


def _as_many_as_there_are(real: Callable[..., Sketch], gates: list[Gate]) -> Callable[..., Sketch]:
    def dreamers(*given: Any, **named: Any) -> Sketch:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(marginal, "DREAMERS", max(1, len(behind(gates[-1]))))
            return real(*given, **named)

    return dreamers


def levels_from_rows(patch: pytest.MonkeyPatch) -> None:
    """A level that nobody has is given no chance."""
    gates, real = _gates_seen(patch), teacher.score_table

    def table(shares: tuple[Floats, ...], columns: tuple[Column, ...], degree: int) -> tuple[Scores, ...]:
        codes = Layout.of(gates[-1].schema).fine(behind(gates[-1]))
        for j, column in enumerate(columns):
            if column.name == "ward":
                shares[j][~np.isin(np.arange(column.levels), codes[:, j])] = 1e-9
        return real(shares, columns, degree)

    patch.setattr(teacher, "score_table", table)


# --- what clipping takes off, told by patients --------------------------------------------------------------------


def moments_unclipped_by_rows(patch: pytest.MonkeyPatch) -> None:
    """What clipping takes off the products of scores is measured on the patients themselves."""
    real, lost, seen = teacher.noisy_moments, teacher.lost_to_clipping, list[Floats]()

    def moments(gate: Gate, name: str, code: Any, scores: tuple[Scores, ...], **named: Any) -> NoisyMoments:
        seen.append(score_rows(code(behind(gate)), scores))
        return real(gate, name, code, scores, **named)

    patch.setattr(teacher, "noisy_moments", moments)
    patch.setattr(teacher, "lost_to_clipping", lambda _, weights: lost(seen[-1], weights))


def values_unclipped_by_rows(patch: pytest.MonkeyPatch) -> None:
    """The same of the moments of values."""
    lost, seen = marginal.lost_to_clipping, list[Floats]()
    _beside_sums(patch, teacher, "value moments", lambda rows, norm: seen.append(lost(rows, norm)))
    patch.setattr(marginal, "lost_to_clipping", lambda _rows, _norm: seen[-1])


def steps_unclipped_by_rows(patch: pytest.MonkeyPatch) -> None:
    """What clipping leaves of gradients in a panel step is taken off as the patients have it, not the dreams."""
    real = wake.private_mean

    def private_mean(room: Room, heads: Heads, here: Source, dreamt: Episodes, **named: Any) -> wake.Sum:
        told = real(room, heads, here, dreamt, **named)
        rows = [wake.patient_gradients(heads, some, ties=False) for some in here(np.arange(len(room.rows)))]
        whole = np.concatenate(rows)
        return replace(told, dreamt=told.dreamt - whole.mean(axis=0))

    patch.setattr(wake, "private_mean", private_mean)


def _beside_sums(patch: pytest.MonkeyPatch, module: Any, charge: str, look: Callable[..., None]) -> None:
    """Before `module` buys the sums `charge`, `look` sees the real rows of its query and the norm that clips them."""
    real = module.noisy_sums

    def sums(gate: Gate, name: str, query: Query, *, max_norm: float) -> NoisyTable:
        if name == charge:
            look(query(behind(gate)), max_norm)
        paid: NoisyTable = real(gate, name, query, max_norm=max_norm)
        return paid

    patch.setattr(module, "noisy_sums", sums)


def _gates_seen(patch: pytest.MonkeyPatch) -> list[Gate]:
    """The gates that first looks are taken through, as they come."""
    gates, real = list[Gate](), teacher.first_looks

    def looked(looks: PaidLooks, layout: Layout) -> FirstLooks:
        gates.append(looks.gate)
        return real(looks, layout)

    patch.setattr(teacher, "first_looks", looked)
    return gates
