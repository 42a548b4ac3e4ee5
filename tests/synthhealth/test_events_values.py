"""The value head: features and logits agree, weights go out and in, and a known head is found again."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt_parts import heads_of, shaken, sketch_of
from numpy.typing import NDArray

from synthhealth.generators.events import value_moments
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS
from synthhealth.generators.events.dream import context_logits, dream
from synthhealth.generators.events.value_moments import (
    ValueMoments,
    fit_values,
    like_the_others,
    lost_to_clipping,
    moment_rows,
    start_values,
)
from synthhealth.generators.events.values import (
    FIRST,
    LATER,
    OFF,
    ValueHead,
    first_features,
    next_features,
    waves,
)

Floats = NDArray[np.float64]
WIDTHS = st.lists(st.integers(1, VALUE_BINS), min_size=1, max_size=4).map(np.array)


def drawn_head(width: NDArray[np.int64], seed: int, *, scale: float = 0.5) -> ValueHead:
    return shaken(ValueHead.blank(width), np.random.default_rng(seed), scale=scale)


def softmax(logits: Floats) -> Floats:
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("points", [1, 2, 3, 6, 12])
def test_waves_are_orthonormal_as_far_as_there_are_points(points: int):
    table = waves(points)
    kept = min(3, points - 1)
    assert np.allclose((table.T @ table)[:kept, :kept], np.eye(kept))
    assert np.allclose(table.sum(axis=0)[:kept], 0, atol=1e-12)
    assert (table[:, points:] == 0).all()


@given(WIDTHS, st.integers(0, 2**32 - 1))
def test_features_times_weights_are_the_logits(width: NDArray[np.int64], seed: int):
    head = drawn_head(width, seed)
    first, later = head.first_logits(), head.next_logits()
    for t, bins in enumerate(width.tolist()):
        basis = head.basis[t, :bins]
        told = first_features(basis) @ head.weights_of(t, later=False)
        assert np.allclose(told, first[t, :, :bins], atol=1e-10)
        told = next_features(basis) @ head.weights_of(t, later=True)
        assert np.allclose(told, later[t, :bins, :, :bins].reshape(bins * LEVELS, bins), atol=1e-10)


@given(WIDTHS, st.integers(0, 2**32 - 1))
def test_weights_go_out_and_in(width: NDArray[np.int64], seed: int):
    head, other = drawn_head(width, seed), drawn_head(width, seed + 1)
    for t in range(len(width)):
        for later in (False, True):
            other = other.with_weights(t, head.weights_of(t, later=later), later=later)
    for field in fields(head):
        if field.name != "cross":
            assert np.array_equal(getattr(other, field.name), getattr(head, field.name)), field.name


@given(WIDTHS, st.integers(0, 2**32 - 1))
def test_a_test_changes_alone(width: NDArray[np.int64], seed: int):
    head = drawn_head(width, seed)
    before = context_logits(head)
    moved = head.with_weights(0, head.weights_of(0, later=True) + 1.0, later=True)
    after = context_logits(moved)
    assert np.array_equal(after[1:], before[1:])
    assert np.array_equal(after[:, VALUE_BINS], before[:, VALUE_BINS])
    assert head.weights_of(0, later=False).tolist() == moved.weights_of(0, later=False).tolist()


@given(WIDTHS, st.integers(0, 2**32 - 1))
def test_bins_that_a_test_lacks_have_no_chance(width: NDArray[np.int64], seed: int):
    chances = softmax(context_logits(drawn_head(width, seed)))
    for t, bins in enumerate(width.tolist()):
        assert chances[t, :bins, :, bins:].max(initial=0) < 1e-6
        assert chances[t, VALUE_BINS, :, bins:].max(initial=0) < 1e-6
    assert OFF < -20


@given(WIDTHS)
def test_a_blank_head_believes_that_values_are_alike(width: NDArray[np.int64]):
    head = ValueHead.blank(width)
    chances = softmax(context_logits(head))
    for t, bins in enumerate(width.tolist()):
        for last in range(bins):
            middle = min(int((last + 0.5) / bins * LEVELS), LEVELS - 1)
            assert chances[t, last, middle, :bins].argmax() == pytest.approx(last, abs=1)
    rank = head.tilt
    for t, bins in enumerate(width.tolist()):
        assert rank[t, :bins].mean() == pytest.approx(0, abs=1e-12)
        assert rank[t, :bins].var() == pytest.approx(min(bins - 1, 1), abs=1e-12)


# --- moments ------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_rows_sum_the_features_of_a_plain_loop(seed: int):
    rng = np.random.default_rng(seed)
    width = np.array([VALUE_BINS, 3, 1])
    heads = heads_of(width, 20, rng)
    dreamt = dream(sketch_of(8, heads, rng), heads, rng)
    draws, chains, weight = dreamt.draws, dreamt.chains, np.array([1.0, 2.0, 0.5])
    rows = moment_rows(draws, chains, heads.values, weight).toarray().reshape(8, 3, FIRST + LATER)
    many = np.bincount(draws.record_owner * 3 + draws.test, minlength=24).reshape(8, 3)
    wanted = np.zeros_like(rows)
    scale = value_moments._weights()
    for r, (owner, t) in enumerate(zip(draws.record_owner.tolist(), draws.test.tolist(), strict=True)):
        bins, basis = int(width[t]), heads.values.basis[t, : int(width[t])]
        level = min(int(chains.level[owner, t]), LEVELS - 1)
        if chains.last[r] == VALUE_BINS:
            told, start = first_features(basis)[level, chains.bin[r]], 0
        else:
            told, start = next_features(basis)[chains.last[r] * LEVELS + level, chains.bin[r]], FIRST
        # bins first, then a gap for those the test lacks, then the rest
        place = np.append(np.arange(bins), np.arange(VALUE_BINS, VALUE_BINS + len(told) - bins)) + start
        wanted[owner, t, place] += told * weight[t] / np.sqrt(many[owner, t])
    assert np.allclose(rows, wanted * scale, atol=1e-9)


def test_a_long_series_does_not_outvote_a_short_one():
    rng = np.random.default_rng(0)
    heads = heads_of(np.array([VALUE_BINS]), 400, rng)
    sketch = sketch_of(2, heads, rng)
    sketch = type(sketch)(
        count=np.array([4, 100]),
        first=np.zeros(2, dtype=np.int64),
        final=np.array([399, 399]),
        panel_size=np.ones(2),
        level=np.zeros((2, 1), dtype=np.int64),
        latent=np.zeros((2, 0)),
    )
    dreamt = dream(sketch, heads, rng)
    shares = moment_rows(dreamt.draws, dreamt.chains, heads.values, np.ones(1)).toarray()
    bins = [*range(VALUE_BINS), *range(FIRST, FIRST + VALUE_BINS)]
    assert shares[:, bins].sum(axis=1) == pytest.approx([2.0, 10.0])


@given(WIDTHS, st.integers(0, 2**32 - 1))
def test_moments_are_divided_by_what_they_were_weighed_with(width: NDArray[np.int64], seed: int):
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 4.0, len(width))
    plain = rng.normal(size=(len(width), FIRST + LATER))
    told = ValueMoments.of((plain * weight[:, None] * value_moments._weights()).ravel(), 0.3, weight)
    assert np.allclose(np.concatenate([told.first, told.later], axis=1), plain)
    assert np.allclose(told.sigma, 0.3 / weight)


def test_what_clipping_takes_is_given_back_to_the_moments():
    rng = np.random.default_rng(2)
    heads = heads_of(np.array([VALUE_BINS, 5]), 40, rng)
    dreamt = dream(sketch_of(60, heads, rng), heads, rng)
    weight = np.array([1.0, 2.0])
    rows = moment_rows(dreamt.draws, dreamt.chains, heads.values, weight)
    length = np.linalg.norm(rows.toarray(), axis=1)
    norm = float(np.median(length[length > 0]))
    clipped = rows.toarray() * np.minimum(1.0, norm / np.maximum(length, 1e-12))[:, None]
    whole, cut = (ValueMoments.of(np.asarray(one.mean(axis=0)).ravel(), 0.1, weight) for one in (rows, clipped))
    mended = cut.plus(lost_to_clipping(rows, norm), weight)
    assert np.allclose(mended.first, whole.first)
    assert np.allclose(mended.later, whole.later)
    assert np.array_equal(mended.sigma, whole.sigma)
    assert np.abs(cut.later - whole.later).max() > 0.01
    assert not lost_to_clipping(rows, 2 * float(length.max())).any()


# --- the dual -----------------------------------------------------------------------------------------------------


def problem(seed: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Features, contexts, target, noise and prior of a later value of a test with five bins."""
    rng = np.random.default_rng(seed)
    features = next_features(waves(5))
    context = rng.gamma(1.0, 0.1, len(features))
    true = rng.normal(scale=0.5, size=features.shape[-1])
    mean = np.einsum("cv,cvp->cp", softmax(features @ true), features)
    return features, context, context @ mean, np.full(len(true), 0.05), rng.normal(scale=0.2, size=len(true))


@pytest.mark.parametrize("seed", range(3))
def test_the_dual_stops_where_its_slope_is_zero(seed: int):
    features, context, target, sigma, prior = problem(seed)
    offset = np.random.default_rng(seed).normal(scale=0.3, size=features.shape[:2])
    found = value_moments._dual(features, context, offset, target, sigma, prior)
    ridge = value_moments.RIDGE * sigma**2

    def value(weights: Floats) -> float:
        return value_moments._dual_value(features, context, offset, target, ridge, weights, prior)[0]

    step = 1e-5
    slope = [(value(found + step * one) - value(found - step * one)) / (2 * step) for one in np.eye(len(found))]
    scale = [(value(prior + step * one) - value(prior - step * one)) / (2 * step) for one in np.eye(len(found))]
    assert np.abs(slope).max() < 2e-3 * np.abs(scale).max()
    assert value(found) < value(prior)
    rng = np.random.default_rng(seed)
    assert all(value(found) <= value(found + rng.normal(scale=0.1, size=len(found))) for _ in range(20))


def test_the_dual_without_noise_meets_the_target_and_with_much_stays_at_the_prior():
    features, context, target, sigma, prior = problem(1)
    offset = np.zeros(features.shape[:2])
    found = value_moments._dual(features, context, offset, target, 1e-4 * sigma, prior)
    met = context @ np.einsum("cv,cvp->cp", softmax(features @ found), features)
    assert np.allclose(met, target, atol=1e-3 * context.sum())
    assert np.allclose(value_moments._dual(features, context, offset, target, 1e4 * sigma, prior), prior, atol=1e-4)


@pytest.mark.parametrize("target", [0.0, 1e4, -1e4])
def test_the_dual_survives_targets_that_no_head_can_meet(target: float):
    features, context, _, sigma, prior = problem(2)
    offset = np.zeros(features.shape[:2])
    found = value_moments._dual(features, context, offset, np.full(len(prior), target), sigma, prior)
    assert np.isfinite(found).all()


def test_the_dual_survives_contexts_that_never_come():
    features, context, target, sigma, prior = problem(2)
    offset = np.zeros(features.shape[:2])
    assert np.isfinite(value_moments._dual(features, 0 * context, offset, 0 * target, sigma, prior)).all()


# --- fitting ------------------------------------------------------------------------------------------------------


def test_a_known_head_is_found_again():
    """Values dreamt by a head, measured without noise, lead back to its chances where contexts are common."""
    rng = np.random.default_rng(7)
    width = np.array([VALUE_BINS, 4])
    heads = heads_of(width, 60, rng, scale=0.6)
    sketch = sketch_of(6_000, heads, rng)
    dreamt = dream(sketch, heads, rng)
    rows = moment_rows(dreamt.draws, dreamt.chains, heads.values, np.ones(2))
    moments = ValueMoments.of(np.asarray(rows.mean(axis=0)).ravel(), 1e-6, np.ones(2))
    contexts, values = dreamt.contexts(2), dreamt.values(2)
    blank = start_values(ValueHead.blank(width), moments)
    found = fit_values(blank, moments, contexts, values)
    true = softmax(context_logits(heads.values))
    apart = [
        float((np.abs(softmax(context_logits(head)) - true).sum(axis=-1) / 2 * contexts).sum() / contexts.sum())
        for head in (blank, found)
    ]
    assert apart[1] < 0.06
    assert apart[1] < 0.3 * apart[0]


def test_a_test_with_many_single_values_is_fitted_on_the_contexts_that_it_has():
    """Low values are measured once and high ones again: what comes before a later value is not what all values are."""
    rng = np.random.default_rng(11)
    width = np.array([VALUE_BINS])
    head = drawn_head(width, 3, scale=1.0)
    last = rng.integers(6, VALUE_BINS, 4_000)
    level = np.minimum(last * LEVELS // VALUE_BINS + rng.integers(-1, 2, 4_000), LEVELS - 1)
    chances = softmax(context_logits(head))[0, last, level]
    later = np.minimum((np.cumsum(chances, axis=1) < rng.random((4_000, 1))).sum(axis=1), VALUE_BINS - 1)
    alone = rng.integers(0, 6, 20_000)
    contexts = np.zeros((1, VALUE_BINS + 1, LEVELS))
    np.add.at(contexts[0], (last, level), 1 / 4_000)
    np.add.at(contexts[0, VALUE_BINS], level, 1 / 4_000)
    np.add.at(contexts[0, VALUE_BINS], alone * LEVELS // VALUE_BINS, 1 / 4_000)
    everything = np.bincount(np.concatenate([last, later, alone]), minlength=VALUE_BINS)[None] / 4_000
    features = next_features(waves(VALUE_BINS))[last * LEVELS + level, later].mean(axis=0)
    first = np.zeros((1, FIRST))
    first[0, :VALUE_BINS] = np.bincount(np.concatenate([last, alone]), minlength=VALUE_BINS) / 4_000
    moments = ValueMoments(first=first, later=features[None], sigma=np.array([1e-6]))
    found = softmax(context_logits(fit_values(ValueHead.blank(width), moments, contexts, everything)))
    true = softmax(context_logits(head))
    weight = contexts[0, :VALUE_BINS] / contexts[0, :VALUE_BINS].sum()
    apart = (np.abs(found - true)[0, :VALUE_BINS].sum(axis=-1) / 2 * weight).sum()
    assert apart < 0.1


@given(WIDTHS, st.integers(0, 2**32 - 1))
def test_what_a_test_is_believed_to_be_is_what_the_others_of_its_width_are(width: NDArray[np.int64], seed: int):
    head, rng = drawn_head(width, seed), np.random.default_rng(seed)
    tests = len(width)
    moments = ValueMoments(
        first=rng.uniform(0.1, 1.0, (tests, FIRST)),
        later=rng.uniform(0.1, 1.0, (tests, LATER)),
        sigma=rng.uniform(0.1, 1.0, tests),
    )
    blank, found = ValueHead.blank(width), like_the_others(head, moments)
    for name, table in (("first_pull", moments.first), ("near", moments.later), ("next_last", moments.later)):
        told = table[:, :VALUE_BINS].sum(axis=1) / moments.sigma
        trust = np.minimum(told / np.quantile(told, 0.8), 1.0) ** 2
        for t in range(tests):
            others = [s for s in range(tests) if s != t and width[s] == width[t]]
            moved = sum((trust[s] * (getattr(head, name)[s] - getattr(blank, name)[s]) for s in others), start=0.0)
            wanted = getattr(blank, name)[t] + moved / (1.0 + sum(trust[s] for s in others))
            assert np.allclose(getattr(found, name)[t], wanted)
    assert np.array_equal(found.first_bias, blank.first_bias)
    assert np.array_equal(found.next_bias, blank.next_bias)
    assert np.array_equal(found.cross, blank.cross)


def test_nothing_is_shared_where_nothing_is_known():
    head = drawn_head(np.array([VALUE_BINS, VALUE_BINS]), 0)
    moments = ValueMoments(first=np.full((2, FIRST), -1.0), later=np.zeros((2, LATER)), sigma=np.zeros(2))
    found = like_the_others(head, moments)
    for name in ("first_pull", "near", "next_last", "next_level", "first_level", "next_pull"):
        assert np.array_equal(getattr(found, name), getattr(ValueHead.blank(head.width), name)), name


def test_a_head_learnt_from_noise_alone_is_nearly_the_blank_one():
    rng = np.random.default_rng(8)
    width = np.array([VALUE_BINS, 4, 1])
    noise = rng.normal(scale=50.0, size=3 * (FIRST + LATER))
    moments = ValueMoments.of(noise, 50.0, np.ones(3))
    contexts, values = np.full((3, VALUE_BINS + 1, LEVELS), 0.01), np.full((3, VALUE_BINS), 0.06)
    for head in (
        start_values(ValueHead.blank(width), moments),
        fit_values(ValueHead.blank(width), moments, contexts, values),
    ):
        logits, blank = context_logits(head), context_logits(ValueHead.blank(width))
        assert np.isfinite(logits).all()
        for t, bins in enumerate(width.tolist()):
            moved = softmax(logits[t, :bins, :, :bins]) - softmax(blank[t, :bins, :, :bins])
            assert np.abs(moved).max() < 0.25


@settings(max_examples=12)
@given(WIDTHS, st.integers(0, 2**32 - 1), st.integers(1, 20), st.sampled_from([1e-3, 0.05, 3.0]))
def test_fitting_ends_well_whatever_few_patients_and_noise_say(
    width: NDArray[np.int64], seed: int, patients: int, sigma: float
):
    rng = np.random.default_rng(seed)
    heads = heads_of(width, 30, rng, scale=2.0)
    dreamt = dream(sketch_of(patients, heads, rng), heads, rng)
    sums = np.asarray(moment_rows(dreamt.draws, dreamt.chains, heads.values, np.ones(len(width))).mean(axis=0)).ravel()
    moments = ValueMoments.of(sums + rng.normal(scale=sigma, size=len(sums)), sigma, np.ones(len(width)))
    blank = start_values(ValueHead.blank(width), moments)
    contexts, values = dreamt.contexts(len(width)), dreamt.values(len(width))
    chances = softmax(context_logits(fit_values(blank, moments, contexts, values)))
    assert np.isfinite(chances).all()
    for t, bins in enumerate(width.tolist()):
        assert chances[t, :bins, :, bins:].max(initial=0) < 1e-6
        assert chances[t, VALUE_BINS, :, bins:].max(initial=0) < 1e-6


def test_under_a_tilt_the_moments_are_met_on_average_over_it():
    features, context, target, sigma, prior = problem(1)
    tilt = np.linspace(-1.0, 1.0, 5)
    wide, spread, offset = value_moments._tilted(features, context, tilt)
    assert spread.sum() == pytest.approx(context.sum())
    found = value_moments._dual(wide, spread, offset, target, 1e-4 * sigma, prior)
    # against a fine normal grid in place of three points
    points = np.random.default_rng(0).normal(size=4_000)
    met = np.zeros(len(target))
    for point in points:
        met += context @ np.einsum("cv,cvp->cp", softmax(features @ found + point * tilt), features) / len(points)
    alone = context @ np.einsum("cv,cvp->cp", softmax(features @ found), features)
    assert np.abs(met - target).max() < 0.3 * np.abs(alone - target).max()


def test_without_a_tilt_nothing_is_spread():
    features, context, *_ = problem(1)
    same, weights, offset = value_moments._tilted(features, context, np.zeros(5))
    assert same is features
    assert weights is context
    assert not offset.any()
