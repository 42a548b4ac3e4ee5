"""The noise of every release: its scale, fresh each time, out of nobody's seed, and on the lattice."""

from __future__ import annotations

import random

import numpy as np
import torch
from audit.stage import FULL, Floats, looked_up, people, room_of
from scipy.sparse import csr_matrix
from small_world import gate_of, noise_fits

from privacy.cohort import Cohort
from privacy.contributions import LATTICE
from privacy.events import DiscreteGaussian, Event, Gaussian
from privacy.lattice import lattice_step
from privacy.mechanisms import noisy_histograms, noisy_second_moments, noisy_sums

NORM = 0.5
CELLS = 60_000
SCORES = 350  # 61,075 pairs


def of_a_step(size: int = CELLS) -> Floats:
    return room_of(people(3)).step(looked_up(np.zeros((3, size))), size, max_grad_norm=NORM)


def of_sums(size: int = CELLS) -> Floats:
    return noisy_sums(_gate(Gaussian(noise_multiplier=2.0)), "x", _nothing(size), max_norm=NORM).values


def of_a_histogram(size: int = CELLS) -> Floats:
    return noisy_histograms(_gate(Gaussian(noise_multiplier=30.0)), "x", _nothing(size)).values


def of_a_discrete_histogram(size: int = 4_000) -> Floats:
    return noisy_histograms(_gate(DiscreteGaussian(sigma=30.0)), "x", _nothing(size)).values


def of_moments(scores: int = SCORES) -> Floats:
    weights = np.triu(np.ones((scores, scores)), 1)
    found = noisy_second_moments(
        _gate(Gaussian(noise_multiplier=2.0)),
        "x",
        lambda block: np.zeros((len(block), scores)),
        weights=weights + weights.T,
        max_norm=NORM,
    )
    values: Floats = found.values[np.triu_indices(scores, 1)]
    return values


def _gate(event: Event):  # noqa: ANN202
    return gate_of(people(3), {"x": event})


def _nothing(size: int):  # noqa: ANN202
    return lambda block: csr_matrix((len(block), size))


def assert_has_scale(noise: Floats, sigma: float) -> None:
    """The scale is told from one that is 3 % off; the statistical error is 1e-6."""
    assert noise_fits(noise, sigma)
    assert not noise_fits(noise, 0.97 * sigma)
    assert not noise_fits(noise, 1.03 * sigma)


def test_a_steps_noise_has_its_scale():
    assert_has_scale(of_a_step(), 2.0 * NORM)


def test_the_noise_of_sums_has_its_scale():
    assert_has_scale(of_sums(), 2.0 * NORM)


def test_the_noise_of_moments_has_its_scale():
    assert_has_scale(of_moments(), 2.0 * NORM)


def test_the_noise_of_histograms_has_its_scale():
    noise = of_a_histogram() + np.random.default_rng(0).uniform(-0.5, 0.5, CELLS)  # whole numbers, spread out
    assert_has_scale(noise, 30.0)
    discrete = of_a_discrete_histogram()
    assert noise_fits(discrete + np.random.default_rng(0).uniform(-0.5, 0.5, len(discrete)), 30.0)
    assert not noise_fits(discrete, 27.0)


def test_no_two_releases_share_their_noise():
    for release in (of_a_step, of_sums, of_a_histogram):
        one, other = release(4_000), release(4_000)
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.09
    room = room_of(people(2))
    steps = [room.step(looked_up(np.zeros((2, 4_000))), 4_000, max_grad_norm=NORM) for _ in range(3)]
    correlation = np.corrcoef(steps) - np.eye(3)
    assert np.abs(correlation).max() < 0.09


def test_no_seed_brings_the_same_noise_again():
    """Every generator that a seed can steer is put back to its start; the noise must not follow."""
    told = []
    for _ in range(2):
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002  # the state that must have no say
        torch.manual_seed(0)
        releases = (of_a_step(200), of_sums(200), of_a_histogram(200), of_moments(15))
        told.append(np.concatenate([values / values.std() for values in releases]))
    assert abs(np.corrcoef(told)[0, 1]) < 0.3
    assert np.mean(told[0] == told[1]) < 0.1


def test_what_is_released_lies_on_a_lattice_that_rows_do_not_move():
    """Low bits of a float tell of the sum under the noise (Mironov 2012); on a lattice there are none."""
    chance = np.random.default_rng(1)
    rows = chance.normal(size=(3, 400))

    def query(block: Cohort) -> csr_matrix:
        return csr_matrix(rows[: len(block)])

    def scores(block: Cohort) -> Floats:
        return rows[: len(block), :20]

    step = room_of(people(3)).step(looked_up(rows), 400, max_grad_norm=NORM)
    sums = noisy_sums(_gate(Gaussian(noise_multiplier=2.0)), "x", query, max_norm=NORM).values
    weights = np.triu(np.ones((20, 20)), 1)
    moments = noisy_second_moments(
        _gate(Gaussian(noise_multiplier=2.0)), "x", scores, weights=weights + weights.T, max_norm=NORM
    ).values[np.triu_indices(20, 1)]
    grids = (
        (step, lattice_step(NORM, 400)),
        (sums, NORM / LATTICE),
        (moments, lattice_step(NORM, 190)),
        (of_a_histogram(400), 1.0),
    )
    for released, grid in grids:
        cells = released / grid
        assert np.abs(cells - np.rint(cells)).max() < 1e-6
    assert FULL.noise_multiplier * NORM > 100 * lattice_step(NORM, 400)
