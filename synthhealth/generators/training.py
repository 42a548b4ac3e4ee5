"""The training room: a charge is spent, then per-patient gradients are clipped, summed and noised, step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.errors import BudgetError, ConfigError, refusal
from privacy.events import SampledGaussian
from privacy.gate import Gate
from privacy.lattice import KEPT_ERROR, clip_factors, clip_rows, private_sum, safe_norm
from privacy.randomness import poisson_batch
from synthhealth.generators.crew import Crew

if TYPE_CHECKING:  # a plan needs the room's charges, and torch takes seconds to import
    import torch
    from opacus import GradSampleModule
    from torch import nn

Floats = NDArray[np.float64]


class Kept(Protocol):
    """Per-patient gradients of a block that are kept as what they are made of; see `bookkeeping.Block`."""

    @property
    def lengths(self) -> Floats:
        """L2 lengths, one a patient, [patients]; not finite for a gradient that is not."""
        ...

    @property
    def size(self) -> int:
        """How many numbers a gradient has."""
        ...

    def weighted(self, factors: Floats) -> Floats:
        """The sum of the gradients times their factors [patients], shape [size]."""
        ...


Gradients = Callable[[NDArray[np.int64]], Iterable[Floats | Kept]]
"""Given the rows of a batch, gradients in blocks of patients: rows [patients, size], or what is kept of them.

Each patient's gradient is made of that patient alone."""


ALONE = Crew()


class Room(Protocol):
    """Where an engine takes its private steps: the training room, or the audit's, which stands around it."""

    @property
    def rows(self) -> Cohort:
        """The patients.

        Privacy: internal only.
        """
        ...

    @property
    def event(self) -> SampledGaussian:
        """What all steps cost together."""
        ...

    def step(self, gradients: Gradients, size: int, *, max_grad_norm: float) -> Floats:
        """One noisy sum of clipped gradients, shape [size]."""
        ...


class Training:
    """Private gradient steps on the rows behind a gate, as many as were paid for and no more.

    Privacy: `enter` spends the charge; each `step` is one of its noisy sums.
    """

    def __init__(self, rows: Cohort, event: SampledGaussian, crew: Crew = ALONE) -> None:
        self.rows = rows
        self.event = event
        self._left = event.steps
        self._crew = crew

    @staticmethod
    def enter(gate: Gate, name: str, crew: Crew = ALONE) -> Training:
        """Spend the charge `name` and open the rows for its steps, which the processes of `crew` take together.

        Privacy: spends the charge `name`, a SampledGaussian event.
        """
        event = gate.charge(name).event
        if not isinstance(event, SampledGaussian):
            raise ConfigError(
                refusal(
                    what=f"event of charge {name!r}",
                    must="be a SampledGaussian",
                    got=type(event).__name__,
                    fix="plan the training as a SampledGaussian event",
                )
            )
        return Training(gate.open(gate.ledger.spend(name)), event, crew)

    def step(self, gradients: Gradients, size: int, *, max_grad_norm: float) -> Floats:
        """One noisy sum of clipped gradients, shape [size]; an empty batch yields noise alone.

        The batch is a fresh Poisson sample at the event's rate, every patient at rate 1. Raises
        BudgetError when all steps that were paid for have been taken, TypeError when `gradients` does
        not return one row of `size` numbers a patient: more rows would be clipped apart.

        Privacy: internal only until it returns; the result is one of the steps that were paid for.
        """
        if self._left == 0:
            raise BudgetError(
                refusal(
                    what="private steps",
                    must=f"be at most the {self.event.steps} that were paid for",
                    got="one more",
                    fix="plan more steps",
                )
            )
        self._left -= 1
        norm = safe_norm(max_grad_norm, size, row_error=KEPT_ERROR)
        mine = self._crew.mine(len(self.rows))
        total = self._crew.added(batch_sum(gradients, mine, size, rate=self.event.sample_rate, norm=norm))
        return private_sum(total, max_norm=max_grad_norm, noise_multiplier=self.event.noise_multiplier)


def enter_together(gate: Gate, name: str) -> Room:
    """The training room, whose steps all processes of the run take together.

    Privacy: spends the charge `name`.
    """
    return Training.enter(gate, name, Crew.joined())


def batch_sum(gradients: Gradients, rows: NDArray[np.int64], size: int, *, rate: float, norm: float) -> Floats:
    """The sum [size] of the gradients, each clipped to `norm`, of a fresh Poisson sample of the patients at `rows`.

    Every patient is in at rate 1. Raises TypeError when `gradients` does not give one gradient of
    `size` numbers a patient.

    Privacy: internal only.
    """
    batch = rows if rate >= 1 else rows[poisson_batch(len(rows), rate)]
    total, seen = np.zeros(size), 0
    for block in gradients(batch):
        clipped, patients = clipped_sum(block, size, norm)
        total += clipped
        seen += patients
    if seen != len(batch):
        raise TypeError("gradients must come as one row a patient of the batch")
    return total


def clipped_sum(block: Floats | Kept, size: int, norm: float) -> tuple[Floats, int]:
    """The sum [size] of a block's gradients, each clipped to `norm`, and of how many patients they are.

    Raises TypeError for anything but one gradient of `size` float64 numbers a patient.

    Privacy: internal only.
    """
    if isinstance(block, np.ndarray):
        if block.ndim != 2 or block.shape[1] != size or block.dtype != np.float64:  # noqa: PLR2004  # a row a patient
            raise TypeError(f"gradients must come as [patients, {size}] in float64")
        return clip_rows(block, norm).sum(axis=0), len(block)
    if block.size != size or block.lengths.ndim != 1 or block.lengths.dtype != np.float64:
        raise TypeError(f"gradients must be kept as one length a patient in float64, and sums of {size} numbers")
    return block.weighted(clip_factors(block.lengths, norm)), len(block.lengths)


def gradient_rows(model: GradSampleModule, loss: torch.Tensor, patients: int) -> torch.Tensor:
    """Per-patient gradients [patients, parameters] of a summed loss, by Opacus' hooks, in the parameters' order.

    `model` wraps its module with loss_reduction="sum"; every tensor it sees has the patient as
    dimension 0, and each patient's loss depends on that patient alone. Gradients are cleared.
    """
    import torch

    with warnings.catch_warnings():
        # what goes into the first layers is data and takes no gradient; torch warns of that once a layer
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        loss.backward()  # type: ignore[no-untyped-call]
    rows = [_taken(parameter, patients) for parameter in model.parameters() if parameter.requires_grad]
    model.zero_grad(set_to_none=True)
    return torch.cat(rows, dim=1)


def _taken(parameter: nn.Parameter, patients: int) -> torch.Tensor:
    sample = parameter.grad_sample  # type: ignore[attr-defined]
    if sample is None:
        return parameter.new_zeros(patients, parameter.numel())
    rows: torch.Tensor = sample.reshape(patients, -1)
    return rows
