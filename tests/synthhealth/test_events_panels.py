"""The panel head: its features against a plain loop, its weights in their order, its curvature, and its matching."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt_parts import heads_of, shaken, sketch_of
from numpy.typing import NDArray

from synthhealth.encoding.draws import Draws
from synthhealth.generators.belief import Belief
from synthhealth.generators.events import dream as dream_module
from synthhealth.generators.events.chains import LEVELS
from synthhealth.generators.events.dream import Dream, Heads, Sketch, dream
from synthhealth.generators.events.panel_moments import (
    PanelCounts,
    PanelInputs,
    curvature,
    match_panels,
    match_rates,
    panel_prior,
    panel_rows,
    rates_only,
    weights_of,
    with_weights,
)
from synthhealth.generators.events.panels import LEAST_ROOM, USUAL, PanelHead, shared_features

Floats = NDArray[np.float64]
WIDTH = np.array([12, 2, 5, 1])


def night(seed: int, *, n: int = 60, steps: int = 30, latent: int = 2) -> tuple[Heads, Sketch, Dream]:
    rng = np.random.default_rng(seed)
    heads = heads_of(WIDTH, steps, rng, latent=latent)
    sketch = sketch_of(n, heads, rng)
    return heads, sketch, dream(sketch, heads, rng)


def inputs_of(heads: Heads, sketch: Sketch, dreamt: Dream, steps: int = 30) -> PanelInputs:
    return PanelInputs.of(dreamt.draws, sketch.panel_size, sketch.level, steps, heads.panels.order)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_inputs_are_those_of_a_plain_loop(seed: int):
    heads, sketch, dreamt = night(seed)
    draws, inputs = dreamt.draws, inputs_of(heads, sketch, dreamt)
    tests, order = draws.bits.shape[1], heads.panels.order.tolist()
    for d, (owner, step, k) in enumerate(zip(draws.owner, draws.step, draws.index, strict=True)):
        own = np.flatnonzero(draws.owner == owner)
        count, past = len(own), draws.bits[own[:k]]
        previous = past[-1] if k else np.zeros(tests, dtype=bool)
        wanted = shared_features(
            step=np.array([step]),
            gap=np.array([step - draws.step[own[k - 1]] if k else 0]),
            first=np.array([k == 0]),
            previous_size=np.array([previous.sum()]),
            steps=30,
            tests=tests,
        )
        assert np.allclose(inputs.shared[d], wanted[0], rtol=1e-12)
        assert np.array_equal(inputs.prev[d], previous)
        assert np.array_equal(inputs.ever[d], past.any(axis=0))
        assert np.array_equal(inputs.bits[d], draws.bits[d])
        assert np.array_equal(inputs.level[d], sketch.level[owner])
        due = (sketch.panel_size[owner] * count - past.sum()) / (count - k)
        has = sketch.level[owner] < LEVELS
        for place, t in enumerate(order):
            held = draws.bits[d, order[:place]]
            chance = np.clip((due - held.sum()) / max(has[order[place:]].sum(), 1), LEAST_ROOM, 1 - LEAST_ROOM)
            assert inputs.room[d, t] == pytest.approx(np.log(chance / (1 - chance)) / 2)
            assert inputs.none[d, t] == (place > 0 and not held.any())
            last_chance = k == count - 1 and not past[:, t].any()
            only_one_left = not held.any() and not has[order[place + 1 :]].any()
            assert inputs.free[d, t] == (has[t] and not last_chance and not only_one_left)
            # what is not free to decide and the patient has, is in
            assert inputs.free[d, t] or draws.bits[d, t] == has[t]


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_a_draw_is_dreamt_on_what_it_will_be_learnt_from(seed: int):
    """The features that a draw is drawn with are those that the same draw has as data."""
    seen: list[Floats] = []

    def overheard(**told: NDArray[np.float64] | int) -> Floats:
        seen.append(shared_features(**told))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dream_module, "shared_features", overheard)
        heads, sketch, dreamt = night(seed)
    draws = dreamt.draws
    count = draws.per_patient()
    order = np.argsort(-count, kind="stable")
    inputs = inputs_of(heads, sketch, dreamt)
    for k, told in enumerate(seen):
        active = order[: len(told)]
        rows = np.array([np.flatnonzero((draws.owner == patient) & (draws.index == k))[0] for patient in active])
        assert np.allclose(inputs.shared[rows], told, rtol=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_a_row_sums_the_features_of_the_tests_that_were_in_and_need_not_have_been(seed: int):
    heads, sketch, dreamt = night(seed, n=12)
    draws, inputs = dreamt.draws, inputs_of(heads, sketch, dreamt)
    rows = panel_rows(draws, sketch.panel_size, sketch.level, 30, heads.panels.order)
    start = 0
    for t in range(len(WIDTH)):
        features = inputs.of_test(t)
        width = features.shape[1]
        for patient in range(12):
            mine = (draws.owner == patient) & draws.bits[:, t] & inputs.free[:, t]
            assert np.allclose(rows[patient, start : start + width], features[mine].sum(axis=0))
        start += width
    assert start == rows.shape[1]


@given(st.integers(0, 2**32 - 1))
def test_weights_go_out_and_in_and_give_the_logits(seed: int):
    rng = np.random.default_rng(seed)
    order = rng.permutation(4)
    head = shaken(PanelHead.blank(order, 2), rng)
    again = with_weights(shaken(PanelHead.blank(order, 2), rng), [weights_of(head, t) for t in range(4)])
    for name in ("shared", "prev", "ever", "none", "room", "again", "bits"):
        assert np.array_equal(getattr(again, name), getattr(head, name))
    heads, sketch, dreamt = night(seed % 1_000, n=8)
    inputs = inputs_of(replace(heads, panels=head), sketch, dreamt)
    usual = (USUAL[sketch.level[dreamt.draws.owner]] * head.again).sum(axis=-1)
    logits = inputs.shared @ head.shared.T + inputs.prev * head.prev + inputs.ever * (head.ever + usual)
    logits += inputs.none * head.none + inputs.room * head.room + inputs.bits @ head.bits.T
    for t in range(4):
        assert np.allclose(inputs.of_test(t) @ weights_of(head, t), logits[:, t])


def test_at_first_tests_share_the_room_by_their_rates():
    head = rates_only(PanelHead.blank(np.arange(3), 0), np.array([0.2, 0.5, 1e-9]))
    odds = head.shared[:, 0] - head.shared[1, 0]
    assert np.allclose(odds, [np.log(0.25), 0.0, np.log(0.01 / 0.99)])
    assert (head.shared[:, 1:] == 0).all()
    assert (head.room > 0).all()


@pytest.mark.parametrize("t", [0, 2, 3])
def test_curvature_is_the_second_derivative_and_the_slope_the_first(t: int):
    heads, sketch, dreamt = night(5)
    inputs = inputs_of(heads, sketch, dreamt)
    mine = inputs.free[:, t]
    features, held = inputs.of_test(t)[mine], inputs.bits[mine, t]

    def likelihood(weights: Floats) -> float:
        logits = features @ weights
        return float((held * logits - np.logaddexp(0, logits)).sum()) / len(sketch.count)

    weights = weights_of(heads.panels, t)
    fisher, slope = curvature(inputs, heads.panels, t, len(sketch.count))
    step = 1e-4
    for i in range(len(weights)):
        up, down = weights + step * np.eye(len(weights))[i], weights - step * np.eye(len(weights))[i]
        assert (likelihood(up) - likelihood(down)) / (2 * step) == pytest.approx(slope[i], abs=1e-6)
        bend = (likelihood(up) - 2 * likelihood(weights) + likelihood(down)) / step**2
        assert -bend == pytest.approx(fisher[i, i], abs=1e-5)
    assert np.allclose(fisher, fisher.T)
    assert np.linalg.eigvalsh(fisher).min() > -1e-12


def test_matching_brings_the_dreams_to_the_target():
    heads, sketch, _ = night(8, n=1_500, latent=0)
    rng = np.random.default_rng(1)

    def moments(panels: PanelHead) -> Floats:
        dreamt = dream(sketch, replace(heads, panels=panels), rng, values=False)
        return panel_rows(dreamt.draws, sketch.panel_size, sketch.level, 30, panels.order).mean(axis=0)

    target = moments(heads.panels)
    start = replace(PanelHead.blank(heads.panels.order, 0), room=heads.panels.room)
    blank, counts = replace(heads, panels=start), PanelCounts(mean=target, sigma=1e-3, norm=1e9)
    found = match_panels(blank, counts, sketch, rng, panel_prior(blank))
    before, after, chance = (np.linalg.norm(moments(one) - target) for one in (start, found, heads.panels))
    assert after < 0.25 * before
    # two dreams of one head differ as well
    assert after < 2 * chance
    assert np.allclose(found.room, start.room, atol=1e-3)


def test_matching_leaves_what_noise_hides():
    heads, sketch, _ = night(8, n=300, latent=0)
    rng = np.random.default_rng(1)
    counts = PanelCounts(mean=rng.normal(scale=50.0, size=counts_size(sketch)), sigma=50.0, norm=10.0)
    found = match_panels(heads, counts, sketch, rng, panel_prior(heads))
    for t in range(len(WIDTH)):
        assert np.abs(weights_of(found, t) - weights_of(heads.panels, t)).max() < 0.3


def shares_of_records(heads: Heads, sketch: Sketch, rng: np.random.Generator) -> Floats:
    bits = dream(sketch, heads, rng, values=False).draws.bits
    return np.asarray(bits.sum(axis=0) / bits.sum())


def counted(heads: Heads, sketch: Sketch, rng: np.random.Generator, *, sigma: float) -> PanelCounts:
    dreamt = dream(sketch, heads, rng, values=False).draws
    rows = panel_rows(dreamt, sketch.panel_size, sketch.level, 30, heads.panels.order)
    return PanelCounts(mean=rows.mean(axis=0), sigma=sigma, norm=1e9)


def test_rates_come_back_after_the_weights_were_shaken():
    heads, sketch, _ = night(8, n=1_500, latent=0)
    rng = np.random.default_rng(1)
    counts, true = counted(heads, sketch, rng, sigma=1e-3), shares_of_records(heads, sketch, rng)
    off = heads.panels.shared.copy()
    off[:, 0] += [0.6, -0.6, 0.4, -0.4]
    moved = replace(heads, panels=replace(heads.panels, shared=off))
    found = replace(heads, panels=match_rates(moved, counts, sketch, rng, rounds=6))
    before, after = (np.abs(shares_of_records(one, sketch, rng) - true).max() for one in (moved, found))
    assert before > 0.02
    assert after < 0.4 * before
    # the constants move and nothing else
    assert np.array_equal(found.panels.shared[:, 1:], off[:, 1:])
    assert np.array_equal(found.panels.bits, heads.panels.bits)


def test_rates_stay_where_noise_covers_the_counts():
    heads, sketch, _ = night(8, n=300, latent=0)
    rng = np.random.default_rng(1)
    counts = replace(counted(heads, sketch, rng, sigma=50.0), mean=rng.normal(scale=50.0, size=counts_size(sketch)))
    found = match_rates(heads, counts, sketch, rng)
    assert np.abs(found.shared - heads.panels.shared).max() < 0.2


def counts_size(sketch: Sketch) -> int:
    tests = sketch.level.shape[1]
    return sum(len(weights_of(PanelHead.blank(np.arange(tests), 0), t)) for t in range(tests))


# --- belief -------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_an_observation_gives_the_posterior_of_the_linear_model(seed: int, size: int):
    """Against the textbook: prior N(m, S), observation g = F (w - m) + noise, posterior mean and covariance."""
    rng = np.random.default_rng(seed)
    mean, scale, sigma = rng.normal(size=size), 0.7, rng.uniform(0.1, 2.0, size)
    root = rng.normal(size=(size, size))
    fisher, gradient = root @ root.T + 0.1 * np.eye(size), rng.normal(size=size)
    after = Belief.prior(mean, scale).observe(gradient, fisher, sigma)
    prior, noise = scale**2 * np.eye(size), np.diag(sigma**2)
    gain = prior @ fisher.T @ np.linalg.inv(fisher @ prior @ fisher.T + noise)
    assert np.allclose(after.mean, mean + gain @ gradient, atol=1e-8)
    assert np.allclose(np.linalg.inv(after.precision), prior - gain @ fisher @ prior, atol=1e-8)


def test_observations_add_up():
    rng = np.random.default_rng(0)
    fisher = np.diag([1.0, 4.0, 0.5])
    gradient = rng.normal(size=3)
    prior = Belief.prior(np.zeros(3), 2.0)
    once = prior.observe(gradient, fisher, 1.0 / np.sqrt(2))
    first = prior.observe(gradient, fisher, 1.0)
    # the second look is taken where the first one led, so what it sees is the rest
    twice = first.observe(gradient - fisher @ first.mean, fisher, 1.0)
    assert np.allclose(once.precision, twice.precision)
    assert np.allclose(once.mean, twice.mean)


def test_a_noisy_look_moves_little_and_a_long_step_is_cut():
    prior = Belief.prior(np.zeros(2), 1.0)
    gradient, fisher = np.array([3.0, -1.0]), np.eye(2)
    assert np.abs(prior.observe(gradient, fisher, 1e6).mean).max() < 1e-9
    assert np.allclose(prior.observe(gradient, fisher, 1e-6).mean, gradient)
    assert np.allclose(prior.observe(gradient, fisher, 1e-6, longest=1.5).mean, [1.5, -0.5])


def test_fading_goes_back_to_the_prior_and_keeps_the_mean():
    prior = Belief.prior(np.zeros(2), 1.0)
    after = prior.observe(np.array([3.0, -1.0]), np.eye(2), 1.0)
    assert np.allclose(after.faded(0.0).precision, prior.precision)
    assert np.allclose(after.faded(1.0).precision, after.precision)
    assert np.array_equal(after.faded(0.3).mean, after.mean)


def test_a_widened_belief_has_the_variance_of_both():
    after = Belief.prior(np.zeros(2), 1.0).observe(np.array([3.0, -1.0]), np.array([[2.0, 1.0], [1.0, 2.0]]), 1.0)
    wider = after.widened(0.5)
    assert np.allclose(np.linalg.inv(wider.precision), np.linalg.inv(after.precision) + 0.25 * np.eye(2))
    assert np.array_equal(wider.mean, after.mean)


def test_a_pinned_weight_stays_and_the_others_move_as_if_it_were_known():
    fisher, gradient = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([3.0, -1.0])
    found = Belief.prior(np.zeros(2), 1.0).pinned(0).observe(gradient, fisher, 1.0).mean
    assert abs(found[0]) < 1e-4
    # only the second weight is unknown: both gradients see it, through the second column
    column = fisher[:, 1]
    assert found[1] == pytest.approx(column @ gradient / (column @ column + 1.0), abs=1e-4)


def test_nothing_to_believe_is_believed():
    empty = Belief.prior(np.zeros(0), 1.0)
    assert empty.observe(np.zeros(0), np.zeros((0, 0)), 1.0).mean.shape == (0,)


def test_draws_without_patients_have_no_rows():
    nothing = np.zeros(0, dtype=np.int64)
    draws = Draws.of_records(patients=0, owner=nothing, step=nothing, test=nothing, cell=nothing, tests=3)
    assert panel_rows(draws, np.zeros(0), np.zeros((0, 3), dtype=np.int64), 10, np.arange(3)).shape[0] == 0
