"""Waking and sleeping: a step is one that was paid for, moves the decoder to the patients, and bounds each of them."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from learnt_parts import STEPS, dreamt_by, heads_of, room_for, seen, shaken, sketch_of
from numpy.typing import NDArray

from privacy.errors import BudgetError
from synthhealth.generators import training as room_module
from synthhealth.generators.events.dream import Heads, Sketch
from synthhealth.generators.events.panel_moments import panel_prior, weights_of
from synthhealth.generators.events.panels import PanelHead
from synthhealth.generators.vae.encoder import Encoder, asleep, loading_curvature, surprises
from synthhealth.generators.vae.episodes import Batches, Episodes
from synthhealth.generators.vae.wake import EventDecoder, panel_step, patient_gradients

Floats = NDArray[np.float64]
WIDTH = np.array([12, 2, 5])


pytestmark = pytest.mark.usefixtures("one_thread")


def world(n: int, *, latent: int = 1, scale: float = 0.5) -> tuple[Heads, Heads, Sketch, np.random.Generator]:
    """Heads that stand for the truth, blank ones, and sketches that both dream on."""
    rng = np.random.default_rng(11)
    true = heads_of(WIDTH, 30, rng, latent=latent, scale=scale)
    return true, replace(true, panels=PanelHead.blank(true.panels.order, latent)), sketch_of(n, true, rng), rng


def likelihood(heads: Heads, episodes: Episodes) -> float:
    decoder = EventDecoder(heads, ties=False)
    with torch.no_grad():
        batch = Batches(episodes, heads, ties=False).of(np.arange(episodes.draws.patients))
        return -float(decoder(batch)) / episodes.draws.patients


def test_a_step_is_one_of_those_that_were_paid_for():
    true, blank, sketch, rng = world(40)
    real, room, heads, belief = dreamt_by(true, sketch, rng), room_for(40), blank, panel_prior(blank)
    for _ in range(STEPS):
        heads, belief = panel_step(room, heads, seen(real), dreamt_by(heads, sketch, rng), belief, patients=40.0)
    with pytest.raises(BudgetError, match="that were paid for"):
        panel_step(room, heads, seen(real), dreamt_by(heads, sketch, rng), belief, patients=40.0)


def test_a_step_clips_every_patient_to_the_norm_that_its_noise_is_measured_in(monkeypatch: pytest.MonkeyPatch):
    true, blank, sketch, rng = world(40)
    real, dreamt = dreamt_by(true, sketch, rng), dreamt_by(blank, sketch, rng)
    released: list[tuple[Floats, float]] = []

    def overheard(total: Floats, *, max_norm: float, noise_multiplier: float) -> Floats:
        assert noise_multiplier == 2.0
        released.append((total, max_norm))
        return total

    monkeypatch.setattr(room_module, "private_sum", overheard)
    panel_step(room_for(40), blank, seen(real), dreamt, panel_prior(blank), patients=40.0)
    rows = patient_gradients(blank, real, ties=False)
    ((total, norm),) = released
    length = np.linalg.norm(rows, axis=1)
    assert (length > norm).any()
    clipped = (rows * np.minimum(1.0, norm / np.maximum(length, 1e-12))[:, None]).sum(axis=0)
    # the room clips a little closer, so that rounding to the lattice stays within the norm
    assert np.linalg.norm(total - clipped) < 0.01 * norm * len(rows)


def test_the_norm_is_read_off_dreams_and_not_off_patients(monkeypatch: pytest.MonkeyPatch):
    true, blank, sketch, rng = world(40)
    dreamt, norms = dreamt_by(blank, sketch, rng), []

    def overheard(total: Floats, *, max_norm: float, noise_multiplier: float) -> Floats:
        del noise_multiplier
        norms.append(max_norm)
        return np.zeros_like(total)

    monkeypatch.setattr(room_module, "private_sum", overheard)
    worlds = dreamt_by(true, sketch, rng), dreamt_by(true, replace(sketch, count=0 * sketch.count), rng)
    moved = [
        panel_step(room_for(40), blank, seen(real), dreamt, panel_prior(blank), patients=40.0)[0] for real in worlds
    ]
    assert norms[0] == norms[1]
    # where the room returns the same, nothing else of the patients comes through
    for t in range(3):
        assert np.array_equal(weights_of(moved[0].panels, t), weights_of(moved[1].panels, t))


@pytest.mark.usefixtures("silent_steps")
def test_steps_without_noise_lead_to_the_patients():
    true, blank, sketch, rng = world(1_200, latent=0)
    real = dreamt_by(true, sketch, rng)
    heads, belief, told = blank, panel_prior(blank), [likelihood(blank, real)]
    room = room_for(1_200, noise=0.1)
    for _ in range(STEPS):
        heads, belief = panel_step(room, heads, seen(real), dreamt_by(heads, sketch, rng), belief, patients=1_200.0)
        belief = tuple(one.faded(0.0) for one in belief)
        told.append(likelihood(heads, real))
    best = likelihood(true, real)
    assert told[-1] > told[0]
    assert best - told[-1] < 0.15 * (best - told[0])


def test_a_step_in_the_dark_stays_where_it_is():
    true, blank, sketch, rng = world(60)
    start = replace(true, panels=shaken(blank.panels, rng))
    heads, _ = panel_step(
        room_for(60, noise=1e4),
        start,
        seen(dreamt_by(true, sketch, rng)),
        dreamt_by(start, sketch, rng),
        panel_prior(start),
        patients=60.0,
    )
    for t in range(3):
        assert np.abs(weights_of(heads.panels, t) - weights_of(start.panels, t)).max() < 0.05


def test_a_step_survives_patients_without_a_draw():
    true, blank, sketch, rng = world(20)
    nothing = replace(sketch, count=0 * sketch.count)
    dreamt = dreamt_by(blank, nothing, rng)
    heads, belief = panel_step(
        room_for(20), blank, seen(dreamt_by(true, nothing, rng)), dreamt, panel_prior(blank), patients=20.0
    )
    for t in range(3):
        assert np.isfinite(weights_of(heads.panels, t)).all()
        assert np.isfinite(belief[t].precision).all()


# --- the encoder --------------------------------------------------------------------------------------------------


def test_surprises_are_counts_beyond_what_was_expected():
    true, _, sketch, rng = world(15)
    episodes = dreamt_by(true, sketch, rng)
    inputs, draws, head = episodes.panels, episodes.draws, true.panels
    found = surprises(episodes, true)
    for patient in range(15):
        mine = np.flatnonzero(draws.owner == patient)
        for t in range(3):
            chance = 1 / (1 + np.exp(-inputs.of_test(t)[mine] @ weights_of(head, t)))
            missed = ((inputs.bits[mine, t] - chance) * inputs.free[mine, t]).sum()
            spread = 1 + (chance * (1 - chance) * inputs.free[mine, t]).sum()
            assert found[patient, t] == pytest.approx(missed / np.sqrt(spread), abs=1e-9)


def test_what_is_encoded_of_a_patient_is_that_patients_alone():
    true, _, sketch, rng = world(15)
    encoder = Encoder(weight=rng.normal(size=(3, 1)))
    episodes = dreamt_by(true, sketch, rng)
    whole = encoder.encode(episodes, true).latent
    for patient in (0, 7):
        mine = episodes.draws.owner == patient
        by_draw = [field.name for field in fields(episodes.panels) if field.name != "order"]
        inputs = replace(episodes.panels, **{name: getattr(episodes.panels, name)[mine] for name in by_draw})
        draws = replace(
            episodes.draws,
            patients=1,
            owner=0 * episodes.draws.owner[mine],
            step=episodes.draws.step[mine],
            index=episodes.draws.index[mine],
            bits=episodes.draws.bits[mine],
        )
        lone = replace(episodes, draws=draws, panels=inputs, latent=episodes.latent[patient : patient + 1])
        assert np.allclose(encoder.encode(lone, true).latent[0], whole[patient], rtol=1e-12, atol=1e-12)


def test_asleep_it_learns_to_read_the_latent():
    rng = np.random.default_rng(3)
    heads = heads_of(WIDTH, 200, rng, latent=1, scale=0.3)
    heads = replace(heads, panels=replace(heads.panels, loading=np.array([[1.5], [-1.5], [1.0]])))
    sketch = sketch_of(2_000, heads, rng)
    sketch = replace(sketch, level=0 * sketch.level)
    encoder = asleep(dreamt_by(heads, sketch, rng), heads)
    fresh = dreamt_by(heads, sketch, rng)
    read = encoder.encode(fresh, heads).latent[:, 0]
    some = sketch.count >= 4
    assert np.corrcoef(read[some], sketch.latent[some, 0])[0, 1] > 0.5
    flat = replace(heads, panels=replace(heads.panels, loading=0 * heads.panels.loading))
    blind = asleep(dreamt_by(flat, sketch, rng), flat).encode(dreamt_by(flat, sketch, rng), flat).latent[:, 0]
    assert abs(np.corrcoef(blind, sketch.latent[:, 0])[0, 1]) < 0.1


def test_a_loadings_curvature_is_the_second_derivative():
    true, _, sketch, rng = world(50, latent=2)
    episodes = dreamt_by(true, sketch, rng)

    def value(t: int, loading: Floats) -> float:
        moved = true.panels.loading.copy()
        moved[t] = loading
        return likelihood(replace(true, panels=replace(true.panels, loading=moved)), episodes)

    step = 1e-4
    for t in range(3):
        bend, now = loading_curvature(episodes, true, t), true.panels.loading[t]
        for i, axis in enumerate(np.eye(2)):
            second = (value(t, now + step * axis) - 2 * value(t, now) + value(t, now - step * axis)) / step**2
            assert -second == pytest.approx(bend[i, i], abs=1e-4)
