"""A private training step of the autoencoder beside an open one, and beside Opacus' own ways."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from bench.dense import TERMS, dense
from bench.timing import medians, table
from numpy.typing import NDArray
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping
from torch import nn

from privacy.events import SampledGaussian
from privacy.randomness import public
from synthhealth.encoding.layout import Layout
from synthhealth.generators.bookkeeping import Bookkeeper
from synthhealth.generators.dpsgd.adam import Adam
from synthhealth.generators.dpsgd.batch import blocks_of
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.learning import Lesson, patient_gradients
from synthhealth.generators.dpsgd.network import Network, gradient_of, set_weights, weights_of
from synthhealth.generators.first_looks import first_looks
from synthhealth.generators.looks import ExactLooks
from synthhealth.generators.simulator import simulate
from synthhealth.generators.training import Training, gradient_rows

PATIENTS, DRAWN_FROM, WIDTH = 1024, 1140, 64  # the patients with the most records, 64 each on average
ROUNDS, SLOW_ROUNDS = 9, 3
Floats = NDArray[np.float64]
Way = Callable[[], object]


class Deep(nn.Linear):
    """A linear layer over records of records, which Opacus' ghost rule cannot take; its rows are written down."""


GradSampleModule.GRAD_SAMPLERS[Deep] = GradSampleModule.GRAD_SAMPLERS[nn.Linear]


class Stage:
    """One network, one batch, one optimiser for every way of taking a step."""

    def __init__(self) -> None:
        whole = simulate(DRAWN_FROM, 0, cohort_size=DRAWN_FROM)
        heaviest = np.argsort(whole.records_per_patient(), kind="stable")[-PATIENTS:]
        self.cohort = whole.take(np.sort(heaviest))
        ground = Ground.of(first_looks(ExactLooks(rows=self.cohort), Layout.of(self.cohort.schema)))
        self.network = Network(ground, public(1, "bench"), hidden=WIDTH)
        self.lesson = Lesson(self.network, ground, Encoded.of(self.cohort, ground), self.cohort.ids, b"k" * 32)
        self.weights = weights_of(self.network)
        self.everybody = np.arange(PATIENTS)

    def plain(self) -> None:
        """An open step: blocks, summed gradients, Adam."""
        total = np.zeros(len(self.weights))
        for block in blocks_of(self.lesson.encoded, self.everybody):
            self.network.zero_grad()
            self.network(*self.lesson.inputs(block, 0)).sum().backward()
            total += gradient_of(self.network)
        self._move(total)

    def private(self) -> None:
        """The private step as it ships, the room's noise included."""
        books = Bookkeeper(self.network)
        size = len(self.weights)
        self._move(
            _room(self).step(lambda rows: patient_gradients(books, self.lesson, rows, 0), size, max_grad_norm=1.0)
        )

    def hooks_in_blocks(self) -> None:
        """The same room over Opacus' per-sample gradients, in the same blocks."""
        wrapped = GradSampleModule(self.network, loss_reduction="sum", strict=False)  # public tables are buffers
        blocks = blocks_of(self.lesson.encoded, self.everybody)
        rows = (gradient_rows(wrapped, wrapped(*self.lesson.inputs(b, 0)).sum(), len(b)).numpy() for b in blocks)
        self._move(_room(self).step(lambda _: rows, len(self.weights), max_grad_norm=1.0))
        wrapped.remove_hooks()

    def opacus(self) -> None:
        """Opacus as it comes: its hooks over the whole batch, its optimiser's clip, noise and step."""
        wrapped = GradSampleModule(self.network, loss_reduction="sum", strict=False)  # public tables are buffers
        optimiser = DPOptimizer(_adam(self.network), **TERMS)
        wrapped(*self.lesson.inputs(self.everybody, 0)).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
        wrapped.remove_hooks()

    def opacus_ghost(self) -> None:
        """Opacus' ghost clipping over the whole batch: norms, then a second backward pass."""
        habit = self.network.events.habit if self.network.events is not None else None
        if habit is not None:
            habit.__class__ = Deep
        wrapped = GradSampleModuleFastGradientClipping(
            self.network, loss_reduction="sum", max_grad_norm=1.0, use_ghost_clipping=True, strict=False
        )
        optimiser = DPOptimizerFastGradientClipping(_adam(self.network), **TERMS)
        losses = wrapped(*self.lesson.inputs(self.everybody, 0))
        DPTensorFastGradientClipping(wrapped, optimiser, losses, "sum").backward()
        optimiser.step()
        optimiser.zero_grad()
        wrapped.remove_hooks()
        if habit is not None:
            habit.__class__ = nn.Linear

    def _move(self, total: Floats) -> None:
        self.weights = self.weights - 1e-6 * Adam.start(len(total)).seen(total / PATIENTS).direction
        set_weights(self.network, self.weights)


def _adam(network: Network) -> torch.optim.Adam:
    return torch.optim.Adam([one for one in network.parameters() if one.requires_grad], lr=1e-6)


def _room(stage: Stage) -> Training:
    event = SampledGaussian(noise_multiplier=1.0, sample_rate=1.0, steps=1)
    return Training(stage.cohort, event)


def section() -> str:
    """The table of steps, in Markdown."""
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    torch.set_num_threads(1)
    stage = Stage()
    quick = medians({"open": stage.plain, "private": stage.private}, ROUNDS)
    ways = {
        "an open step: no clip, no noise": stage.plain,
        "**the private step**: kept gradients, lattice noise": stage.private,
        "the same room over Opacus' hooks, blocks of 64": stage.hooks_in_blocks,
        "Opacus as it comes: hooks over the whole batch": stage.opacus,
        "Opacus' ghost clipping over the whole batch": stage.opacus_ghost,
    }
    times = medians(ways, SLOW_ROUNDS)
    plain, private = list(times.values())[:2]
    rows: list[tuple[object, ...]] = [
        (name, f"{seconds:.3f}", f"{seconds / plain:.2f}", f"{seconds / private:.2f}")
        for name, seconds in times.items()
    ]
    records = len(stage.cohort.records) / PATIENTS
    return (
        f"{len(stage.weights):,} weights in float64, a batch of {PATIENTS:,} patients with {records:.0f} records "
        f"each, one thread. All ways in turn, medians of {SLOW_ROUNDS} rounds:\n\n"
        + table(("step", "seconds", "times an open step", "times the private step"), rows)
        + f"\nThe first two alone, in turn, medians of {ROUNDS} rounds: the private step takes "
        f"{quick['private'] / quick['open']:.2f} times as long as the open one.\n\n" + dense()
    )


if __name__ == "__main__":
    print(section())
