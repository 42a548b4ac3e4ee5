"""Processes that train together: each draws lots for its own patients, clipped sums are added up, noise comes once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
_STOP, _DEAL = -1, -2
_PATIENCE = timedelta(days=1)  # tables are read, and histograms made, by the leader alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The `size` processes that `torchrun` has started, of which this is number `rank`; number 0 leads.

    The leader alone reads the tables, holds the ledger, adds noise and writes. The others get
    patients' numbers from it, answer each step with one clipped sum, and keep nothing.
    """

    rank: int = 0
    size: int = 1

    @staticmethod
    def joined() -> Crew:
        """The crew that the environment names, of one where it names none; talks over gloo."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return Crew()
        from torch import distributed  # a plan knows of crews, and torch takes seconds to import

        if not distributed.is_initialized():
            distributed.init_process_group("gloo", timeout=_PATIENCE)
        return Crew(rank=distributed.get_rank(), size=size)

    def mine(self, patients: int) -> Places:
        """The rows of this process among `patients` rows; each row is in one process."""
        return self.part(self.rank, patients)

    def part(self, rank: int, patients: int) -> Places:
        """The rows of process `rank`."""
        return np.arange(rank, patients, self.size)

    def added(self, total: Floats) -> Floats:
        """The sum of all processes' totals, shape as `total`; the leader's answer, nothing of use in the others.

        Privacy: internal only; a clipped sum without noise.
        """
        if self.size == 1:
            return total
        import torch
        from torch import distributed

        table = torch.from_numpy(total.copy())
        distributed.reduce(table, dst=0)
        return table.numpy()

    def deal(self, parts: Sequence[object]) -> None:
        """The leader hands each process its part, the first of which is its own.

        Privacy: internal only; parts hold patients, and go from process to process of one run.
        """
        if self.size > 1:
            from torch import distributed

            _say(_DEAL, 0)
            distributed.scatter_object_list([None], list(parts), src=0)

    def begin(self, step: int, weights: Floats) -> None:
        """The leader lets all processes take step number `step` at `weights`."""
        if self.size > 1:
            import torch
            from torch import distributed

            _say(step, len(weights))
            distributed.broadcast(torch.from_numpy(weights.copy()), src=0)


@contextmanager
def leading() -> Iterator[None]:
    """Lead the crew for the length of a `with` block; whatever happens in it, the others are let go at its end."""
    crew = Crew.joined()
    try:
        yield
    finally:
        if crew.size > 1:
            from torch import distributed

            _say(_STOP, 0)
            distributed.destroy_process_group()


@dataclass(frozen=True, slots=True)
class Dealt:
    """The leader has dealt `part` to this process."""

    part: object


@dataclass(frozen=True, slots=True)
class Begun:
    """The leader takes step number `step` at `weights`."""

    step: int
    weights: Floats


def heard() -> Iterator[Dealt | Begun]:
    """What the leader says to this process, until it lets it go."""
    import torch
    from torch import distributed

    while True:
        header = torch.zeros(2, dtype=torch.int64)
        distributed.broadcast(header, src=0)
        word, size = header.tolist()
        if word == _STOP:
            distributed.destroy_process_group()
            return
        if word == _DEAL:
            box: list[object] = [None]
            distributed.scatter_object_list(box, None, src=0)
            yield Dealt(box[0])
        else:
            weights = torch.zeros(size, dtype=torch.float64)
            distributed.broadcast(weights, src=0)
            yield Begun(word, weights.numpy())


def _say(word: int, size: int) -> None:
    import torch
    from torch import distributed

    distributed.broadcast(torch.tensor([word, size]), src=0)
