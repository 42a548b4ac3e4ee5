"""The event decoder as torch layers whose per-patient gradients Opacus takes exactly, without a stored batch matrix."""

from __future__ import annotations

import torch
from opacus.grad_sample import register_grad_sampler
from torch import nn

from synthhealth.generators.events.panels import PanelHead
from synthhealth.generators.events.values import ValueHead

Tensor = torch.Tensor
Samples = dict[nn.Parameter, Tensor]


class PanelLayer(nn.Module):
    """Logits that a draw holds each test: B patients, D draws, T tests, L latent dimensions."""

    def __init__(self, head: PanelHead) -> None:
        super().__init__()
        self.shared = _parameter(head.shared)
        self.prev = _parameter(head.prev)
        self.ever = _parameter(head.ever)
        self.bits = _parameter(head.bits)
        self.loading = _parameter(head.loading)

    def forward(self, shared: Tensor, prev: Tensor, ever: Tensor, bits: Tensor, latent: Tensor) -> Tensor:
        """Logits [B, D, T] from shared [B, D, SHARED], prev, ever, bits [B, D, T] and latent [B, L]."""
        own = prev * self.prev + ever * self.ever + bits @ torch.tril(self.bits, -1).T
        return shared @ self.shared.T + own + (latent @ self.loading.T)[:, None]


class ValueLayer(nn.Module):
    """Logits of a record's value bin: B patients, K records, V bins, T tests.

    Parameters as in ValueHead; the bins a test lacks are masked by the caller.
    """

    def __init__(self, head: ValueHead) -> None:
        super().__init__()
        self.first_bias = _parameter(head.first_bias)
        self.first_level = _parameter(head.first_level)
        self.first_pull = _parameter(head.first_pull)
        self.next_bias = _parameter(head.next_bias)
        self.next_last = _parameter(head.next_last)
        self.next_level = _parameter(head.next_level)
        self.near = _parameter(head.near)
        self.next_pull = _parameter(head.next_pull)
        self.cross = _parameter(head.cross)

    def forward(
        self,
        test: Tensor,
        later: Tensor,
        level: Tensor,
        last: Tensor,
        basis: Tensor,
        near: Tensor,
        pull: Tensor,
        tilt: Tensor,
        surprise: Tensor,
    ) -> Tensor:
        """Logits [B, K, V].

        `test` [B, K] positions; `later` [B, K] 1 for a patient's later value of the test, 0 for the
        first; `level` and `last` [B, K, 3] waves; `basis` [B, K, V, 3]; `near` and `pull` [B, K, V, 4]
        how near a bin is to the last one and to the level; `tilt` [B, K, V]; `surprise` [B, K, T]
        of the tests before this one in the draw.
        """
        first = self.first_bias[test] + torch.einsum("bka,bkac,bkvc->bkv", level, self.first_level[test], basis)
        first = first + torch.einsum("bkvc,bkc->bkv", pull, self.first_pull[test])
        after = self.next_bias[test] + torch.einsum("bka,bkac,bkvc->bkv", level, self.next_level[test], basis)
        after = after + torch.einsum("bka,bkac,bkvc->bkv", last, self.next_last[test], basis)
        after = after + torch.einsum("bkvc,bkc->bkv", near, self.near[test])
        after = after + torch.einsum("bkvc,bkc->bkv", pull, self.next_pull[test])
        push = (surprise * self.cross[test]).sum(dim=-1, keepdim=True) * tilt
        return torch.where(later[..., None] > 0, after, first) + push


@register_grad_sampler(PanelLayer)  # type: ignore[untyped-decorator]
def panel_gradients(layer: PanelLayer, activations: list[Tensor], backprops: Tensor) -> Samples:
    """Per-patient gradients of a PanelLayer from what went in and the gradient [B, D, T] of its output."""
    shared, prev, ever, bits, latent = activations
    return {
        layer.shared: torch.einsum("bdt,bds->bts", backprops, shared),
        layer.prev: (backprops * prev).sum(dim=1),
        layer.ever: (backprops * ever).sum(dim=1),
        layer.bits: torch.tril(torch.einsum("bdt,bds->bts", backprops, bits), -1),
        layer.loading: torch.einsum("bt,bl->btl", backprops.sum(dim=1), latent),
    }


@register_grad_sampler(ValueLayer)  # type: ignore[untyped-decorator]
def value_gradients(layer: ValueLayer, activations: list[Tensor], backprops: Tensor) -> Samples:
    """Per-patient gradients of a ValueLayer: each record's small outer product goes to its test's row."""
    test, later, level, last, basis, near, pull, tilt, surprise = activations
    tests = layer.near.shape[0]
    push = (backprops * tilt).sum(dim=-1, keepdim=True) * surprise
    if not layer.near.requires_grad:
        return {layer.cross: _by_test(push, test, tests)}
    wave = torch.einsum("bkv,bkvc->bkc", backprops, basis)
    by_level = torch.einsum("bka,bkc->bkac", level, wave)
    by_last = torch.einsum("bka,bkc->bkac", last, wave)
    close = torch.einsum("bkv,bkvc->bkc", backprops, near)
    pulled = torch.einsum("bkv,bkvc->bkc", backprops, pull)
    after, first = later, 1 - later
    return {
        layer.first_bias: _by_test(backprops * first[..., None], test, tests),
        layer.first_level: _by_test(by_level * first[..., None, None], test, tests),
        layer.first_pull: _by_test(pulled * first[..., None], test, tests),
        layer.next_bias: _by_test(backprops * after[..., None], test, tests),
        layer.next_last: _by_test(by_last * after[..., None, None], test, tests),
        layer.next_level: _by_test(by_level * after[..., None, None], test, tests),
        layer.near: _by_test(close * after[..., None], test, tests),
        layer.next_pull: _by_test(pulled * after[..., None], test, tests),
        layer.cross: _by_test(push, test, tests),
    }


def _by_test(rows: Tensor, test: Tensor, tests: int) -> Tensor:
    """Sums of `rows` [B, K, ...] by patient and test, [B, T, ...]."""
    patients = rows.shape[0]
    place = test + tests * torch.arange(patients)[:, None]
    sums = torch.zeros(patients * tests, *rows.shape[2:], dtype=rows.dtype)
    sums.index_add_(0, place.reshape(-1), rows.reshape(-1, *rows.shape[2:]))
    return sums.reshape(patients, tests, *rows.shape[2:])


def _parameter(values: object) -> nn.Parameter:
    return nn.Parameter(torch.as_tensor(values, dtype=torch.float64).clone())
