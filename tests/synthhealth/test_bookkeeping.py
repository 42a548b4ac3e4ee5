"""Kept gradients are Opacus' per-sample gradients: in length, in every clipped sum, by each way of making them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from audit.stage import people, room_of, silence
from kept_rows import written
from numpy.typing import NDArray
from opacus import GradSampleModule
from torch import nn

from privacy.lattice import KEPT_ERROR, MOST_CANCELLED, clip_factors, clip_rows, safe_norm
from privacy.randomness import public
from synthhealth.encoding.layout import Layout
from synthhealth.generators import layer_parts
from synthhealth.generators.bookkeeping import Block, Bookkeeper
from synthhealth.generators.dpsgd.batch import blocks_of
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.learning import Lesson, patient_gradients
from synthhealth.generators.dpsgd.masked import MaskedLinear
from synthhealth.generators.dpsgd.network import Network, set_weights, weights_of
from synthhealth.generators.first_looks import first_looks
from synthhealth.generators.layer_parts import MOST_PAIRED, Outer, Part, Picks, Rows
from synthhealth.generators.looks import ExactLooks
from synthhealth.generators.simulator import simulate
from synthhealth.generators.training import Training, gradient_rows

Floats = NDArray[np.float64]
Tensor = torch.Tensor
N = 7


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng([seed, *shape]).normal(size=shape))


def filled(layer: nn.Module) -> nn.Module:
    for place, parameter in enumerate(layer.parameters()):
        parameter.data = drawn(*parameter.shape, seed=place + 1)
    return layer


class Scored(nn.Module):
    """One layer, whose outputs become a loss with another slope in every entry."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out = torch.tanh(self.layer(x))
        return (out * drawn(*out.shape, seed=9)).flatten(1).sum(dim=1)


class Doubling(nn.Module):
    """A layer that neither the code nor Opacus has a rule for."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(4, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.scale**2


def linear(inner: int, outer: int, *, bias: bool = True) -> nn.Linear:
    return nn.utils.skip_init(nn.Linear, inner, outer, bias=bias, dtype=torch.float64)


def masked(inner: int, outer: int) -> MaskedLinear:
    return MaskedLinear(torch.ones(outer, inner, dtype=torch.float64).tril(-1))


def table(rows: int) -> nn.Embedding:
    return nn.Embedding(rows, 3, dtype=torch.float64)


def places(rows: int, records: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(records).integers(0, rows, (N, records)))


def opacus_rows(network: nn.Module, *inputs: Tensor) -> Floats:
    """The reference: Opacus' hooks."""
    wrapped = GradSampleModule(network, loss_reduction="sum", strict=False)  # public tables are buffers
    rows: Floats = gradient_rows(wrapped, wrapped(*inputs).sum(), len(inputs[0])).numpy()
    wrapped.remove_hooks()
    return rows


def same(block: Block, rows: Floats) -> None:
    """The block keeps what `rows` says: lengths, each row, and a clipped sum."""
    scale = np.linalg.norm(rows, axis=1).max()
    assert scale > 0.1
    assert np.allclose(written(block), rows, rtol=0, atol=1e-13 * scale)
    assert np.allclose(block.lengths, np.linalg.norm(rows, axis=1), rtol=1e-12, atol=0)
    norm = float(np.median(block.lengths))
    sums = block.weighted(clip_factors(block.lengths, norm)), clip_rows(rows, norm).sum(axis=0)
    assert np.allclose(*sums, rtol=0, atol=1e-13 * len(rows) * norm)


LAYERS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor], type]] = {
    "a row": (lambda: linear(5, 4), lambda: drawn(N, 5), Outer),
    "a row without bias": (lambda: linear(5, 4, bias=False), lambda: drawn(N, 5), Outer),
    "a masked row": (lambda: masked(5, 4), lambda: drawn(N, 5), Outer),
    "one record": (lambda: linear(5, 4), lambda: drawn(N, 1, 5), Outer),
    "few records of a wide layer": (lambda: linear(30, 20), lambda: drawn(N, 6, 30), Outer),
    "few records, no bias": (lambda: linear(30, 20, bias=False), lambda: drawn(N, 6, 30), Outer),
    "many records": (lambda: linear(5, 4), lambda: drawn(N, 40, 5), Rows),
    "many masked records": (lambda: masked(5, 4), lambda: drawn(N, 40, 5), Rows),
    "records in two dimensions": (lambda: linear(3, 2), lambda: drawn(N, 6, 5, 3), Rows),
    "wide, but too many records for pairs": (lambda: linear(90, 90), lambda: drawn(N, MOST_PAIRED + 1, 90), Rows),
    "a small table": (lambda: table(6), lambda: places(6, 40), Rows),
    "a large table": (lambda: table(4000), lambda: places(4000, 3), Picks),
    "a large table, one row picked twice": (lambda: table(4000), lambda: places(2, 5), Picks),
    "a layer that Opacus knows": (lambda: nn.LayerNorm(4, dtype=torch.float64), lambda: drawn(N, 6, 4), Rows),
    "a layer that nobody knows": (Doubling, lambda: drawn(N, 6, 4), Rows),
}


@pytest.mark.filterwarnings("ignore:.*functorch.*")
@pytest.mark.parametrize("name", LAYERS)
def test_every_kind_of_layer_keeps_opacus_gradients(name: str, monkeypatch: pytest.MonkeyPatch):
    make, inputs, way = LAYERS[name]
    network, x = Scored(filled(make())), inputs()
    ways: list[Part] = []
    real = layer_parts.part_of
    monkeypatch.setattr("synthhealth.generators.bookkeeping.part_of", lambda *of: ways.append(real(*of)) or ways[-1])
    same(Bookkeeper(network).block(x), opacus_rows(network, x))
    assert [type(part) for part in ways] == [way]


def test_a_layer_that_is_used_twice_is_measured_once():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared, self.table = filled(linear(30, 30)), filled(table(4000))

        def forward(self, x: Tensor, place: Tensor) -> Tensor:
            told = self.table(place).sum(dim=(1, 2)) + self.table(place + 1).sum(dim=(1, 2)) ** 2
            return torch.tanh(self.shared(torch.tanh(self.shared(x)))).sum(dim=(1, 2)) * told

    network, inputs = Twice(), (drawn(N, 2, 30), places(50, 3))
    same(Bookkeeper(network).block(*inputs), opacus_rows(network, *inputs))


def test_an_idle_layer_has_zeros_in_its_place():
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle, self.used, self.still = linear(2, 1), filled(linear(2, 1)), filled(linear(2, 1))
            self.still.requires_grad_(requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return (self.used(x) + self.still(x))[:, 0]

    block = Bookkeeper(Half()).block(torch.ones(4, 2, dtype=torch.float64))
    assert block.size == 6
    assert np.array_equal(written(block), np.tile([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], (4, 1)))


def test_hooks_are_gone_after_a_block():
    network = Scored(filled(linear(5, 4)))
    Bookkeeper(network).block(drawn(N, 5))
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.filterwarnings("ignore:.*functorch.*")
def test_a_patient_who_is_not_a_number_counts_for_nothing(name: str):
    make, inputs, _ = LAYERS[name]
    x, spoilt = inputs(), torch.zeros(N, dtype=torch.float64)
    spoilt[2] = float("nan")

    class Spoilt(Scored):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (1.0 + spoilt[: len(x)])

    network = Spoilt(filled(make()))
    block = Bookkeeper(network).block(x)
    assert not np.isfinite(block.lengths[2])
    rest = np.delete(np.arange(N), 2)
    total = block.weighted(clip_factors(block.lengths, 1.0))
    wanted = clip_rows(opacus_rows(Scored(network.layer), x), 1.0)[rest].sum(axis=0)
    assert np.allclose(total, wanted, rtol=0, atol=1e-12)


def test_terms_that_cancel_count_for_their_part():
    """Two records of opposite sign: the gradient is nothing, and the sum's rounding is bounded by its terms."""
    network = filled(linear(5, 4))
    into = drawn(3, 5)[:, None].repeat(1, 2, 1)
    into[:, 1] *= -1

    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = linear(5, 4, bias=False)
            self.layer.weight.data = network.weight.data

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).sum(dim=(1, 2))

    block = Bookkeeper(Summed()).block(into)
    assert np.abs(written(block)).max() < 1e-14
    terms = 2 * np.linalg.norm(into[:, 0].numpy(), axis=1) * 2.0  # the gradient that comes back is (1, 1, 1, 1)
    assert np.allclose(block.lengths, terms / MOST_CANCELLED, rtol=1e-12)


def test_nobody_is_a_block_of_nothing():
    network = Scored(filled(linear(5, 4)))
    block = Bookkeeper(network).block(drawn(0, 5))
    assert len(block) == 0
    assert np.array_equal(block.weighted(np.zeros(0)), np.zeros(24))


# --- the autoencoder and the room ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    cohort = simulate(70, 3, cohort_size=70)
    ground = Ground.of(first_looks(ExactLooks(rows=cohort), Layout.of(cohort.schema)))
    network = Network(ground, public(1, "test"))
    weights = weights_of(network)
    set_weights(network, weights + 0.1 * public(2, "test").normal(size=len(weights)))
    return Lesson(network, ground, Encoded.of(cohort, ground), cohort.ids, b"k" * 32)


def hooked(lesson: Lesson, rows: NDArray[np.int64]) -> Floats:
    """Rows of the autoencoder's gradients by Opacus' hooks, in the order of the blocks."""
    blocks = blocks_of(lesson.encoded, rows)
    wrapped = GradSampleModule(lesson.network, loss_reduction="sum", strict=False)  # public tables are buffers
    told = [gradient_rows(wrapped, wrapped(*lesson.inputs(block, 5)).sum(), len(block)).numpy() for block in blocks]
    wrapped.remove_hooks()
    return np.concatenate(told)


def test_the_autoencoders_gradients_are_opacus_gradients(lesson: Lesson):
    rows = np.arange(len(lesson.encoded))
    wanted = hooked(lesson, rows)
    blocks = list(patient_gradients(Bookkeeper(lesson.network), lesson, rows, 5))
    assert np.allclose(np.concatenate([block.lengths for block in blocks]), np.linalg.norm(wanted, axis=1), rtol=1e-12)
    start = 0
    for block in blocks:
        mine = wanted[start : start + len(block)]
        assert np.allclose(written(block), mine, rtol=0, atol=1e-13 * np.abs(mine).max())
        start += len(block)


def test_of_the_autoencoder_only_small_tables_and_long_sums_are_written_down(lesson: Lesson):
    """No patient's gradient of all weights is ever in memory."""
    (block, *_) = patient_gradients(Bookkeeper(lesson.network), lesson, np.arange(60), 5)
    kept = sum(part.layer.weight.numel() for part in block.parts if isinstance(part, Rows))
    assert kept < 0.5 * block.size


def test_a_step_on_kept_gradients_is_the_step_on_opacus_rows(lesson: Lesson):
    size = len(weights_of(lesson.network))
    with silence():
        kept, plain = room_of(people(70)), room_of(people(70))
        books = Bookkeeper(lesson.network)
        got = kept.step(lambda rows: patient_gradients(books, lesson, rows, 5), size, max_grad_norm=1.0)
        wanted = plain.step(lambda rows: [hooked(lesson, rows)], size, max_grad_norm=1.0)
    assert 0 < np.linalg.norm(wanted) <= 70.0
    assert np.linalg.norm(got - wanted) < 1e-12 * np.linalg.norm(wanted)


def test_an_empty_batch_of_kept_gradients_is_noise(lesson: Lesson):
    size, books = 200, Bookkeeper(lesson.network)
    nobody: Training = room_of(people(1).take(np.zeros(0, dtype=np.int64)))
    noise = nobody.step(lambda rows: patient_gradients(books, lesson, rows, 5), size, max_grad_norm=1.0)
    assert noise.shape == (size,)
    assert len(np.unique(noise)) > size / 2


def test_kept_gradients_of_another_size_are_refused(lesson: Lesson):
    books = Bookkeeper(lesson.network)
    with pytest.raises(TypeError, match="sums of 3 numbers"):
        room_of(people(5)).step(lambda rows: patient_gradients(books, lesson, rows, 5), 3, max_grad_norm=1.0)


def test_kept_gradients_of_too_few_patients_are_refused(lesson: Lesson):
    books, size = Bookkeeper(lesson.network), len(weights_of(lesson.network))
    with pytest.raises(TypeError, match="one row a patient"):
        room_of(people(5)).step(lambda rows: patient_gradients(books, lesson, rows[:-1], 5), size, max_grad_norm=1.0)


def test_the_errors_of_kept_sums_are_paid_for():
    plain, kept = safe_norm(1.0, 50_000), safe_norm(1.0, 50_000, row_error=KEPT_ERROR)
    assert 0.98 < kept < plain
