"""The two ways of training the network: noisy clipped sums from the training room, or plain gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from privacy.lattice import KEPT_ERROR, safe_norm
from synthhealth.generators.bookkeeping import Block, Bookkeeper
from synthhealth.generators.crew import Begun, Crew, Dealt, heard
from synthhealth.generators.dpsgd.adam import Adam, rate_at
from synthhealth.generators.dpsgd.batch import Batch, blocks_of
from synthhealth.generators.dpsgd.chance import latent_chance
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.network import LATENT, Network, device_of, gradient_of, set_weights, weights_of
from synthhealth.generators.dpsgd.recipe import Recipe
from synthhealth.generators.protocol import Progress
from synthhealth.generators.training import Room, batch_sum

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
KEY_BYTES = 32


class Lesson:
    """Patients as the network sees them: losses and gradients of a batch, patient by patient, where the network is.

    Privacy: internal only.
    """

    def __init__(
        self, network: Network, ground: Ground, encoded: Encoded, ids: NDArray[np.object_], key: bytes
    ) -> None:
        self.network, self.ground, self.encoded, self.ids, self.key = network, ground, encoded, ids, key

    def inputs(self, block: Places, step: int) -> tuple[Batch, torch.Tensor]:
        """The patients at `block` as tensors, and each one's own chance in this step."""
        chance, device = latent_chance(self.key, self.ids[block], step=step, size=LATENT), device_of(self.network)
        return Batch.of(self.encoded, block, self.ground).to(device), chance.to(device)


def learn_privately(room: Room, lesson: Lesson, recipe: Recipe, progress: Progress) -> None:
    """Train the lesson's network on the room's noisy sums.

    Privacy: what was paid for when the room was entered; everything after a sum is post-processing.
    """
    crew = Crew.joined()
    books = Bookkeeper(lesson.network)
    crew.deal([None, *(_task(room, lesson, recipe, crew, rank) for rank in range(1, crew.size))])
    lesson.network.to(recipe.device)

    def noisy(step: int, size: int) -> Floats:
        def gradients(rows: Places) -> Iterator[Block]:
            return patient_gradients(books, lesson, rows, step)

        crew.begin(step, weights_of(lesson.network))
        return room.step(gradients, size, max_grad_norm=recipe.max_grad_norm)

    _descend(lesson.network, noisy, recipe, progress)
    lesson.network.to("cpu")


@dataclass(frozen=True, slots=True)
class Task:
    """What another process needs for its part of the steps: its patients, the public rate, and the norm to clip to.

    Privacy: internal only.
    """

    lesson: Lesson
    rate: float
    norm: float


def assist() -> None:
    """Be one of the other processes of a run: answer each step with a clipped sum, until there is no further one.

    Privacy: internal only; the leader adds the noise before anything is used.
    """
    crew, task = Crew.joined(), None
    for word in heard():
        match word:
            case Dealt(part=Task() as part):
                task = part
            case Begun(step=step, weights=weights) if task is not None:
                crew.added(_clipped_part(task, step, weights))


def _clipped_part(task: Task, step: int, weights: Floats) -> Floats:
    books = Bookkeeper(task.lesson.network)
    set_weights(task.lesson.network, weights)

    def gradients(rows: Places) -> Iterator[Block]:
        return patient_gradients(books, task.lesson, rows, step)

    everybody = np.arange(len(task.lesson.encoded))
    return batch_sum(gradients, everybody, len(weights), rate=task.rate, norm=task.norm)


def _task(room: Room, lesson: Lesson, recipe: Recipe, crew: Crew, rank: int) -> Task:
    rows = crew.part(rank, len(lesson.encoded))
    own = Lesson(lesson.network, lesson.ground, lesson.encoded.take(rows), lesson.ids[rows], lesson.key)
    norm = safe_norm(recipe.max_grad_norm, len(weights_of(lesson.network)), row_error=KEPT_ERROR)
    return Task(own, room.event.sample_rate, norm)


def patient_gradients(books: Bookkeeper, lesson: Lesson, rows: Places, step: int) -> Iterator[Block]:
    """Blocks of gradients of the patients at `rows`, each of the patient's own loss.

    Privacy: internal only.
    """
    for block in blocks_of(lesson.encoded, rows):
        yield books.block(*lesson.inputs(block, step))


def learn_openly(lesson: Lesson, recipe: Recipe, rng: np.random.Generator, progress: Progress) -> None:
    """Train the lesson's network on plain sums over shuffled batches: no clipping, no noise, no promise.

    Privacy: internal only; outside every guarantee.
    """
    lesson.network.to(recipe.device)
    batch, n = round(recipe.expected_batch), len(lesson.encoded)
    passes = 1 + recipe.steps * batch // max(1, n)
    order = np.concatenate([rng.permutation(n) for _ in range(passes)])

    def plain(step: int, size: int) -> Floats:
        total = np.zeros(size)
        for block in blocks_of(lesson.encoded, np.sort(order[step * batch : (step + 1) * batch])):
            lesson.network.zero_grad()
            losses = lesson.network(*lesson.inputs(block, step))
            losses.sum().backward()
            total += gradient_of(lesson.network)
        return total

    _descend(lesson.network, plain, recipe, progress)
    lesson.network.to("cpu")


def _descend(network: Network, summed: Callable[[int, int], Floats], recipe: Recipe, progress: Progress) -> None:
    """Adam on the sums of all steps; ends at the mean of the weights over the tail of them."""
    weights = weights_of(network)
    adam, tail = Adam.start(len(weights)), np.zeros_like(weights)
    first = recipe.steps - max(1, round(recipe.tail * recipe.steps))
    for step in range(recipe.steps):
        adam = adam.seen(summed(step, len(weights)) / recipe.expected_batch)
        weights = weights - rate_at(step, recipe.steps, recipe.rate) * adam.direction
        set_weights(network, weights)
        tail += weights * (step >= first)
        progress("steps", step + 1, recipe.steps)
    set_weights(network, tail / (recipe.steps - first))
