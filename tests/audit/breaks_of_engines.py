"""Breaks of the engines: patients who touch each other, and looks at rows by another way than a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from audit.breaks_of_looks import behind
from kept_rows import written
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.schema import Number, Schema
from synthhealth.encoding.draws import Draws
from synthhealth.generators import bookkeeping, marginal
from synthhealth.generators.dpsgd import encoder, learning, network
from synthhealth.generators.dpsgd.batch import Batch
from synthhealth.generators.dpsgd.network import Network
from synthhealth.generators.events.dream import Heads
from synthhealth.generators.fitted import Fitted
from synthhealth.generators.marginal import MarginalEngine
from synthhealth.generators.protocol import Model, ModelState, Progress
from synthhealth.generators.training import Gradients, Room, Training
from synthhealth.generators.vae import ties, wake
from synthhealth.generators.vae.episodes import Batch as EpisodeBatch
from synthhealth.generators.vae.episodes import Episodes, Source

Floats = NDArray[np.float64]
Break = Callable[[pytest.MonkeyPatch], None]
Fit = Callable[[MarginalEngine, Gate, Progress], Model]


# --- patients who touch each other --------------------------------------------------------------------------------


def loss_over_the_mask(patch: pytest.MonkeyPatch) -> None:
    """The loss is a mean over all draws of the batch."""
    real = Network.forward

    def forward(self: Network, batch: Batch, chance: torch.Tensor) -> torch.Tensor:
        return real(self, batch, chance) / batch.present.sum().clamp(min=1.0)

    patch.setattr(network.Network, "forward", forward)


def loss_over_the_mask_of_the_vae(patch: pytest.MonkeyPatch) -> None:
    """The same in the panel steps."""
    real = wake.EventDecoder.forward
    patch.setattr(wake.EventDecoder, "forward", lambda self, batch: real(self, batch) / batch.counts.sum().clamp(min=1))


def loss_over_the_mask_of_ties(patch: pytest.MonkeyPatch) -> None:
    """The same in the steps on ties alone."""
    real = wake.EventDecoder.forward

    def forward(self: wake.EventDecoder, batch: EpisodeBatch) -> torch.Tensor:
        loss = real(self, batch)
        return loss if batch.values is None else loss / max(len(batch.values.bin), 1)

    patch.setattr(wake.EventDecoder, "forward", forward)


def mean_reduction(patch: pytest.MonkeyPatch) -> None:
    """The loss is taken for a mean, while it is a sum: what comes back is multiplied by the size of the batch."""
    real = bookkeeping.backprops

    def backprops(losses: torch.Tensor, outputs: list[torch.Tensor]) -> tuple[torch.Tensor | None, ...]:
        return tuple(None if back is None else back * len(losses) for back in real(losses, outputs))

    patch.setattr(bookkeeping, "backprops", backprops)


def batch_statistics(patch: pytest.MonkeyPatch) -> None:
    """The latent is centred over the batch, as batch normalisation does."""
    real = encoder.Encoder.forward

    def forward(self: encoder.Encoder, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        mean, spread = real(self, batch)
        return mean - mean.mean(dim=0), spread

    patch.setattr(encoder.Encoder, "forward", forward)


def shared_chance(patch: pytest.MonkeyPatch) -> None:
    """The latent's chance comes from one stream for the whole batch."""

    def drawn(_key: bytes, ids: NDArray[np.object_], *, step: int, size: int) -> torch.Tensor:
        return torch.from_numpy(np.random.default_rng(step).normal(size=(len(ids), size)))

    patch.setattr(learning, "latent_chance", drawn)


def neighbours_leak(patch: pytest.MonkeyPatch) -> None:
    """A patient's first draw is told what the patient of the row before had last."""

    def previous_bits(self: Draws) -> NDArray[np.bool_]:
        shifted = np.zeros_like(self.bits)
        shifted[1:] = self.bits[:-1]
        return shifted

    patch.setattr(Draws, "previous_bits", previous_bits)


def sums_by_running_total(patch: pytest.MonkeyPatch) -> None:
    """A patient's sums are read off a running total, whose last digits know the patients before."""

    def sums(self: Draws, values: Floats) -> Floats:
        running = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
        stop = np.cumsum(self.per_patient())
        return running[stop] - running[stop - self.per_patient()]

    patch.setattr(Draws, "sums", sums)


# --- ways around the releases --------------------------------------------------------------------------------------


def normaliser_from_rows(patch: pytest.MonkeyPatch) -> None:
    """Sums are divided by the expected batch of the patients who are really there."""
    real = learning.learn_privately

    def learn(room: Room, lesson: learning.Lesson, recipe: learning.Recipe, progress: Progress) -> None:
        real(room, lesson, replace(recipe, expected_batch=max(1.0, room.event.sample_rate * len(room.rows))), progress)

    patch.setattr(learning, "learn_privately", learn)


def steps_from_rows(patch: pytest.MonkeyPatch) -> None:
    """As many steps as the data are long."""
    real = learning.learn_privately

    def learn(room: Room, lesson: learning.Lesson, recipe: learning.Recipe, progress: Progress) -> None:
        real(room, lesson, replace(recipe, steps=max(1, min(recipe.steps, len(room.rows) // 10))), progress)

    patch.setattr(learning, "learn_privately", learn)


class Leaky:
    """A room whose sums are exact in the first `open_` coordinates."""

    def __init__(self, room: Room, open_: int) -> None:
        self.room, self.rows, self.event, self.open = room, room.rows, room.event, open_

    def step(self, gradients: Gradients, size: int, *, max_grad_norm: float) -> Floats:
        noisy = self.room.step(gradients, size, max_grad_norm=max_grad_norm)
        exact = sum(written(block).sum(axis=0) for block in gradients(np.arange(len(self.rows))))
        return np.concatenate([exact[: self.open], noisy[self.open :]])


def decoder_only(patch: pytest.MonkeyPatch) -> None:
    """The encoder learns from plain gradients, since only the decoder is released."""
    real = learning.learn_privately

    def learn(room: Room, lesson: learning.Lesson, recipe: learning.Recipe, progress: Progress) -> None:
        names = [name for name, parameter in lesson.network.named_parameters() if parameter.requires_grad]
        sizes = [parameter.numel() for parameter in network.learnt(lesson.network)]
        encoders = sum(size for name, size in zip(names, sizes, strict=True) if name.startswith("encoder."))
        real(Leaky(room, encoders), lesson, recipe, progress)  # type: ignore[arg-type]

    patch.setattr(learning, "learn_privately", learn)


def norm_from_rows(patch: pytest.MonkeyPatch) -> None:
    """The clip norm is the median length of the real gradients."""
    real = Training.step

    def step(room: Training, gradients: Gradients, size: int, *, max_grad_norm: float) -> Floats:
        del max_grad_norm
        rows = np.concatenate([written(block) for block in gradients(np.arange(len(room.rows)))])
        median = float(np.median(np.linalg.norm(rows, axis=1)))
        return real(room, gradients, size, max_grad_norm=max(median, 1e-3))

    patch.setattr(Training, "step", step)


def ties_from_rows(patch: pytest.MonkeyPatch) -> None:
    """What ties tests together is read off the real gradients, since they are only few numbers."""
    real = ties.private_mean

    def private_mean(
        training: Training, heads: Heads, here: Source, dreamt: Episodes, *, patients: float, ties: bool
    ) -> wake.Sum:
        told = real(training, heads, here, dreamt, patients=patients, ties=ties)
        everybody = here(np.arange(len(training.rows)))
        rows = [wake.patient_gradients(heads, some, ties=ties) for some in everybody]
        return replace(told, mean=np.concatenate(rows).sum(axis=0) / patients)

    patch.setattr(ties, "private_mean", private_mean)


def best_of_eight(patch: pytest.MonkeyPatch) -> None:
    """Of eight models the one is kept that the real patients like best."""

    def choose(real: Fit, engine: MarginalEngine, gate: Gate, progress: Progress) -> Model:
        model = real(engine, gate, progress)
        assert isinstance(model, Fitted)
        age = float(np.nanmean(behind(gate).numbers("age")))
        rivals = [_tilted(model, steep) for steep in np.linspace(-6.0, 6.0, 8)]
        return min(rivals, key=lambda one: abs(float(np.nanmean(one.sample(60, 0).numbers("age"))) - age))

    _instead_of_fit(patch, choose)


def bounds_from_rows(patch: pytest.MonkeyPatch) -> None:
    """Numeric columns reach from the least to the largest value that occurs."""

    def observed(real: Fit, engine: MarginalEngine, gate: Gate, progress: Progress) -> Model:
        return real(replace(engine, schema=_narrowed(engine.schema, behind(gate))), gate, progress)

    _instead_of_fit(patch, observed)


def similarity_filter(patch: pytest.MonkeyPatch) -> None:
    """Synthetic patients who are like a real one are thrown away."""

    def filtered(real: Fit, engine: MarginalEngine, gate: Gate, progress: Progress) -> Model:
        model, ages = real(engine, gate, progress), behind(gate).numbers("age")
        return _Filtered(model, ages)

    _instead_of_fit(patch, filtered)


def number_told(patch: pytest.MonkeyPatch) -> None:
    """The progress bar counts real patients."""

    def told(real: Fit, engine: MarginalEngine, gate: Gate, progress: Progress) -> Model:
        progress("patients", 0, len(behind(gate)))
        return real(engine, gate, progress)

    _instead_of_fit(patch, told)


def unpaid_look(patch: pytest.MonkeyPatch) -> None:
    """One more look at the rows, the result of which is thrown away."""

    def looked(real: Fit, engine: MarginalEngine, gate: Gate, progress: Progress) -> Model:
        behind(gate).numbers("age")
        return real(engine, gate, progress)

    _instead_of_fit(patch, looked)


class _Filtered:
    """A model that draws four times as many patients and keeps those who stand farthest from a real one."""

    def __init__(self, model: Model, ages: NDArray[np.float64]) -> None:
        self.model, self.ages = model, ages

    def sample(self, n: int, seed: int) -> Cohort:
        drawn = self.model.sample(4 * n, seed)
        near = np.abs(drawn.numbers("age")[:, None] - self.ages).min(axis=1)
        return drawn.take(np.argsort(-near, kind="stable")[:n])

    def state(self) -> ModelState:
        return self.model.state()


def _tilted(model: Fitted, steep: float) -> Fitted:
    """The model with older or younger patients: age is its first column."""
    first, *others = model.decoder.bias
    tilt = steep * np.linspace(-1.0, 1.0, len(first))
    return replace(model, decoder=replace(model.decoder, bias=(first + tilt, *others)))


def _narrowed(schema: Schema, rows: Cohort) -> Schema:
    columns = dict(schema.columns)
    for name, column in schema.free_columns.items():
        if isinstance(column, Number):
            values = rows.numbers(name)
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            columns[name] = column.model_copy(update={"low": low, "high": high})
    return schema.model_copy(update={"columns": columns})


def _instead_of_fit(patch: pytest.MonkeyPatch, change: Callable[..., Model]) -> None:
    real = MarginalEngine.fit

    def fit(engine: MarginalEngine, gate: Gate, progress: Progress) -> Model:
        return change(real, engine, gate, progress)

    patch.setattr(marginal.MarginalEngine, "fit", fit)
