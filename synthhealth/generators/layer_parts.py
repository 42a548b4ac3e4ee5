"""What each kind of layer tells of per-patient gradients: their lengths and weighted sums, by the cheaper way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from opacus import GradSampleModule
from opacus.grad_sample.embedding_norm_sample import compute_embedding_norm_sample
from opacus.grad_sample.functorch import ft_compute_per_sample_gradient, prepare_layer
from torch import nn
from torch.linalg import vector_norm

from synthhealth.generators.dpsgd.masked import MaskedLinear

Tensor = torch.Tensor
MOST_PAIRED = 32  # records a patient for which the Gram form's rounding is bounded, and pays
WIDEST_PAIRED = 1024


class Part(Protocol):
    """The per-patient gradients of one layer for n patients."""

    @property
    def layer(self) -> nn.Module:
        """Whose parameters they are for."""
        ...

    def measured(self) -> tuple[Tensor, Tensor]:
        """L2 lengths [n], and the lengths of all terms that a patient's gradient is the sum of, added up, [n]."""
        ...

    def weighted(self, factors: Tensor) -> list[Tensor]:
        """Sums over patients, each times its factor [n], one tensor a parameter."""
        ...

    def without(self, lost: Tensor) -> Part:
        """The same with zeros for the patients where `lost` [n]."""
        ...

    def rows(self) -> Rows:
        """The gradients themselves."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Gradients written down, [n, ..] a parameter: where that is cheaper than to go without, or no rule is known."""

    layer: nn.Module
    tables: tuple[Tensor, ...]
    path: Tensor | None = None

    def measured(self) -> tuple[Tensor, Tensor]:
        """From the rows; a row whose terms are not known counts as one."""
        length = _joint([vector_norm(flat, dim=1) for flat in self._flat()])
        return length, length if self.path is None else self.path

    def weighted(self, factors: Tensor) -> list[Tensor]:
        """One product a parameter."""
        pairs = zip(self._flat(), self.tables, strict=True)
        return [(factors @ flat).reshape(table.shape[1:]) for flat, table in pairs]

    def without(self, lost: Tensor) -> Rows:
        """Rows of the lost become zero."""
        tables = tuple(_cleared(table, lost) for table in self.tables)
        return Rows(self.layer, tables, None if self.path is None else _cleared(self.path, lost))

    def rows(self) -> Rows:
        """Themselves."""
        return self

    def plus(self, other: Rows) -> Rows:
        """The rows of two uses of a layer."""
        tables = tuple(one + two for one, two in zip(self.tables, other.tables, strict=True))
        return Rows(self.layer, tables, self.measured()[1] + other.measured()[1])

    def _flat(self) -> list[Tensor]:
        return [table.reshape(len(table), -1) for table in self.tables]


@dataclass(frozen=True, slots=True)
class Outer:
    """A linear layer's gradients as sums over records k of b_k a_k^T, under a mask if there is one, never written down.

    `into` [n, K, in] went in, `back` [n, K, out] came back; K is 1 or at most MOST_PAIRED.
    """

    layer: nn.Linear | MaskedLinear
    into: Tensor
    back: Tensor

    def measured(self) -> tuple[Tensor, Tensor]:
        """|a| |b| for one record, else the Gram form sum_kl (a_k.a_l)(b_k.b_l); a bias is an input of 1."""
        if isinstance(self.layer, MaskedLinear):
            length = ((self.back[:, 0] ** 2) @ self.layer.mask * self.into[:, 0] ** 2).sum(dim=1).sqrt()
            return length, length
        path = _path(self.into, self.back, bias=self.layer.bias is not None)
        if self.into.shape[1] == 1:
            return path, path
        pairs = torch.bmm(self.into, self.into.transpose(1, 2)) + float(self.layer.bias is not None)
        gram = (pairs * torch.bmm(self.back, self.back.transpose(1, 2))).sum(dim=(1, 2))
        return gram.clamp(min=0.0).sqrt(), path

    def weighted(self, factors: Tensor) -> list[Tensor]:
        """One product of all patients' records."""
        back = (self.back * factors[:, None, None]).flatten(0, 1)
        total = back.T @ self.into.flatten(0, 1)
        if isinstance(self.layer, MaskedLinear):
            return [total * self.layer.mask]
        return [total] if self.layer.bias is None else [total, back.sum(dim=0)]

    def without(self, lost: Tensor) -> Outer:
        """Records of the lost become zero."""
        return Outer(self.layer, _cleared(self.into, lost), _cleared(self.back, lost))

    def rows(self) -> Rows:
        """By Opacus' rule."""
        return _written(self.layer, self.into, self.back, self.measured()[1])


@dataclass(frozen=True, slots=True)
class Picks:
    """Gradients of a large table of which each patient picks few rows: `place` [n, K], `back` [n, K, width]."""

    layer: nn.Embedding
    place: Tensor
    back: Tensor

    def measured(self) -> tuple[Tensor, Tensor]:
        """By Opacus' rule, which adds up what falls on the same row."""
        (length,) = compute_embedding_norm_sample(self.layer, [self.place], self.back).values()
        return torch.as_tensor(length), vector_norm(self.back, dim=2).sum(dim=1)

    def weighted(self, factors: Tensor) -> list[Tensor]:
        """Records added onto the table's rows."""
        back = (self.back * factors[:, None, None]).flatten(0, 1)
        return [torch.zeros_like(self.layer.weight).detach().index_add(0, self.place.flatten(), back)]

    def without(self, lost: Tensor) -> Picks:
        """Records of the lost become zero."""
        return Picks(self.layer, self.place, _cleared(self.back, lost))

    def rows(self) -> Rows:
        """By Opacus' rule."""
        return _written(self.layer, self.place, self.back, self.measured()[1])


def part_of(layer: nn.Module, inputs: tuple[Tensor, ...], back: Tensor) -> Part:
    """The part of `layer`, into which `inputs` went and to which the gradient `back` came back, by the cheaper way.

    A table of all patients' gradients, [n, in, out], takes as many products as the layer's own
    gradient does; the Gram form takes K / in + K / out times as many. Layers without a rule
    here go through Opacus' rule for their rows, or through its `functorch` one.
    """
    match layer:
        case nn.Linear() | MaskedLinear():
            return _linear(layer, _records(inputs[0]), _records(back))
        case nn.Embedding():
            place = inputs[0].reshape(len(inputs[0]), -1)
            back = back.reshape(*place.shape, back.shape[-1])
            if layer.weight.numel() > MOST_PAIRED * back[0].numel():
                return Picks(layer, place, back)
            return _written(layer, place, back, vector_norm(back, dim=2).sum(dim=1))
        case _:
            return _unknown(layer, inputs, back)


def _linear(layer: nn.Linear | MaskedLinear, into: Tensor, back: Tensor) -> Part:
    records, (inner, outer) = into.shape[1], (into.shape[2], back.shape[2])
    pays = records * (inner + outer) < inner * outer
    bounded = records <= MOST_PAIRED and max(inner, outer) <= WIDEST_PAIRED
    if records == 1 or (pays and bounded and isinstance(layer, nn.Linear)):
        return Outer(layer, into, back)
    bias = getattr(layer, "bias", None) is not None
    return _written(layer, into, back, _path(into, back, bias=bias))


def _written(layer: nn.Module, into: Tensor, back: Tensor, path: Tensor) -> Rows:
    told = GradSampleModule.GRAD_SAMPLERS[type(layer)](layer, [into], back)
    return Rows(layer, tuple(told[one] for one in layer.parameters(recurse=False) if one.requires_grad), path)


def _unknown(layer: nn.Module, inputs: tuple[Tensor, ...], back: Tensor) -> Rows:
    rule = GradSampleModule.GRAD_SAMPLERS.get(type(layer))
    if rule is None:
        prepare_layer(layer)  # type: ignore[no-untyped-call]  # Opacus says nothing of types
        rule = ft_compute_per_sample_gradient
    told = rule(layer, list(inputs), back)
    return Rows(layer, tuple(told[one].detach() for one in layer.parameters(recurse=False) if one.requires_grad))


def _records(table: Tensor) -> Tensor:
    """[n, .., width] as [n, K, width]."""
    return table.reshape(len(table), math.prod(table.shape[1:-1]), table.shape[-1])


def _path(into: Tensor, back: Tensor, *, bias: bool) -> Tensor:
    inner = vector_norm(into, dim=2)
    if bias:
        inner = torch.hypot(inner, torch.ones_like(inner))
    path: Tensor = (inner * vector_norm(back, dim=2)).sum(dim=1)
    return path


def _joint(lengths: list[Tensor]) -> Tensor:
    """The length of vectors laid end to end."""
    return lengths[0] if len(lengths) == 1 else vector_norm(torch.stack(lengths), dim=0)


def _cleared(table: Tensor, lost: Tensor) -> Tensor:
    return torch.where(lost.reshape(-1, *[1] * (table.dim() - 1)), table.new_zeros(()), table)
