"""Who is in a batch: everyone alone, at the public rate, whoever else there is; and nobody in it is no exception."""

from __future__ import annotations

import numpy as np
from audit.stage import Floats, Places, people, room_of
from scipy.stats import binom
from small_world import noise_fits

from privacy.events import SampledGaussian

RATE, STEPS, ALPHA = 0.2, 400, 1e-7


def batches(n: int, rate: float = RATE, steps: int = STEPS) -> list[Places]:
    """The batches of a room with `n` patients."""
    seen: list[Places] = []

    def gradients(rows: Places) -> list[Floats]:
        seen.append(rows)
        return [np.zeros((len(rows), 1))]

    room = room_of(people(n), SampledGaussian(noise_multiplier=5.0, sample_rate=rate, steps=steps))
    for _ in range(steps):
        room.step(gradients, 1, max_grad_norm=1.0)
    return seen


def test_every_patient_is_in_at_the_charged_rate_however_many_there_are():
    for n in (5, 80):
        seen = batches(n)
        times = np.bincount(np.concatenate(seen), minlength=n)
        assert times.min() >= binom.ppf(ALPHA / n, STEPS, RATE)
        assert times.max() <= binom.isf(ALPHA / n, STEPS, RATE)
        total = int(times.sum())
        assert binom.ppf(ALPHA, n * STEPS, RATE) <= total <= binom.isf(ALPHA, n * STEPS, RATE)


def test_sizes_vary_as_those_of_poisson_samples():
    """Shuffled or fixed batches have no such variance: their sizes tell of the number of patients."""
    n = 80
    sizes = np.array([len(batch) for batch in batches(n)])
    expected = n * RATE * (1 - RATE)
    assert 0.6 * expected < sizes.var() < 1.6 * expected


def test_nobody_is_twice_in_a_batch_and_batches_do_not_hang_together():
    seen = batches(80)
    assert all(len(np.unique(batch)) == len(batch) for batch in seen)
    inside = np.array([np.isin(np.arange(80), batch) for batch in seen], dtype=float)
    # under shuffling a patient of one batch is not in the next ones of the same pass
    again = np.mean(inside[1:] * inside[:-1])
    assert abs(again - RATE**2) < 6 * RATE / np.sqrt(80 * STEPS)


def test_an_empty_batch_is_a_step_with_its_noise():
    calls: list[int] = []

    def gradients(rows: Places) -> list[Floats]:
        calls.append(len(rows))
        return [np.full((len(rows), 20_000), 1e9)]

    room = room_of(people(5), SampledGaussian(noise_multiplier=2.0, sample_rate=1e-12, steps=1))
    noise = room.step(gradients, 20_000, max_grad_norm=0.5)
    assert noise_fits(noise, 1.0)
    assert calls in ([0], [])


def test_a_rate_of_one_takes_everybody():
    assert [batch.tolist() for batch in batches(6, rate=1.0, steps=2)] == [list(range(6))] * 2
