"""Dreamt draws follow their sketch, know only what came before, and have the margins that histograms know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from privacy.cohort import Cohort
from privacy.randomness import public
from synthhealth.encoding.layout import Layout
from synthhealth.generators.dpsgd import calibration
from synthhealth.generators.dpsgd.calibration import calibrate_bases
from synthhealth.generators.dpsgd.dreams import dreamt, imagined
from synthhealth.generators.dpsgd.event_decoder import EventDecoder
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.network import HIDDEN, Network, set_weights, weights_of
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS
from synthhealth.generators.events.dream import Dream, Sketch
from synthhealth.generators.events.gaps import GapHead
from synthhealth.generators.first_looks import FirstLooks, first_looks
from synthhealth.generators.looks import ExactLooks
from synthhealth.generators.simulator import simulate


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    torch.set_num_threads(1)
    return simulate(250, 7, cohort_size=250)


@pytest.fixture(scope="module")
def looks(cohort: Cohort) -> FirstLooks:
    return first_looks(ExactLooks(rows=cohort), Layout.of(cohort.schema))


@pytest.fixture(scope="module")
def ground(looks: FirstLooks) -> Ground:
    return Ground.of(looks)


def network_of(ground: Ground, *, stray: float = 0.05) -> Network:
    network = Network(ground, public(3, "test"))
    weights = weights_of(network)
    set_weights(network, weights + stray * public(4, "test").normal(size=len(weights)))
    return network


def decoder_of(ground: Ground) -> EventDecoder:
    decoder = network_of(ground).events
    assert decoder is not None
    return decoder


def sketch_of(ground: Ground, n: int) -> Sketch:
    """Patients of 0 to 11 draws; of each third one, tests with an even place are never measured."""
    level = np.tile(np.arange(ground.tests) % LEVELS, (n, 1))
    level[::3, ::2] = LEVELS
    count = np.arange(n) % 12
    first = np.arange(n) % 40
    return Sketch(
        count=count,
        first=first,
        final=first + 3 * count,
        panel_size=np.full(n, 5.0),
        level=level,
        latent=np.zeros((n, 0)),
    )


@pytest.fixture(scope="module")
def dream(ground: Ground) -> Dream:
    sketch = sketch_of(ground, 90)
    patient = torch.from_numpy(public(5, "test").normal(size=(90, HIDDEN)))
    return dreamt(decoder_of(ground), ground, sketch, patient, public(6, "test"))


def test_draws_follow_the_sketch(dream: Dream, ground: Ground):
    sketch, draws = sketch_of(ground, 90), dream.draws
    assert np.array_equal(draws.per_patient(), sketch.count)
    start = np.flatnonzero(draws.index == 0)
    assert np.array_equal(draws.step[start], sketch.first[draws.owner[start]])
    last = np.append(start[1:], len(draws.owner)) - 1
    several = sketch.count[draws.owner[last]] > 1
    assert np.array_equal(draws.step[last][several], sketch.final[draws.owner[last]][several])


def test_every_draw_holds_a_test_and_none_that_is_never_measured(dream: Dream, ground: Ground):
    assert (dream.draws.bits.sum(axis=1) > 0).all()
    has = sketch_of(ground, 90).level < LEVELS
    assert not (dream.draws.bits & ~has[dream.draws.owner]).any()


def test_bins_exist_and_the_value_before_is_the_one_before(dream: Dream, ground: Ground):
    width = np.array([bins.count for bins in ground.book.tests])
    assert (dream.chains.bin < width[dream.draws.test]).all()
    seen: dict[tuple[int, int], int] = {}
    for owner, test, now, last in zip(
        dream.draws.record_owner, dream.draws.test, dream.chains.bin, dream.chains.last, strict=True
    ):
        assert last == seen.get((owner, test), VALUE_BINS)
        seen[owner, test] = now


def test_patients_who_are_never_measured_have_no_draws(ground: Ground):
    sketch = sketch_of(ground, 30)
    sketch = replace(sketch, level=np.full_like(sketch.level, LEVELS))
    silent = dreamt(decoder_of(ground), ground, sketch, torch.zeros(30, HIDDEN, dtype=torch.float64), public(0, "x"))
    assert len(silent.draws.owner) == 0
    assert silent.draws.patients == 30


def test_the_future_is_not_seen(ground: Ground):
    """Draws of a patient with more to come start as they do in the loss: the state knows the past alone."""
    decoder = decoder_of(ground)
    time = torch.zeros(1, 3, 10, dtype=torch.float64)
    last = torch.full((1, 3, ground.tests), VALUE_BINS)
    previous = torch.zeros(1, 3, ground.tests, dtype=torch.float64)
    patient = torch.zeros(1, HIDDEN, dtype=torch.float64)
    before = decoder.state(patient, time, last, previous)
    later = last.clone()
    later[:, 2] = 3
    after = decoder.state(patient, time, later, previous)
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.equal(before[:, 2], after[:, 2])


def test_a_test_sees_only_earlier_tests_of_its_draw(ground: Ground):
    decoder, tests = decoder_of(ground), ground.tests
    state = torch.zeros(1, 1, HIDDEN, dtype=torch.float64)
    last = torch.full((1, 1, tests), VALUE_BINS)
    nothing = torch.zeros(1, 1, tests, dtype=torch.float64)
    base = decoder.panel_logits(state, nothing, last, nothing)
    for held in (0, 5, tests - 1):
        bits = nothing.clone()
        bits[..., held] = 1.0
        moved = (decoder.panel_logits(state, bits, last, nothing) != base)[0, 0]
        assert not moved[: held + 1].any()
        assert moved[held + 1 :].all()
        link = (decoder.value_link(bits) != 0)[0, 0].reshape(tests, -1)
        assert not link[: held + 1].any()
        assert link[held + 1 :].all()


def test_before_training_a_value_keeps_to_its_level_and_to_the_one_before(ground: Ground):
    network = network_of(ground, stray=0.0)
    assert network.events is not None
    sketch = sketch_of(ground, 300)
    told = torch.zeros(300, HIDDEN, dtype=torch.float64)
    dream = dreamt(network.events, ground, sketch, told, public(1, "x"))
    later = dream.chains.last < VALUE_BINS
    assert np.corrcoef(dream.chains.bin[later], dream.chains.last[later])[0, 1] > 0.5
    level = sketch.level[dream.draws.record_owner, dream.draws.test]
    assert np.corrcoef(dream.chains.bin, level)[0, 1] > 0.5


def test_gaps_at_random_have_the_pace_of_the_draws_to_come(ground: Ground):
    """The base of the gap head is the geometric law with the mean of the time left for each draw."""
    edges, _ = GapHead.edges(ground.book.layout.steps)
    chances = np.exp(ground.gap_base(np.array([100.0, 100.0, 5.0]), np.array([50.0, 4.0, 5.0])))
    assert np.allclose(chances.sum(axis=1), 1.0, atol=0.02)
    middle = (edges[:-1] + edges[1:] - 1) / 2
    assert (chances * middle).sum(axis=1) == pytest.approx([2.0, 25.0, 1.0], rel=0.15)  # a floor of the chances


def test_calibration_brings_the_margins_back(ground: Ground, looks: FirstLooks, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calibration, "DREAMERS", 600)
    network = network_of(ground, stray=0.15)
    before = margins(network, ground)
    calibrate_bases(network, ground, looks, public(8, "test"))
    after = margins(network, ground)
    assert after[0] < 0.6 * before[0]
    assert after[1] < 0.6 * before[1]


def test_calibration_leaves_alone_what_noise_could_have_done(
    ground: Ground, looks: FirstLooks, monkeypatch: pytest.MonkeyPatch
):
    network = network_of(ground)
    assert network.events is not None
    base = [network.row.base.clone(), network.events.value_base.clone()]
    monkeypatch.setattr(calibration, "DREAMERS", 200)
    loud = replace(looks, share_sigma=1e6, record_sigma=1e9)
    calibrate_bases(network, ground, loud, public(8, "test"))
    assert torch.allclose(network.row.base, base[0], atol=1e-3)
    assert torch.allclose(network.events.value_base, base[1], atol=1e-3)


def margins(network: Network, ground: Ground) -> tuple[float, float]:
    """Mean total variation of columns and of values to what is known of them."""
    codes, _, dream = imagined(network, ground, 1000, public(9, "test"))
    assert dream is not None
    columns = [
        np.abs(np.bincount(codes[:, j], minlength=len(share)) / 1000 - share).sum() / 2
        for j, share in enumerate(ground.shares)
    ]
    values = []
    for t, bins in enumerate(ground.book.tests):
        mine = dream.chains.bin[dream.draws.test == t]
        seen = np.bincount(mine, minlength=bins.count) / len(mine)
        values.append(np.abs(seen - bins.mass).sum() / 2)
    return float(np.mean(columns)), float(np.mean(values))
