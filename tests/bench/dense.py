"""Private steps on dense layers alone, where nearly all time goes into gradients."""

from __future__ import annotations

from itertools import pairwise

import torch
from bench.timing import medians, table
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import nn

from privacy.events import SampledGaussian
from synthhealth.generators.bookkeeping import Bookkeeper
from synthhealth.generators.simulator import simulate
from synthhealth.generators.training import Training

PATIENTS, ROUNDS = 1024, 9
TERMS = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "expected_batch_size": PATIENTS, "loss_reduction": "sum"}


class Table(nn.Module):
    """A dense autoencoder of a wide patient table without records."""

    def __init__(self, width: int = 200, hidden: int = 200) -> None:
        super().__init__()
        sizes = [width, hidden, 75, hidden, width]
        self.layers = nn.ModuleList(nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Squared distance of each patient's row [n, width] to what is made of it, [n]."""
        told = x
        for layer in self.layers:
            told = torch.tanh(layer(told))
        return ((told - x) ** 2).sum(dim=1)


def dense() -> str:
    """The same comparison on dense layers alone."""
    torch.manual_seed(0)
    network, x = Table(), torch.randn(PATIENTS, 200, dtype=torch.float64)
    size = sum(one.numel() for one in network.parameters())
    books = Bookkeeper(network)
    room_of = lambda: Training(simulate(PATIENTS, 0), SampledGaussian(noise_multiplier=1.0, sample_rate=1.0, steps=1))  # noqa: E731

    def plain() -> None:
        network.zero_grad()
        network(x).sum().backward()

    def hooks() -> None:
        wrapped = GradSampleModule(network, loss_reduction="sum")
        optimiser = DPOptimizer(torch.optim.SGD(network.parameters(), lr=0.0), **TERMS)
        wrapped(x).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
        wrapped.remove_hooks()

    rooms = iter([room_of() for _ in range(ROUNDS + 1)])
    times = medians(
        {
            "an open step": plain,
            "**the private step**": lambda: next(rooms).step(lambda _: [books.block(x)], size, max_grad_norm=1.0),
            "Opacus as it comes": hooks,
        },
        ROUNDS,
    )
    plainly, private, _ = times.values()
    rows: list[tuple[object, ...]] = [
        (name, f"{seconds:.3f}", f"{seconds / plainly:.2f}", f"{seconds / private:.2f}")
        for name, seconds in times.items()
    ]
    return f"Dense layers alone, {size:,} weights, the same batch without records:\n\n" + table(
        ("step", "seconds", "times an open step", "times the private step"), rows
    )
