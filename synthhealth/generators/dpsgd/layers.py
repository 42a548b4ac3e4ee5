"""Layers in double precision whose weights come from a public stream of chance, never from torch's own."""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer in float64, not yet initialised."""
    with warnings.catch_warnings():
        # a table of columns with one level each has no scores to read
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias, dtype=torch.float64)  # type: ignore[no-untyped-call]
    return layer


def embedding(rows: int, width: int) -> nn.Embedding:
    """A table of `rows` vectors in float64, not yet initialised."""
    zeros = torch.zeros(rows, width, dtype=torch.float64)
    table: nn.Embedding = nn.Embedding.from_pretrained(zeros, freeze=False)  # type: ignore[no-untyped-call]
    return table


def fixed(values: NDArray[np.float64]) -> nn.Parameter:
    """Numbers of the network that no gradient moves: they are known from noisy histograms."""
    return nn.Parameter(torch.from_numpy(values.copy()), requires_grad=False)


def public_tables(module: nn.Module, **tables: torch.Tensor) -> None:
    """Hang public tensors on the module by name, so that they go along to its device and are in no saved state."""
    for name, table in tables.items():
        module.register_buffer(name, table, persistent=False)


def initialise(network: nn.Module, outputs: frozenset[str], rng: np.random.Generator) -> None:
    """Weights of standard deviation 1 / sqrt(inputs), in the order of their names; zero for biases and `outputs`.

    `outputs` names the layers that end in logits: they start at zero, so that the network starts
    at the base rates.
    """
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            if not parameter.requires_grad:
                continue
            layer = name.rsplit(".", 1)[0]
            drawn = rng.normal(size=tuple(parameter.shape))
            if parameter.dim() == 1 or layer in outputs:
                drawn = np.zeros_like(drawn)
            parameter.copy_(torch.from_numpy(drawn / math.sqrt(parameter.shape[-1])))
