"""Ties between a patient's tests: private steps find cross terms and a latent that are there, and none that are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from learnt_parts import dreamt_by, heads_of, room_for, seen, sketch_of
from numpy.typing import NDArray

from privacy.budget import Budget
from privacy.errors import BudgetError
from privacy.events import SampledGaussian
from synthhealth.generators.events.dream import Heads, Sketch
from synthhealth.generators.simulator import simulated_schema
from synthhealth.generators.vae.encoder import asleep
from synthhealth.generators.vae.engine import PANEL_STEPS, TIE_STEPS, VaeEngine
from synthhealth.generators.vae.episodes import Batches
from synthhealth.generators.vae.ties import TieBelief, cross_curvature, tie_step
from synthhealth.generators.vae.wake import EventDecoder, patient_gradients

Floats = NDArray[np.float64]
WIDTH = np.array([12, 12, 12])
CROSS = np.array([[0.0, 0.0, 0.0], [0.8, 0.0, 0.0], [0.0, -0.6, 0.0]])


pytestmark = pytest.mark.usefixtures("one_thread")


def untied(n: int, *, latent: int = 1) -> tuple[Heads, Sketch, np.random.Generator]:
    """Heads without ties, and sketches of patients who may have every test."""
    rng = np.random.default_rng(5)
    heads = heads_of(WIDTH, 30, rng, latent=latent, scale=0.3)
    heads = replace(
        heads,
        panels=replace(heads.panels, loading=np.zeros_like(heads.panels.loading)),
        values=replace(heads.values, cross=np.zeros_like(heads.values.cross)),
    )
    sketch = sketch_of(n, heads, rng)
    return heads, replace(sketch, level=np.minimum(sketch.level, 5)), rng


def with_ties(heads: Heads, *, cross: Floats | None = None, loading: Floats | None = None) -> Heads:
    values = heads.values if cross is None else replace(heads.values, cross=cross)
    panels = heads.panels if loading is None else replace(heads.panels, loading=loading)
    return replace(heads, panels=panels, values=values)


def stepped(
    heads: Heads, true: Heads, sketch: Sketch, rng: np.random.Generator, *, steps: int, noise: float = 0.1
) -> Heads:
    n = len(sketch.count)
    world, room, belief = dreamt_by(true, sketch, rng), room_for(n, noise=noise), TieBelief.of(heads)
    for _ in range(steps):
        # what is real has no latent to be seen
        real = replace(world, latent=0 * world.latent)
        dreamt = dreamt_by(heads, sketch, rng)
        encoder = asleep(dreamt, heads)
        pair = seen(encoder.encode(real, heads)), encoder.encode(dreamt, heads)
        heads, belief = tie_step(room, heads, *pair, belief, patients=float(n))
    return heads


@pytest.mark.usefixtures("silent_steps")
def test_cross_terms_that_are_there_are_found():
    heads, sketch, rng = untied(1_500)
    found = stepped(heads, with_ties(heads, cross=CROSS), sketch, rng, steps=3).values.cross
    assert np.abs(found - CROSS).max() < 0.3
    assert found[1, 0] > 0.5
    assert found[2, 1] < -0.3


@pytest.mark.usefixtures("silent_steps")
def test_without_ties_none_are_learnt():
    heads, sketch, rng = untied(1_500)
    found = stepped(heads, heads, sketch, rng, steps=2)
    assert np.abs(found.values.cross).max() < 0.25
    assert np.abs(found.panels.loading).max() < 0.25


@pytest.mark.usefixtures("silent_steps")
def test_a_latent_that_is_there_is_found():
    heads, sketch, rng = untied(1_500)
    sketch = replace(sketch, count=np.full(1_500, 12), final=np.full(1_500, 29), first=np.zeros(1_500, dtype=np.int64))
    truth = np.array([[1.2], [-1.2], [0.8]])
    start = with_ties(heads, loading=np.array([[0.15], [-0.1], [0.05]]))
    found = stepped(start, with_ties(heads, loading=truth), sketch, rng, steps=3).panels.loading
    cosine = float(found[:, 0] @ truth[:, 0]) / np.linalg.norm(found) / np.linalg.norm(truth)
    assert abs(cosine) > 0.8
    assert np.linalg.norm(found) > 2 * np.linalg.norm(start.panels.loading)


def test_in_the_dark_nothing_is_tied():
    heads, sketch, rng = untied(60)
    found = stepped(heads, with_ties(heads, cross=CROSS), sketch, rng, steps=1, noise=1e5)
    assert np.abs(found.values.cross).max() < 0.05
    assert np.abs(found.panels.loading).max() < 0.05


def test_a_step_is_one_of_those_that_were_paid_for():
    heads, sketch, rng = untied(40)
    with pytest.raises(BudgetError, match="that were paid for"):
        stepped(heads, heads, sketch, rng, steps=4)


def test_a_tie_gradient_is_the_ties_part_of_the_whole():
    """Whatever else takes a gradient, by torch alone."""
    heads, sketch, rng = untied(30, latent=2)
    heads = with_ties(heads, cross=CROSS, loading=rng.normal(size=(3, 2)))
    episodes = dreamt_by(heads, sketch, rng)
    decoder = EventDecoder(heads, ties=True).requires_grad_(True)  # torch's own
    decoder(Batches(episodes, heads, ties=True).of(np.arange(30))).backward()
    assert decoder.cross is not None
    assert decoder.panel.bits.grad is not None
    told = patient_gradients(heads, episodes, ties=True).sum(axis=0)
    wanted = torch.cat([decoder.panel.loading.grad.ravel(), decoder.cross.cross.grad.ravel()])
    assert np.allclose(told, -wanted.numpy(), atol=1e-9)
    assert np.abs(told).max() > 0


def test_a_cross_terms_curvature_is_the_second_derivative():
    heads, sketch, rng = untied(50)
    episodes = dreamt_by(heads, sketch, rng)
    batch = Batches(episodes, heads, ties=True).of(np.arange(50))

    def value(t: int, s: int, at: float) -> float:
        cross = np.zeros((3, 3))
        cross[t, s] = at
        with torch.no_grad():
            return -float(EventDecoder(with_ties(heads, cross=cross), ties=True)(batch)) / 50

    bends, step = cross_curvature(episodes, heads), 1e-3
    assert [bend.shape for bend in bends] == [(0, 0), (1, 1), (2, 2)]
    for t in (1, 2):
        for s in range(t):
            second = (value(t, s, step) - 2 * value(t, s, 0.0) + value(t, s, -step)) / step**2
            assert -second == pytest.approx(bends[t][s, s], abs=1e-4)


def test_where_noise_would_cover_ties_nothing_is_spent_on_them():
    schema = simulated_schema(5_000)
    steps = []
    for epsilon in (1.0, 8.0):
        engine = VaeEngine.of(schema, Budget(epsilon=epsilon, delta=1e-6), 5_000, 0)
        event = engine.charges(1.0)[-1].event
        assert isinstance(event, SampledGaussian)
        steps.append(event.steps)
        assert engine.tie_steps == event.steps - PANEL_STEPS
    assert steps == [PANEL_STEPS, PANEL_STEPS + TIE_STEPS]
