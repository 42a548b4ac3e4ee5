"""Dreams keep every promise of the sketch and every rule of draws, whatever the heads, and follow their laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt_parts import heads_of, shaken, sketch_of
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import chi2

from synthhealth.generators.events.chains import LEVELS, VALUE_BINS
from synthhealth.generators.events.dream import Dream, Heads, Sketch, context_logits, dream
from synthhealth.generators.events.panels import NEVER, SHARED, PanelHead

Floats = NDArray[np.float64]


@st.composite
def nights(draw: st.DrawFn) -> tuple[Heads, Sketch, Dream]:
    """Heads from mild to wild, sketches of up to 40 patients, and what is dreamt of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width = np.array(draw(st.lists(st.integers(1, VALUE_BINS), min_size=1, max_size=5)))
    steps = draw(st.sampled_from([1, 2, 9, 48, 5_000]))
    heads = heads_of(width, steps, rng, latent=draw(st.integers(0, 2)), scale=draw(st.sampled_from([0.0, 0.5, 20.0])))
    sketch = sketch_of(draw(st.integers(0, 40)), heads, rng)
    return heads, sketch, dream(sketch, heads, rng)


@given(nights())
def test_every_patient_has_the_draws_that_were_asked_for(night: tuple[Heads, Sketch, Dream]):
    heads, sketch, dreamt = night
    draws = dreamt.draws
    has = (sketch.level < LEVELS).any(axis=1)
    assert np.array_equal(draws.per_patient(), np.where(has, sketch.count, 0))
    first = draws.index == 0
    assert np.array_equal(draws.step[first], sketch.first[draws.owner[first]])
    last = draws.index == draws.per_patient()[draws.owner] - 1
    several = last & ~first
    assert np.array_equal(draws.step[several], sketch.final[draws.owner[several]])
    assert (draws.step < heads.steps).all()
    assert (draws.step <= np.maximum(sketch.final, sketch.first)[draws.owner]).all()


@given(nights())
def test_steps_rise_and_a_draw_holds_each_test_once(night: tuple[Heads, Sketch, Dream]):
    _, sketch, dreamt = night
    draws = dreamt.draws
    again = draws.index > 0
    assert (np.diff(draws.step)[again[1:]] > 0).all()
    assert draws.bits.any(axis=1).all()
    records = list(zip(draws.draw.tolist(), draws.test.tolist(), strict=True))
    assert len(set(records)) == len(records) == int(draws.bits.sum())
    assert (sketch.level[draws.record_owner, draws.test] < LEVELS).all()


@given(nights())
def test_who_has_a_level_of_a_test_has_a_value_of_it(night: tuple[Heads, Sketch, Dream]):
    _, sketch, dreamt = night
    held = np.zeros(sketch.level.shape, dtype=bool)
    held[dreamt.draws.record_owner, dreamt.draws.test] = True
    some = sketch.count > 0
    assert np.array_equal(held[some], sketch.level[some] < LEVELS)


@given(nights())
def test_bins_are_those_of_the_test_and_the_last_one_is_the_last_one(night: tuple[Heads, Sketch, Dream]):
    heads, sketch, dreamt = night
    draws, chains = dreamt.draws, dreamt.chains
    assert (chains.bin >= 0).all()
    assert (chains.bin < heads.values.width[draws.test]).all()
    last: dict[tuple[int, int], int] = {}
    for r, key in enumerate(zip(draws.record_owner.tolist(), draws.test.tolist(), strict=True)):
        assert chains.last[r] == last.get(key, VALUE_BINS)
        last[key] = int(chains.bin[r])
    assert chains.level is sketch.level


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_the_same_stream_gives_the_same_dream(seed: int):
    rng = np.random.default_rng(seed)
    heads = heads_of(np.array([12, 3]), 48, rng)
    sketch = sketch_of(30, heads, rng)
    one, two = (dream(sketch, heads, np.random.default_rng(5)) for _ in range(2))
    for name in ("owner", "step", "bits", "draw", "test", "cell"):
        assert np.array_equal(getattr(one.draws, name), getattr(two.draws, name))
    other = dream(sketch, heads, np.random.default_rng(6))
    assert one.draws.cell.tolist() != other.draws.cell.tolist() or len(one.draws.cell) < 20


def test_a_dream_without_values_has_draws_alone():
    rng = np.random.default_rng(0)
    heads = heads_of(np.array([12, 3]), 48, rng)
    dreamt = dream(sketch_of(30, heads, rng), heads, rng, values=False)
    assert len(dreamt.draws.owner) > 0
    assert (dreamt.chains.bin == 0).all()


def test_contexts_count_records_by_last_bin_and_level():
    rng = np.random.default_rng(1)
    heads = heads_of(np.array([12, 3]), 48, rng)
    sketch = sketch_of(30, heads, rng)
    dreamt = dream(sketch, heads, rng)
    wanted = np.zeros((2, VALUE_BINS + 1, LEVELS))
    for r, (owner, test) in enumerate(zip(dreamt.draws.record_owner, dreamt.draws.test, strict=True)):
        wanted[test, dreamt.chains.last[r], sketch.level[owner, test]] += 1 / 30
    assert np.allclose(dreamt.contexts(2), wanted)


def test_values_count_records_by_bin():
    rng = np.random.default_rng(1)
    heads = heads_of(np.array([12, 3]), 48, rng)
    dreamt = dream(sketch_of(30, heads, rng), heads, rng)
    wanted = np.zeros((2, VALUE_BINS))
    for test, coded in zip(dreamt.draws.test, dreamt.chains.bin, strict=True):
        wanted[test, coded] += 1 / 30
    assert np.allclose(dreamt.values(2), wanted)


def test_nobody_dreams_of_nothing():
    rng = np.random.default_rng(0)
    heads = heads_of(np.array([12]), 48, rng)
    for n in (0, 4):
        sketch = replace(sketch_of(n, heads, rng), level=np.full((n, 1), LEVELS))
        dreamt = dream(sketch, heads, rng)
        assert len(dreamt.draws.owner) == 0
        assert dreamt.draws.per_patient().tolist() == [0] * n
        assert dreamt.contexts(1).sum() == 0


# --- laws ---------------------------------------------------------------------------------------------------------


def alike(n: int, heads: Heads, *, count: int, level: int = 2, tests: int = 1) -> Sketch:
    """`n` patients with the same sketch."""
    return Sketch(
        count=np.full(n, count),
        first=np.zeros(n, dtype=np.int64),
        final=np.full(n, heads.steps - 1),
        panel_size=np.ones(n),
        level=np.full((n, tests), level),
        latent=np.zeros((n, heads.panels.loading.shape[1])),
    )


def fits(counts: Floats, chances: Floats) -> bool:
    expected = counts.sum() * chances
    statistic = float(((counts - expected)[expected > 5] ** 2 / expected[expected > 5]).sum())
    return bool(chi2.sf(statistic, int((expected > 5).sum()) - 1) > 1e-6)


def test_values_follow_the_head_in_their_context():
    rng = np.random.default_rng(3)
    heads = heads_of(np.array([7]), 10, rng)
    dreamt = dream(alike(12_000, heads, count=2), heads, rng)
    logits = context_logits(heads.values)[0, :, 2, :7]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for last in (VALUE_BINS, 0, 3, 6):
        drawn = dreamt.chains.bin[dreamt.chains.last == last]
        assert len(drawn) > 300
        assert fits(np.bincount(drawn, minlength=7).astype(float), chances[last])
    later = dreamt.chains.bin[dreamt.chains.last == 3]
    assert not fits(np.bincount(later, minlength=7).astype(float), chances[VALUE_BINS])


def test_one_tests_surprise_moves_the_next_ones_value():
    rng = np.random.default_rng(4)
    heads = heads_of(np.array([7, 7]), 10, rng, scale=0.0)
    values = replace(heads.values, cross=np.array([[0.0, 0.0], [0.8, 0.0]]))
    held = replace(heads.panels, shared=np.where(np.arange(SHARED) == 0, 50.0, 0.0) * np.ones((2, 1)))
    told = []
    for one in (heads.values, values):
        dreamt = dream(alike(8_000, heads, count=1, tests=2), replace(heads, values=one, panels=held), rng)
        table = np.zeros((8_000, 2))
        table[dreamt.draws.record_owner, dreamt.draws.test] = dreamt.chains.bin
        told.append(float(np.corrcoef(table.T)[0, 1]))
    assert abs(told[0]) < 0.06
    assert told[1] > 0.4


def test_a_test_comes_as_often_as_its_logit_says():
    rng = np.random.default_rng(5)
    heads = heads_of(np.array([3, 3]), 10, rng, scale=0.0)
    panels = shaken(PanelHead.blank(np.arange(2), 0), rng, scale=0.0)
    shared = panels.shared.copy()
    shared[:, 0] = [
        50.0,
        -0.7,
    ]  # the first is always there, so that the second is never the last that a draw could hold
    panels = replace(panels, shared=shared, prev=np.array([0.0, 1.5]), bits=np.array([[0.0, 0.0], [0.4, 0.0]]))
    n = 20_000
    dreamt = dream(alike(n, heads, count=3, tests=2), replace(heads, panels=panels), rng)
    bits = dreamt.draws.bits.reshape(n, 3, 2)[:, :, 1]
    # the last draw is left out: it makes good what a patient is still owed
    assert bits[:, 0].mean() == pytest.approx(expit(-0.3), abs=0.02)
    for before in (False, True):
        again = bits[bits[:, 0] == before, 1]
        assert again.mean() == pytest.approx(expit(-0.3 + 1.5 * before), abs=0.02)


def test_the_latent_moves_what_a_patient_has():
    rng = np.random.default_rng(6)
    heads = heads_of(np.array([3, 3]), 10, rng, latent=1, scale=0.0)
    panels = replace(
        heads.panels, loading=np.array([[0.0], [2.0]]), shared=np.where(np.arange(SHARED) == 0, 1.0, 0.0) * 1.0
    )
    panels = replace(panels, shared=np.stack([50 * panels.shared, 0 * panels.shared]))
    rates = []
    for latent in (-1.0, 1.0):
        sketch = replace(alike(4_000, heads, count=2, tests=2), latent=np.full((4_000, 1), latent))
        bits = dream(sketch, replace(heads, panels=panels), rng).draws.bits.reshape(4_000, 2, 2)
        rates.append(bits[:, 0, 1].mean())
    assert rates[0] == pytest.approx(expit(-2.0), abs=0.03)
    assert rates[1] == pytest.approx(expit(2.0), abs=0.03)


def test_levels_move_how_often_a_test_is_repeated_and_not_whether_it_is_had():
    rng = np.random.default_rng(6)
    heads = heads_of(np.array([6, 6]), 30, rng, scale=0.0)
    heads = replace(heads, panels=replace(heads.panels, again=np.array([[1.5, 0.0], [0.0, 0.0]])))
    often, at_once = [], []
    for level in (0, LEVELS - 1, LEVELS):
        sketch = alike(2_000, heads, count=6, level=2, tests=2)
        sketch.level[:, 0] = level
        bits = dream(sketch, heads, rng).draws.bits.reshape(2_000, 6, 2)
        often.append(bits[:, :, 0].sum(axis=1))
        at_once.append(bits[:, 0, 0].mean())
    assert at_once[0] == pytest.approx(at_once[1], abs=0.05)
    assert often[0].min() >= 1
    assert often[1].min() >= 1
    assert often[0].mean() > often[1].mean() + 1.5
    assert often[2].max() == 0


def test_a_test_that_is_had_once_is_had_once():
    rng = np.random.default_rng(7)
    heads = heads_of(np.array([3, 3, 3]), 10, rng)
    heads = replace(heads, panels=replace(heads.panels, ever=np.array([NEVER, 0.5, NEVER])))
    sketch = sketch_of(2_000, heads, rng)
    draws = dream(sketch, heads, rng).draws
    held = draws.sums(draws.bits.astype(float))
    has = sketch.level < LEVELS
    drawn = sketch.count > 0
    assert held[:, [0, 2]].max() == 1
    assert held[:, 1].max() > 1
    # nobody misses what the table says was measured; a draw for which nothing is left is none
    early = held[drawn & ~has[:, 1]]
    assert (early.sum(axis=1) >= 1)[has[drawn & ~has[:, 1]].any(axis=1)].all()
    assert np.array_equal((held > 0)[drawn & has[:, 1]], has[drawn & has[:, 1]])
    assert draws.bits.any(axis=1).all()
