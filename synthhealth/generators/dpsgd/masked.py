"""A linear layer whose weights exist only where a public mask says so, with per-patient gradients for Opacus."""

from __future__ import annotations

import torch
from opacus.grad_sample import register_grad_sampler
from torch import nn

from synthhealth.generators.dpsgd.layers import public_tables


class MaskedLinear(nn.Module):
    """x -> (weight * mask) x, without a bias; `mask` [out, in] is public.

    Masked layers make a decoder autoregressive: what comes first never sees what comes after
    (Germain, Gregor, Murray and Larochelle 2015).
    """

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        public_tables(self, mask=mask)
        self.weight = nn.Parameter(torch.zeros_like(mask))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From [.., in] to [.., out]."""
        return nn.functional.linear(x, self.weight * self.mask)


@register_grad_sampler(MaskedLinear)  # type: ignore[untyped-decorator]  # Opacus says nothing of types
def _per_patient(
    layer: MaskedLinear, activations: list[torch.Tensor], backprops: torch.Tensor
) -> dict[nn.Parameter, torch.Tensor]:
    """Gradients [patients, out, in]: as Opacus' own sampler for linear layers, under the mask."""
    rows = torch.einsum("n...i,n...j->nij", backprops, activations[0])
    return {layer.weight: rows * layer.mask}
