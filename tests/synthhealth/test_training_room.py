"""The training room: paid steps, clipped rows, patients who do not touch each other, noise at its scale."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from opacus import GradSampleModule
from scipy.stats import binom
from small_world import EXTREMES, cohort_of, gate_of, noise_fits, without
from torch import nn

from privacy.cohort import Cohort
from privacy.errors import BudgetError, ConfigError
from privacy.events import Event, Gaussian, SampledGaussian
from privacy.lattice import KEPT_ERROR, clip_rows, lattice_step, private_sum, safe_norm
from synthhealth.generators import training as room_module
from synthhealth.generators.training import Training, gradient_rows

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
FULL = SampledGaussian(noise_multiplier=2.0, sample_rate=1.0, steps=3)


def people(n: int) -> Cohort:
    return cohort_of([(f"p{i}", i % 2, 40.0 + i, 1) for i in range(n)])


def room_of(cohort: Cohort, event: Event = FULL) -> Training:
    return Training.enter(gate_of(cohort, {"training": event}), "training")


def fixed(table: Floats) -> room_module.Gradients:
    """Gradients that are looked up in a table of one row a patient."""
    return lambda rows: [table[rows]]


@pytest.fixture
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room without noise and without the lattice: what a step would release before it is made private."""

    def as_it_is(total: Floats, *, max_norm: float, noise_multiplier: float) -> Floats:
        del max_norm, noise_multiplier
        return total

    monkeypatch.setattr(room_module, "private_sum", as_it_is)


# --- the price -------------------------------------------------------------------------------------------------


def test_entering_spends_the_charge_once():
    gate = gate_of(people(3), {"training": FULL})
    Training.enter(gate, "training")
    assert [entry.charge.name for entry in gate.ledger.entries] == ["training"]
    with pytest.raises(BudgetError, match="must be spent once"):
        Training.enter(gate, "training")


def test_another_event_is_refused_before_it_is_paid():
    gate = gate_of(people(3), {"training": Gaussian(noise_multiplier=1.0)})
    with pytest.raises(ConfigError, match="must be a SampledGaussian"):
        Training.enter(gate, "training")
    assert gate.ledger.entries == ()


def test_no_step_more_than_was_paid_for():
    room = room_of(people(3))
    for _ in range(FULL.steps):
        room.step(fixed(np.ones((3, 4))), 4, max_grad_norm=1.0)
    with pytest.raises(BudgetError, match="must be at most the 3 that were paid for"):
        room.step(fixed(np.ones((3, 4))), 4, max_grad_norm=1.0)


def test_a_step_that_breaks_off_has_been_taken():
    room = room_of(people(3))

    def broken(_: Places) -> Iterable[Floats]:
        raise RuntimeError

    for _ in range(FULL.steps):
        with pytest.raises(RuntimeError):
            room.step(broken, 4, max_grad_norm=1.0)
    with pytest.raises(BudgetError):
        room.step(broken, 4, max_grad_norm=1.0)


# --- the clip --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_silent")
@settings(max_examples=60)
@given(
    data=st.data(),
    n=st.integers(1, 6),
    size=st.integers(1, 5),
    norm=st.sampled_from([1e-3, 1.0, 50.0]),
)
def test_one_patient_moves_the_sum_by_at_most_the_norm(data: st.DataObject, n: int, size: int, norm: float):
    """Whatever the gradients are, with and without each patient; the lattice's share is left free."""
    numbers = st.one_of(st.sampled_from(EXTREMES), st.floats(-10, 10))
    table = np.array(data.draw(st.lists(st.lists(numbers, min_size=size, max_size=size), min_size=n, max_size=n)))
    everybody = people(n)
    whole = room_of(everybody).step(fixed(table), size, max_grad_norm=norm)
    room_left = norm - np.sqrt(size) * lattice_step(norm, size)
    for gone in range(n):
        rest = np.delete(table, gone, axis=0)
        less = room_of(without(everybody, gone)).step(fixed(rest), size, max_grad_norm=norm)
        assert np.linalg.norm(whole - less) <= room_left


def test_the_lattice_does_not_undo_the_clip():
    """With noise held still, the rounded sums of neighbours are at most the norm apart."""
    size, norm = 400, 1.0
    row = np.full((1, size), 1e6)
    clipped = clip_rows(row, safe_norm(norm, size)).sum(axis=0)
    step = lattice_step(norm, size)
    rounding = np.sqrt(size) * step
    assert np.linalg.norm(np.rint(clipped / step) * step) <= norm
    assert np.linalg.norm(clipped) + rounding <= norm


@pytest.mark.usefixtures("_silent")
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_row_that_is_not_finite_counts_for_nothing(bad: float):
    table = np.array([[3.0, 4.0], [bad, 1.0], [0.3, 0.4]])
    got = room_of(people(3)).step(fixed(table), 2, max_grad_norm=1.0)
    without_it = np.array([0.6, 0.8]) * safe_norm(1.0, 2, row_error=KEPT_ERROR) + [0.3, 0.4]
    assert np.allclose(got, without_it, rtol=1e-12)


@pytest.mark.usefixtures("_silent")
def test_without_noise_and_with_an_endless_norm_a_step_is_the_plain_sum():
    table = np.random.default_rng(0).normal(size=(7, 5)) * 100
    got = room_of(people(7)).step(fixed(table), 5, max_grad_norm=1e9)
    assert np.allclose(got, table.sum(axis=0), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    "gradients",
    [
        lambda rows: [np.ones((len(rows), 4)), np.ones((len(rows), 4))],  # two rows a patient, each clipped alone
        lambda rows: [np.ones((len(rows) - 1, 4))],
        lambda rows: [np.ones((len(rows), 3))],
        lambda rows: [np.ones(4 * len(rows))],
    ],
)
def test_rows_that_are_not_one_a_patient_are_refused(gradients: room_module.Gradients):
    with pytest.raises(TypeError, match="patient") as refused:
        room_of(people(5)).step(gradients, 4, max_grad_norm=1.0)
    assert "5" not in str(refused.value)


# --- the noise -------------------------------------------------------------------------------------------------


def test_an_empty_batch_gives_noise_alone():
    rare = SampledGaussian(noise_multiplier=2.0, sample_rate=1e-12, steps=1)
    seen = []

    def gradients(rows: Places) -> Iterable[Floats]:
        seen.append(len(rows))
        return [np.full((len(rows), 20_000), 1e9)]

    noise = room_of(people(5), rare).step(gradients, 20_000, max_grad_norm=0.5)
    assert seen == [0]
    assert noise_fits(noise, 2.0 * 0.5)


def test_a_cohort_of_nobody_gives_noise_alone():
    nobody = people(1).take(np.zeros(0, dtype=np.int64))
    noise = room_of(nobody).step(lambda _: (), 20_000, max_grad_norm=1.0)
    assert noise_fits(noise, 2.0)


def test_the_noise_has_its_scale_and_not_two_percent_less_or_more():
    size = 200_000
    noise = room_of(people(4)).step(fixed(np.zeros((4, size))), size, max_grad_norm=3.0)
    assert noise_fits(noise, 6.0)
    assert not noise_fits(noise, 6.0 * 0.98)
    assert not noise_fits(noise, 6.0 * 1.02)


def test_no_two_steps_share_their_noise():
    room = room_of(people(2))
    first, second = (room.step(fixed(np.zeros((2, 1000))), 1000, max_grad_norm=1.0) for _ in range(2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2
    assert not np.array_equal(first, second)


def test_batches_are_poisson_samples():
    """Each patient is in with the rate, alone; sizes vary as a binomial and are not fixed by shuffling."""
    n, rate, steps = 200, 0.3, 300
    room = room_of(people(n), SampledGaussian(noise_multiplier=5.0, sample_rate=rate, steps=steps))
    batches: list[Places] = []

    def gradients(rows: Places) -> Iterable[Floats]:
        batches.append(rows)
        return [np.zeros((len(rows), 1))]

    for _ in range(steps):
        room.step(gradients, 1, max_grad_norm=1.0)
    sizes = np.array([len(batch) for batch in batches])
    times = np.bincount(np.concatenate(batches), minlength=n)
    low, high = binom.ppf(1e-8, steps, rate), binom.isf(1e-8, steps, rate)
    assert times.min() >= low
    assert times.max() <= high
    expected = n * rate * (1 - rate)
    assert 0.6 * expected < sizes.var() < 1.5 * expected
    assert all(len(np.unique(batch)) == len(batch) for batch in batches)


def test_a_rate_of_one_takes_everybody():
    seen: list[int] = []

    def gradients(rows: Places) -> Iterable[Floats]:
        seen.extend(rows.tolist())
        return [np.zeros((len(rows), 1))]

    room_of(people(6)).step(gradients, 1, max_grad_norm=1.0)
    assert seen == list(range(6))


def test_the_released_sum_lies_on_the_lattice():
    released = private_sum(np.full(7, 0.3), max_norm=1.0, noise_multiplier=1.0)
    cells = released / lattice_step(1.0, 7)
    assert np.array_equal(cells, np.rint(cells))


# --- per-patient gradients ----------------------------------------------------------------------------------------


class Bag(nn.Module):
    """A patient is a set of records: mean of embedded records, then a logit; the loss is the patient's own."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Embedding(5, 3, dtype=torch.float64)
        self.record = nn.Linear(2, 3, dtype=torch.float64)
        self.out = nn.Linear(3, 1, dtype=torch.float64)
        for place, parameter in enumerate(self.parameters()):
            drawn = np.random.default_rng(place).normal(size=tuple(parameter.shape))
            parameter.data.copy_(torch.from_numpy(drawn))

    def forward(self, codes: torch.Tensor, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        told = torch.tanh(self.record(values) + self.code(codes)) * mask[..., None]
        pooled = told.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1.0)
        return nn.functional.softplus(self.out(pooled))[:, 0]


def bags(n: int, longest: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = np.random.default_rng(n)
    mask = np.arange(longest) < np.arange(n)[:, None] % (longest + 1)
    values = chance.normal(size=(n, longest, 2)) * mask[..., None]
    codes = chance.integers(0, 5, (n, longest)) * mask
    return torch.from_numpy(codes), torch.from_numpy(values), torch.from_numpy(mask.astype(np.float64))


def rows_of(model: GradSampleModule, batch: tuple[torch.Tensor, ...]) -> Floats:
    rows: Floats = gradient_rows(model, model(*batch).sum(), len(batch[0])).numpy()
    return rows


def by_hand(batch: tuple[torch.Tensor, ...]) -> Floats:
    """One patient after the other through plain autograd."""
    rows = []
    for i in range(len(batch[0])):
        plain = Bag()
        plain(*(part[i : i + 1] for part in batch)).sum().backward()
        rows.append(np.concatenate([parameter.grad.numpy().ravel() for parameter in plain.parameters()]))
    return np.stack(rows)


def test_rows_equal_plain_gradients_patient_by_patient():
    batch = bags(9, 4)
    rows = rows_of(GradSampleModule(Bag(), loss_reduction="sum"), batch)
    assert rows.dtype == np.float64
    assert np.allclose(rows, by_hand(batch), rtol=1e-12, atol=1e-13)
    assert np.abs(rows).max() > 0.01


def test_a_row_does_not_depend_on_who_else_is_there():
    model, batch = GradSampleModule(Bag(), loss_reduction="sum"), bags(12, 4)
    together = rows_of(model, batch)
    for some in ([3], [3, 11], [11, 4, 3], [0, 1, 2, 3]):
        rows = rows_of(model, tuple(part[some] for part in batch))
        assert np.allclose(rows, together[some], rtol=1e-12, atol=1e-13)


def test_gradients_do_not_pile_up_from_batch_to_batch():
    model, batch = GradSampleModule(Bag(), loss_reduction="sum"), bags(5, 4)
    first = rows_of(model, batch)
    assert np.array_equal(rows_of(model, batch), first)


def test_an_untouched_parameter_has_zero_rows():
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Linear(2, 1, dtype=torch.float64)
            self.idle = nn.Linear(2, 1, dtype=torch.float64)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)[:, 0]

    model = GradSampleModule(Half(), loss_reduction="sum")
    rows = gradient_rows(model, model(torch.ones(4, 2, dtype=torch.float64)).sum(), 4).numpy()
    assert rows.shape == (4, 6)
    assert np.array_equal(rows, np.tile([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], (4, 1)))


@pytest.mark.usefixtures("_silent")
def test_a_private_step_without_noise_is_plain_training():
    """Zero noise and an endless norm leave nothing but the gradient of the summed loss."""
    batch = bags(8, 4)
    model = GradSampleModule(Bag(), loss_reduction="sum")

    def gradients(rows: Places) -> Iterable[Floats]:
        chosen = tuple(part[torch.from_numpy(rows)] for part in batch)
        yield rows_of(model, chosen)

    plain = Bag()
    plain(*batch).sum().backward()
    wanted = np.concatenate([parameter.grad.numpy().ravel() for parameter in plain.parameters()])
    got = room_of(people(8)).step(gradients, len(wanted), max_grad_norm=1e9)
    assert np.allclose(got, wanted, rtol=1e-10, atol=1e-10)
