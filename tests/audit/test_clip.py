"""One patient's weight: whatever the rows hold, no release moves by more than its charge says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from audit.stage import Floats, looked_up, people, room_of, silence
from scipy.sparse import csr_matrix
from small_world import EXTREMES, gate_of, without
from torch import nn

from privacy.cohort import Cohort
from privacy.events import DiscreteGaussian, Gaussian
from privacy.lattice import KEPT_ERROR, lattice_step, safe_norm
from privacy.mechanisms import noisy_histograms, noisy_second_moments, noisy_sums
from synthhealth.generators.bookkeeping import Bookkeeper

N, SIZE, NORM, KINDS = 5, 6, 0.5, 5


def rows_of(kind: int) -> Floats:
    """One row a patient: small, large, and with every extreme that a float can be."""
    chance = np.random.default_rng(kind)
    rows = chance.normal(size=(N, SIZE)) * 10.0 ** chance.integers(-3, 6, (N, 1))
    if kind > 0:
        rows[chance.random((N, SIZE)) < 0.3] = chance.choice(EXTREMES)
    return rows


def block_of(rows: Floats, block: Cohort) -> Floats:
    return rows[[int(str(one)[1:]) for one in block.ids]].reshape(len(block), SIZE)


def moved(release, rows: Floats) -> Floats:  # noqa: ANN001
    """By how much the release without noise moves with each patient, in L2, shape [N]."""
    with silence():
        whole = release(everybody(), rows)
        return np.array([np.linalg.norm(whole - release(all_but(gone), rows)) for gone in range(N)])


@cache
def everybody() -> Cohort:
    return people(N)


@cache
def all_but(gone: int) -> Cohort:
    return without(everybody(), gone)


def step(cohort: Cohort, rows: Floats) -> Floats:
    table = block_of(rows, cohort)
    return room_of(cohort).step(looked_up(table), SIZE, max_grad_norm=NORM)


def sums(cohort: Cohort, rows: Floats) -> Floats:
    gate = gate_of(cohort, {"x": Gaussian(noise_multiplier=1.0)})
    return noisy_sums(gate, "x", lambda block: csr_matrix(block_of(rows, block)), max_norm=NORM).values


def moments(cohort: Cohort, rows: Floats) -> Floats:
    gate = gate_of(cohort, {"x": Gaussian(noise_multiplier=1.0)})
    weights = np.triu(np.full((SIZE, SIZE), 2.0), 1)
    found = noisy_second_moments(
        gate, "x", lambda block: block_of(rows, block), weights=weights + weights.T, max_norm=NORM
    )
    return 2.0 * found.values[np.triu_indices(SIZE, 1)]


def histogram(cohort: Cohort, rows: Floats) -> Floats:
    gate = gate_of(cohort, {"x": DiscreteGaussian(sigma=3.0, count=2)})
    return noisy_histograms(gate, "x", lambda block: csr_matrix(block_of(rows, block))).values


def test_one_patient_moves_a_step_by_at_most_the_norm():
    """The lattice's share of the norm is left free, since the lattice itself is silenced here."""
    for kind in range(KINDS):
        assert moved(step, rows_of(kind)).max() <= NORM - np.sqrt(SIZE) * lattice_step(NORM, SIZE)
    assert moved(step, rows_of(0)).max() > 0.99 * safe_norm(NORM, SIZE)


class Told(nn.Module):
    """A patient seen once, and as records: layers of each kind, with a slope that grows from patient to patient."""

    def __init__(self) -> None:
        super().__init__()
        self.once = nn.Linear(3, 4, dtype=torch.float64)
        self.often = nn.Linear(2, 4, dtype=torch.float64)
        self.table = nn.Embedding(5, 4, dtype=torch.float64)
        for parameter in self.parameters():
            parameter.data = torch.linspace(-1.0, 1.0, parameter.numel(), dtype=torch.float64).reshape(parameter.shape)

    def forward(self, number: torch.Tensor) -> torch.Tensor:
        place = number[:, None] + torch.arange(6.0, dtype=torch.float64)
        records = torch.tanh(self.often(torch.stack([torch.sin(place), place], dim=2)) + self.table(place.long() % 5))
        told = torch.tanh(self.once(torch.stack([number, torch.cos(number), torch.ones_like(number)], dim=1)))
        return (records.sum(dim=1) + told).sum(dim=1) * 10.0 ** (number - 2)


def kept_step(cohort: Cohort, _rows: Floats) -> Floats:
    books = Bookkeeper(Told())
    numbers = np.array([float(str(one)[1:]) for one in cohort.ids])
    kept = books.block(torch.from_numpy(numbers))
    return room_of(cohort).step(lambda _: [kept], kept.size, max_grad_norm=NORM)


def test_one_patient_moves_a_step_of_kept_gradients_by_at_most_the_norm():
    size = sum(parameter.numel() for parameter in Told().parameters())
    apart = moved(kept_step, rows_of(0))
    assert apart.max() <= NORM - np.sqrt(size) * lattice_step(NORM, size)
    assert apart.max() > 0.99 * safe_norm(NORM, size, row_error=KEPT_ERROR)
    assert apart.min() < 0.99 * NORM  # one is short enough to stay as it is


def test_one_patient_moves_sums_by_at_most_the_norm():
    for kind in range(KINDS):
        assert moved(sums, rows_of(kind)).max() <= NORM * (1 + 1e-12)
    assert moved(sums, rows_of(0)).max() > 0.99 * NORM


def test_one_patient_moves_moments_by_at_most_the_norm():
    for kind in range(KINDS):
        assert moved(moments, rows_of(kind)).max() <= NORM * (1 + 1e-12)


def test_one_patient_moves_a_histogram_by_as_many_cells_as_were_charged():
    for kind in range(KINDS):
        assert moved(histogram, rows_of(kind)).max() <= np.sqrt(2) + 1e-12
    assert moved(histogram, rows_of(0)).max() == pytest.approx(np.sqrt(2))


def test_a_patient_who_is_not_a_number_counts_for_nothing():
    rows = rows_of(0)
    for bad in (np.nan, np.inf, -np.inf):
        rows[2, 1] = bad
        for release in (step, sums):
            assert moved(release, rows)[2] == 0.0


def test_rows_that_are_not_one_a_patient_are_refused():
    """Records as rows of their own would each be clipped to the norm, and a patient would weigh as many norms."""
    with pytest.raises(TypeError, match="patient"):
        room_of(people(3)).step(lambda rows: [np.ones((2 * len(rows), SIZE))], SIZE, max_grad_norm=NORM)
