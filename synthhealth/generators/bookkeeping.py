"""Book-keeping clipping: per-patient norms and clipped sums of gradients from what enters and leaves each layer.

Bu, Wang, Zha and Karypis (2023), "Differentially private optimization on large model at small
cost": one backward pass gives the gradient of every layer's output; norms and the clipped sum are
made of these and of the layer's inputs, and no row of all parameters is ever written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.linalg import vector_norm

from privacy.lattice import MOST_CANCELLED
from synthhealth.generators.layer_parts import Part, part_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a layer in a forward pass: what went in, and what came out with its history."""

    layer: nn.Module
    inputs: tuple[torch.Tensor, ...]
    output: torch.Tensor


class Bookkeeper:
    """A network whose per-patient gradients are known by their lengths and their weighted sums alone.

    In every tensor that a layer sees, dimension 0 is the patient, and each patient's loss depends
    on that patient alone. Layers with parameters of their own need a rule in `layer_parts`, or one
    of Opacus' for their gradients.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._layers = [layer for layer in network.modules() if _own(layer)]

    def block(self, *inputs: object) -> Block:
        """The gradients of the patients of `inputs`, of whom the network returns one loss each.

        Privacy: internal only; entry i of the lengths and row i behind the sums are patient i's alone.
        """
        with self._listening() as calls:
            losses = self.network(*inputs)
        returned = backprops(losses, [call.output for call in calls])
        parts = [
            part_of(call.layer, call.inputs, back)
            for call, back in zip(calls, returned, strict=True)
            if back is not None
        ]
        return Block.of(parts, self._layers, len(losses))

    @contextmanager
    def _listening(self) -> Iterator[list[Call]]:
        calls: list[Call] = []

        def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            calls.append(Call(layer, tuple(one.detach() for one in inputs), output))

        handles = [layer.register_forward_hook(note) for layer in self._layers]
        try:
            yield calls
        finally:
            for handle in handles:
                handle.remove()


def backprops(losses: torch.Tensor, outputs: list[torch.Tensor]) -> tuple[torch.Tensor | None, ...]:
    """Gradients of the summed losses [n] by each output; row i of each is of loss i alone, None where there is none."""
    return torch.autograd.grad(losses.sum(), outputs, allow_unused=True)


@dataclass(frozen=True, slots=True)
class Block:
    """Gradients of n patients: `lengths` [n], not finite for a patient whose gradient is not, and their sums.

    A length is never below the 1 / MOST_CANCELLED-th part of the lengths of the terms it is made of,
    so that rounding in sums of terms that cancel stays bounded; see privacy-argument.md, section 6.
    """

    lengths: Floats
    parts: tuple[Part, ...]
    layers: tuple[nn.Module, ...]

    @staticmethod
    def of(parts: list[Part], layers: list[nn.Module], patients: int) -> Block:
        """The block of these parts; uses of one layer are added before their length is taken."""
        by_layer = _joined(parts)
        none = (torch.zeros(patients, dtype=torch.float64, device=_device(layers)),) * 2
        told = [none, *(part.measured() for part in by_layer)]
        length, path = (vector_norm(torch.stack(column), dim=0) for column in zip(*told, strict=True))
        lengths = torch.maximum(length, path / MOST_CANCELLED)
        lost = ~torch.isfinite(lengths)
        if bool(lost.any()):
            by_layer = [part.without(lost) for part in by_layer]
        return Block(lengths.cpu().numpy(), tuple(by_layer), tuple(layers))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def size(self) -> int:
        """How many numbers a gradient has."""
        return sum(parameter.numel() for layer in self.layers for parameter in _own(layer))

    def weighted(self, factors: Floats) -> Floats:
        """The sum of the patients' gradients, each times its factor [n], shape [size], in the parameters' order."""
        by = torch.from_numpy(factors).to(_device(self.layers))
        told = {part.layer: part.weighted(by) for part in self.parts}
        pieces = [piece for layer in self.layers for piece in told.get(layer, _nothing(layer))]
        return np.concatenate([piece.reshape(-1).cpu().numpy() for piece in pieces])


def _own(layer: nn.Module) -> list[nn.Parameter]:
    """The learnt parameters that are the layer's own, in their order."""
    return [parameter for parameter in layer.parameters(recurse=False) if parameter.requires_grad]


def _device(layers: Sequence[nn.Module]) -> torch.device:
    """Where the layers are, all of them in one place."""
    return next(layers[0].parameters()).device


def _nothing(layer: nn.Module) -> list[torch.Tensor]:
    return [torch.zeros(parameter.shape, dtype=torch.float64) for parameter in _own(layer)]


def _joined(parts: list[Part]) -> list[Part]:
    """One part a layer; a layer that was used more than once has its rows written down and added."""
    joined: dict[nn.Module, Part] = {}
    for part in parts:
        known = joined.get(part.layer)
        joined[part.layer] = part if known is None else known.rows().plus(part.rows())
    return list(joined.values())
