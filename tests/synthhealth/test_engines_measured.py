"""The measured part: charges that cost their share, looks that tell what is there, dreams within bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt_parts import book_of, heads_of
from numpy.typing import NDArray
from odd_worlds import ODD_SCHEMAS, odd_cohort
from small_world import gate_of, plan_of
from strategies import schemas

from privacy import lattice, mechanisms
from privacy.cohort import Cohort
from privacy.events import DiscreteGaussian, Event, Gaussian, SampledGaussian
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.schema import Schema
from synthhealth.encoding.layout import Layout
from synthhealth.generators import marginal
from synthhealth.generators.charges import sum_charge, table_charge, training_charge
from synthhealth.generators.digit_looks import wide_columns, wide_tests
from synthhealth.generators.events.value_moments import ValueMoments
from synthhealth.generators.first_looks import clip_norm, first_looks
from synthhealth.generators.looks import ExactLooks, PaidLooks
from synthhealth.generators.marginal import blank_heads, dreamers, had_once
from synthhealth.generators.shares import Shares, measured_charges
from synthhealth.generators.table.decoder import Decoder
from synthhealth.generators.table.measure import score_table
from synthhealth.generators.teacher import Teacher, _rarity, learn

Floats = NDArray[np.float64]


def no_noise(size: int, scale: float) -> Floats:
    del scale
    return np.zeros(size)


@pytest.fixture
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No noise, so that what is left is what was looked at."""
    monkeypatch.setattr(mechanisms, "secret_whole_gaussian", no_noise)
    monkeypatch.setattr(lattice, "secret_whole_gaussian", no_noise)
    monkeypatch.setattr(mechanisms, "_discrete_gaussian", lambda counts, sigma: (counts, sigma))


def looks_at(cohort: Cohort, *, noise: float = 1.0) -> Gate:
    charges = measured_charges(Layout.of(cohort.schema), Shares(), noise)
    return Gate(cohort, Ledger(plan_of({one.name: one.event for one in charges}, epsilon=1e6)))


# --- charges ------------------------------------------------------------------------------------------------------


def cost(event: Event) -> float:
    """The price in zero-concentrated terms: sensitivity^2 / (2 sigma^2), summed."""
    if isinstance(event, DiscreteGaussian):
        return event.count / (2 * event.sigma**2)
    if isinstance(event, Gaussian):
        return event.count / (2 * event.noise_multiplier**2)
    assert isinstance(event, SampledGaussian)
    assert event.sample_rate == 1
    return event.steps / (2 * event.noise_multiplier**2)


@given(st.floats(0.01, 0.9), st.integers(1, 60), st.floats(0.1, 50))
def test_a_charge_costs_its_share_however_many_tables_or_steps_it_has(share: float, count: int, scale: float):
    told = {"name": "x", "share": share, "scale": scale, "reads": "rows"}
    for one in (
        table_charge(**told, tables=count),
        sum_charge(**told),
        training_charge(**told, steps=count),
    ):
        assert cost(one.event) == pytest.approx(share / scale**2)


@settings(max_examples=30)
@given(schemas(), st.floats(0.1, 10))
def test_the_measured_part_costs_the_shares_that_its_schema_needs(schema: Schema, scale: float):
    layout, shares = Layout.of(schema), Shares()
    charges = measured_charges(layout, shares, scale)
    wanted = {"one-way": shares.one_way, "moments": shares.moments}
    if layout.tests:
        wanted |= {"values": shares.values, "value moments": shares.value_moments, "gaps": shares.gaps}
    if layout.tests or any(slot.grid is not None for slot in layout.attributes):
        wanted["grids"] = shares.grids
    if wide_columns(layout):
        wanted["digits"] = shares.digits
    if wide_tests(layout):
        wanted["value digits"] = shares.digits
    assert {one.name: cost(one.event) * scale**2 for one in charges} == pytest.approx(wanted)


@pytest.mark.parametrize("world", ODD_SCHEMAS)
def test_a_patient_is_in_as_many_tables_as_are_charged(world: str):
    """One table a column of the patient table, and one a number, are what the two histograms say they read."""
    cohort = odd_cohort(world)
    book = book_of(cohort.schema, np.random.default_rng(0))
    events = {one.name: one.event for one in measured_charges(book.layout, Shares(), 1.0)}
    assert isinstance(events["one-way"], DiscreteGaussian)
    assert events["one-way"].count == book.code(cohort).shape[1] == len(book.columns)
    numbers = sum(bins is not None for bins in (*book.attributes, *book.summaries))
    assert ("grids" in events) == (numbers > 0)
    if numbers > 0:
        assert isinstance(events["grids"], DiscreteGaussian)
        assert events["grids"].count == numbers
    if "digits" in events:
        assert isinstance(events["digits"], DiscreteGaussian)
        assert events["digits"].count == len(wide_columns(book.layout))


# --- looks --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_silent")
@pytest.mark.parametrize("world", ["end of follow-up", "names twice", "no tests", "no numeric columns"])
def test_looks_without_noise_tell_what_is_there(world: str):
    cohort = odd_cohort(world)
    layout = Layout.of(cohort.schema)
    found = first_looks(PaidLooks(gate=looks_at(cohort, noise=0.01)), layout)
    assert found.patients == pytest.approx(len(cohort))
    codes = found.book.code(cohort)
    for j, share in enumerate(found.shares):
        real = np.bincount(codes[:, j], minlength=len(share)) / len(cohort)
        assert np.abs(share - real).max() < 0.01
    assert len(found.frequency) == len(layout.tests)
    if layout.tests:
        draws = np.bincount(cohort.records.test, minlength=len(layout.tests)) / len(cohort)
        # clipping and ties take some records; nothing puts any there
        assert (found.frequency <= draws + 0.5).all()
        assert found.frequency.sum() > 0.6 * draws.sum()


@pytest.mark.parametrize("world", ["end of follow-up", "no tests", "names twice"])
def test_exact_looks_are_paid_ones_without_noise(world: str, monkeypatch: pytest.MonkeyPatch):
    cohort = odd_cohort(world)
    layout = Layout.of(cohort.schema)
    exact = first_looks(ExactLooks(rows=cohort), layout)
    monkeypatch.setattr(mechanisms, "secret_whole_gaussian", no_noise)
    monkeypatch.setattr(mechanisms, "_discrete_gaussian", lambda counts, sigma: (counts, 0.0 * sigma))
    monkeypatch.setattr("synthhealth.generators.first_looks.clip_norm", lambda *_: 30.0)
    paid = first_looks(PaidLooks(gate=looks_at(cohort, noise=0.02)), layout)
    assert paid.patients == pytest.approx(exact.patients)
    for mine, theirs in zip(paid.shares[: len(layout.attributes)], exact.shares, strict=False):
        assert np.allclose(mine, theirs, atol=1e-6)
    assert np.allclose(paid.frequency, exact.frequency, rtol=1e-3)


@pytest.mark.usefixtures("_silent")
def test_a_teacher_pays_for_every_look_that_was_planned():
    cohort = odd_cohort("end of follow-up")
    gate = looks_at(cohort)
    teacher = learn(gate, Layout.of(cohort.schema), np.random.default_rng(0))
    assert [entry.charge.name for entry in gate.ledger.entries] == [one.name for one in gate.ledger.plan.charges]
    assert teacher.values is not None
    assert teacher.gaps is not None
    assert np.allclose(teacher.gaps.chances.sum(axis=1), 1)
    tables = gate_of(cohort, {"x": Gaussian(noise_multiplier=1.0)})
    assert tables.ledger.entries == ()


def test_rare_tests_weigh_more_within_bounds():
    weight = _rarity(np.array([100.0, 1.0, 1e-9, 50.0]))
    assert weight[0] == 1
    assert weight[2] == weight.max() <= 4
    assert 1 < weight[3] < weight[1]
    assert _rarity(np.zeros(0)).shape == (0,)
    assert np.isfinite(_rarity(np.array([1e-12, 1e-12]))).all()


def test_a_clip_norm_grows_with_the_root_of_the_records_and_never_vanishes():
    assert clip_norm(0.0) > 0
    assert clip_norm(400.0) == pytest.approx(2 * clip_norm(100.0))
    assert clip_norm(100.0, 2.0) == pytest.approx(2 * clip_norm(100.0))


# --- dreams to fit on ---------------------------------------------------------------------------------------------


def teacher_of(schema: Schema, *, draws: int) -> Teacher:
    """A teacher that believes in `draws` draws a patient, as one who knows nothing of a generous cap may."""
    rng = np.random.default_rng(0)
    book = book_of(schema, rng)
    first = book.summaries[0]
    slots = book.layout.attributes
    cell = int(np.searchsorted(np.geomspace(1, 10**4, len(first.density)), draws))
    density = np.where(np.arange(len(first.density)) >= cell, 1.0, 1e-9)
    summaries = (replace(first, density=density / density.sum()), *book.summaries[1:])
    book = replace(book, summaries=summaries)
    shares = tuple(np.full(column.levels, 1 / column.levels) for column in book.columns)
    # everybody is in the last class of draws
    place = len(slots)
    shares = tuple(
        np.where(np.arange(len(share)) == len(share) - 1, 1.0, 1e-6) if j == place else share
        for j, share in enumerate(shares)
    )
    scores = score_table(shares, book.columns)
    before = np.cumsum([0, *(score.count for score in scores)])
    decoder = Decoder(
        scores=scores,
        bias=tuple(np.log(share) for share in shares),
        weight=tuple(np.zeros((start, score.count)) for start, score in zip(before[:-1], scores, strict=True)),
    )
    tests = len(book.tests)
    return Teacher(
        book=book,
        decoder=decoder,
        shares=shares,
        patients=1.0,
        frequency=np.full(tests, 2.0),
        weight=np.ones(tests),
        value_norm=1.0,
        values=None,
        gaps=heads_of(np.array([bins.count for bins in book.tests]), book.layout.steps, rng).gaps,
    )


def test_noise_cannot_ask_for_more_dreams_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch):
    schema = Schema.parse(
        ODD_SCHEMAS["one test"].replace("max_records = 30", "max_records = 10000").replace("[0, 48]", "[0, 9000]")
    )
    teacher = teacher_of(schema, draws=5_000)
    monkeypatch.setattr(marginal, "MOST_DRAWS", 30_000)
    sketch = dreamers(teacher, np.random.default_rng(0), latent=2)
    assert sketch.count.max() == marginal.MOST_OF_ONE
    assert 15_000 < sketch.count.sum() <= 30_000
    assert sketch.latent.shape == (len(sketch.count), 2)
    usual = dreamers(teacher_of(Schema.parse(ODD_SCHEMAS["one test"]), draws=3), np.random.default_rng(0))
    assert len(usual.count) == marginal.DREAMERS


def test_a_test_is_had_once_where_noise_can_hide_but_few_repeats():
    width = np.array([3, 2, 3, 3, 3])
    first, later = np.zeros((2, 5, 30))
    first[:, :3] = [[0.2, 0.1, 0.1], [0.2, 0.2, 9.0], [0.2, 0.1, 0.1], [0.02, 0.01, 0.01], [0.2, 0.1, 0.1]]
    # nothing; nothing in its two bins; a few, but they stand out; hidden by much noise; plain repeats
    later[:, :3] = [[0.002, -0.001, 0.0], [0.0, 0.001, 9.0], [0.01, 0.01, 0.0], [0.0, 0.0, 0.0], [0.3, 0.3, 0.3]]
    moments = ValueMoments(first=first, later=later, sigma=np.full(5, 0.003))
    assert had_once(moments, width).tolist() == [True, True, False, False, False]


def test_a_blank_head_starts_at_the_rates_of_the_tests_and_decides_on_rare_ones_first():
    schema = Schema.parse(ODD_SCHEMAS["end of follow-up"])
    teacher = teacher_of(schema, draws=3)
    teacher = replace(teacher, frequency=teacher.frequency * np.array([1.0, 0.3, 0.6]))
    moments = learn(looks_at(odd_cohort("end of follow-up")), Layout.of(schema), np.random.default_rng(0)).values
    heads = blank_heads(replace(teacher, values=moments), latent=3)
    draws = float(teacher.frequency.sum()) / max(teacher.book.mean_panel(), 1.0)
    rates = np.clip(teacher.frequency / draws, 0.01, 0.9)
    odds = np.log(rates / (1 - rates))
    assert np.diff(heads.panels.shared[:, 0]) == pytest.approx(np.diff(odds))
    assert heads.panels.order.tolist() == [1, 2, 0]
    assert heads.panels.loading.shape == (3, 3)
    assert heads.steps == 48
