"""What private steps move, as torch layers whose per-patient gradients Opacus takes exactly, without a batch matrix."""

from __future__ import annotations

from collections.abc import Callable

import torch
from opacus.grad_sample import register_grad_sampler
from torch import nn

from synthhealth.generators.events.panels import PanelHead

Tensor = torch.Tensor
Samples = dict[nn.Parameter, Tensor]


class PanelLayer(nn.Module):
    """Logits that a draw holds each test: B patients, D draws, T tests, L latent dimensions."""

    def __init__(self, head: PanelHead) -> None:
        super().__init__()
        self.shared = _parameter(head.shared)
        self.prev = _parameter(head.prev)
        self.ever = _parameter(head.ever)
        self.none = _parameter(head.none)
        self.room = _parameter(head.room)
        self.again = _parameter(head.again)
        self.bits = _parameter(head.bits)
        self.loading = _parameter(head.loading)
        self.earlier = torch.as_tensor(head.earlier, dtype=torch.float64)  # Opacus takes no buffer beside parameters

    def forward(
        self,
        shared: Tensor,
        prev: Tensor,
        ever: Tensor,
        none: Tensor,
        room: Tensor,
        usual: Tensor,
        bits: Tensor,
        latent: Tensor,
    ) -> Tensor:
        """Logits [B, D, T] of draws whose features are as in PanelHead.

        `shared` [B, D, SHARED], `prev`, `ever`, `none`, `room` and `bits` [B, D, T], `usual` [B, T, AGAIN]
        the waves of the patients' levels, `latent` [B, L].
        """
        own = (
            prev * self.prev
            + ever * (self.ever + (usual * self.again).sum(dim=-1)[:, None])
            + none * self.none
            + room * self.room
            + bits @ (self.bits * self.earlier).T
        )
        return shared @ self.shared.T + own + (latent @ self.loading.T)[:, None]


class CrossLayer(nn.Module):
    """By how much the surprises of a draw tilt the tests after them; `cross` [T, T] counts below the diagonal."""

    def __init__(self, cross: object) -> None:
        super().__init__()
        self.cross = _parameter(cross)

    def forward(self, surprise: Tensor) -> Tensor:
        """Tilts [B, D, T] from surprises [B, D, T]."""
        return surprise @ torch.tril(self.cross, -1).T


@register_grad_sampler(PanelLayer)  # type: ignore[untyped-decorator]
def panel_gradients(layer: PanelLayer, activations: list[Tensor], backprops: Tensor) -> Samples:
    """Per-patient gradients of a PanelLayer from what went in and the gradient [B, D, T] of its output."""
    shared, prev, ever, none, room, usual, bits, latent = activations
    rules: dict[nn.Parameter, Callable[[], Tensor]] = {
        layer.shared: lambda: _by_patient(backprops, shared),
        layer.prev: lambda: (backprops * prev).sum(dim=1),
        layer.ever: lambda: (backprops * ever).sum(dim=1),
        layer.none: lambda: (backprops * none).sum(dim=1),
        layer.room: lambda: (backprops * room).sum(dim=1),
        layer.again: lambda: (backprops * ever).sum(dim=1)[..., None] * usual,
        layer.bits: lambda: _by_patient(backprops, bits) * layer.earlier,
        layer.loading: lambda: torch.einsum("bt,bl->btl", backprops.sum(dim=1), latent),
    }
    return {parameter: rule() for parameter, rule in rules.items() if parameter.requires_grad}


@register_grad_sampler(CrossLayer)  # type: ignore[untyped-decorator]
def cross_gradients(layer: CrossLayer, activations: list[Tensor], backprops: Tensor) -> Samples:
    """Per-patient gradients of a CrossLayer from the surprises and the gradient [B, D, T] of its output."""
    return {layer.cross: torch.tril(_by_patient(backprops, activations[0]), -1)}


def _by_patient(backprops: Tensor, into: Tensor) -> Tensor:
    """Each patient's sum over draws of outer products, [B, T, S] from [B, D, T] and [B, D, S]."""
    return backprops.transpose(1, 2) @ into


def _parameter(values: object) -> nn.Parameter:
    return nn.Parameter(torch.as_tensor(values, dtype=torch.float64).clone())
