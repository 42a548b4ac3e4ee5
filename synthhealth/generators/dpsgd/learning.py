"""The two ways of training the network: noisy clipped sums from the training room, or plain gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from opacus import GradSampleModule

from privacy.randomness import secret_bytes
from synthhealth.generators.dpsgd.adam import Adam, rate_at
from synthhealth.generators.dpsgd.batch import Batch, blocks_of
from synthhealth.generators.dpsgd.chance import latent_chance
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.network import LATENT, Network, set_weights, weights_of
from synthhealth.generators.protocol import Progress
from synthhealth.generators.training import Training, gradient_rows

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a training needs besides noise; all of it public and fixed before a row is read.

    `rate` is Adam's, `max_grad_norm` the bound on one patient's gradient, `expected_batch` the
    public divisor of the sums; weights are averaged over the last `tail` part of the steps.
    """

    steps: int
    rate: float
    max_grad_norm: float
    expected_batch: float
    tail: float = 0.3


class Lesson:
    """Patients as the network sees them: losses and gradients of a batch, patient by patient.

    Privacy: internal only.
    """

    def __init__(self, network: Network, ground: Ground, encoded: Encoded, ids: NDArray[np.object_], key: bytes) -> None:
        self.network, self.ground, self.encoded, self.ids, self.key = network, ground, encoded, ids, key
        self.wrapped = GradSampleModule(network, loss_reduction="sum")

    def gradients(self, rows: Places, step: int) -> Iterator[Floats]:
        """Blocks of per-patient gradients [patients, weights] of the patients at `rows`."""
        for block in blocks_of(self.encoded, rows):
            chance = latent_chance(self.key, self.ids[block], step=step, size=LATENT)
            losses = self.wrapped(Batch.of(self.encoded, block, self.ground), chance)
            yield gradient_rows(self.wrapped, losses.sum(), len(block)).numpy()


def learn_privately(room: Training, lesson: Lesson, recipe: Recipe, progress: Progress) -> None:
    """Train the lesson's network on the room's noisy sums.

    Privacy: what was paid for when the room was entered; everything after a sum is post-processing.
    """
    weights = weights_of(lesson.network)
    adam, tail = Adam.start(len(weights)), np.zeros_like(weights)
    first = recipe.steps - max(1, round(recipe.tail * recipe.steps))
    for step in range(recipe.steps):
        noisy = room.step(
            lambda rows, now=step: lesson.gradients(rows, now), len(weights), max_grad_norm=recipe.max_grad_norm
        )
        adam = adam.seen(noisy / recipe.expected_batch)
        weights = weights - rate_at(step, recipe.steps, recipe.rate) * adam.direction
        set_weights(lesson.network, weights)
        tail += weights * (step >= first)
        progress("private steps", step + 1, recipe.steps)
    set_weights(lesson.network, tail / (recipe.steps - first))
