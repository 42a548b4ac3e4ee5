"""Canaries in the training room: patients whose gradients lie in parameters of their own, and what the noise lets show.

One run tells of as many coins as there are canaries (Nasr et al. 2023; Steinke, Nasr and
Jagielski 2023): each canary is in the data with probability 1/2 and would move one coordinate
of each noisy sum that nobody else touches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from torch import nn

from privacy.cohort import Cohort, Records
from privacy.events import SampledGaussian
from privacy.randomness import public
from synthhealth.generators.training import Gradients, Kept, Room, gradient_rows

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
STRENGTH = 8.0  # how many times the clip norm a canary's gradient is, for its row and again for each of its records
OVER_THE_CAP = 3  # a heavy canary brings so many times the records that a patient may have
PLANTED = 3  # the positive control: one coin decides on so many patients at once
BLOCK = 64
_PREFIX = "canary-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flock:
    """m canaries: `inside` [m] whether each is in the data, `copies` how many patients it is if so.

    Every other canary is record-heavy: if its records were clipped apart, it would show.
    """

    inside: NDArray[np.bool_]
    copies: int = 1

    @staticmethod
    def of(canaries: int, seed: int, *, copies: int = 1) -> Flock:
        """`canaries` fair coins, the same for the same `seed`.

        Privacy: free; there is no real row.
        """
        return Flock(inside=public(seed, "audit", "coins").random(canaries) < 0.5, copies=copies)  # noqa: PLR2004  # a fair coin

    def __len__(self) -> int:
        return len(self.inside)

    @property
    def heavy(self) -> NDArray[np.bool_]:
        """Which canaries are record-heavy, shape [m]."""
        return np.asarray(np.arange(len(self)) % 2 == 1)

    def among(self, cohort: Cohort) -> Cohort:
        """`cohort` with the canaries that are inside, as patients of its schema behind its own.

        Privacy: free; for cohorts that are simulated.
        """
        canary = np.repeat(np.flatnonzero(self.inside), self.copies)
        patients = cohort.patients.iloc[np.concatenate([np.arange(len(cohort)), np.arange(len(canary)) % len(cohort)])]
        names = [f"{_PREFIX}{number}-{place}" for place, number in enumerate(canary)]
        ids = np.concatenate([cohort.ids, np.array(names, dtype=object)])
        heavy = len(cohort) + np.flatnonzero(self.heavy[canary])
        return Cohort(
            schema=cohort.schema,
            patients=patients.reset_index(drop=True).assign(patient_id=ids),
            records=_piled(cohort, heavy),
        )

    def of_rows(self, cohort: Cohort) -> Places:
        """Which canary each patient of `cohort` is, -1 for those who are none, shape [n]."""
        return np.array(
            [int(one.split("-")[1]) if one.startswith(_PREFIX) else -1 for one in cohort.ids], dtype=np.int64
        )


def _piled(cohort: Cohort, heavy: Places) -> Records:
    """The cohort's records, and for each patient of `heavy` more than the cap allows."""
    schema, old = cohort.schema, cohort.records
    tests = list(schema.tests.values())
    count = OVER_THE_CAP * schema.privacy_unit.max_records if tests else 0
    owner = np.repeat(heavy, count)
    place = np.tile(np.arange(count), len(heavy))
    test = place % max(len(tests), 1)
    low = np.array([one.bounds[0] for one in tests])
    time = schema.times.cut(np.full(len(owner), schema.privacy_unit.window[0], dtype=np.float64))
    return Records.sorted(
        owner=np.concatenate([old.owner, owner]),
        time=np.concatenate([old.time, time]),
        test=np.concatenate([old.test, test]),
        value=np.concatenate([old.value, low[test] if tests else np.zeros(0)]),
    )


class Marks(nn.Module):
    """One parameter a canary, which no other patient's loss touches."""

    def __init__(self, canaries: int) -> None:
        super().__init__()
        self.mark = nn.utils.skip_init(nn.Embedding, canaries, 1, dtype=torch.float64)  # type: ignore[no-untyped-call]
        nn.init.zeros_(self.mark.weight)

    def forward(self, canary: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Each canary's loss, shape [n]: its mark once for each of its rows, from `canary` and `weight` [n, rows]."""
        loss: torch.Tensor = (self.mark(canary)[..., 0] * weight).sum(dim=1)
        return loss


class CanaryRoom:
    """A training room with canaries: the engine's gradients and theirs go through the same step.

    The engine gets back its own part of each noisy sum; the canaries' part is scored and kept.
    """

    def __init__(self, room: Room, flock: Flock) -> None:
        self._room, self._flock = room, flock
        self._canary = flock.of_rows(room.rows)
        self._weight = 1 + room.rows.records_per_patient()
        self._marks = GradSampleModule(Marks(len(flock)), loss_reduction="sum")
        self._scores = np.zeros(len(flock))

    @property
    def rows(self) -> Cohort:
        """The rows of the room."""
        return self._room.rows

    @property
    def event(self) -> SampledGaussian:
        """What the room's steps cost together."""
        return self._room.event

    def step(self, gradients: Gradients, size: int, *, max_grad_norm: float) -> Floats:
        """A step of the room on `size` parameters and the canaries' marks; returns the part of the former."""

        def both(batch: Places) -> Iterator[Floats | Kept]:
            marked = self._canary[batch] >= 0
            for block in gradients(batch[~marked]):
                yield _longer(block, len(self._flock))
            for start in range(0, int(marked.sum()), BLOCK):
                marks = self._gradients(batch[marked][start : start + BLOCK], STRENGTH * max_grad_norm)
                yield np.pad(marks, ((0, 0), (size, 0)))

        total = self._room.step(both, size + len(self._flock), max_grad_norm=max_grad_norm)
        self._scores += log_odds(total[size:] / max_grad_norm, self.event)
        return total[:size]

    def scores(self) -> Floats:
        """How much each canary looks as if it were in, shape [m]: the log likelihood ratio of all steps so far."""
        return self._scores.copy()

    def _gradients(self, rows: Places, strength: float) -> Floats:
        """The canaries' own gradients [rows, m], made by the same call that the engines use."""
        records = self._weight[rows]
        weight = strength * (np.arange(records.max()) < records[:, None])
        canary = np.broadcast_to(self._canary[rows][:, None], weight.shape)
        losses = self._marks(torch.from_numpy(canary.copy()), torch.from_numpy(weight))
        marks: Floats = gradient_rows(self._marks, losses.sum(), len(rows)).numpy()
        return marks


@dataclass(frozen=True, slots=True)
class Longer:
    """Kept gradients, with `marks` numbers of zero behind each."""

    kept: Kept
    marks: int

    @property
    def lengths(self) -> Floats:
        """As they were."""
        return self.kept.lengths

    @property
    def size(self) -> int:
        """The gradient's own numbers and the marks."""
        return self.kept.size + self.marks

    def weighted(self, factors: Floats) -> Floats:
        """The sum, and zeros."""
        return np.pad(self.kept.weighted(factors), (0, self.marks))


def _longer(block: Floats | Kept, marks: int) -> Floats | Kept:
    return np.pad(block, ((0, 0), (0, marks))) if isinstance(block, np.ndarray) else Longer(block, marks)


def log_odds(seen: Floats, event: SampledGaussian) -> Floats:
    """Log likelihood ratio of a step's coordinates `seen`, in clip norms, with and without a canary in the data.

    With it they are (1 - rate) N(0, s^2) + rate N(1, s^2), without it N(0, s^2), s the noise multiplier.
    """
    shift = (2.0 * seen - 1.0) / (2.0 * event.noise_multiplier**2)
    if event.sample_rate >= 1:
        return shift
    return np.asarray(np.logaddexp(np.log1p(-event.sample_rate), np.log(event.sample_rate) + shift))
