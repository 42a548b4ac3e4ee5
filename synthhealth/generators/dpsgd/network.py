"""The variational autoencoder: encoder, latent, and decoders of the row and of the draws; one loss a patient."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from synthhealth.generators.dpsgd.batch import Batch
from synthhealth.generators.dpsgd.encoder import Encoder
from synthhealth.generators.dpsgd.event_decoder import EventDecoder
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.layers import initialise, linear
from synthhealth.generators.dpsgd.prior import believe
from synthhealth.generators.dpsgd.row_decoder import RowDecoder

Floats = NDArray[np.float64]
HIDDEN = 48
LATENT = 12
FREE_NATS = 0.1
_OUTPUTS = frozenset(
    {"row.latent", "row.earlier"}
    | {
        f"events.{name}"
        for name in (
            "gap",
            "panel",
            "panel_link",
            "value",
            "value_last",
            "value_level",
            "value_link",
            "habit",
            "inertia",
            "pull",
        )
    }
)


class Network(nn.Module):
    """Patients in, losses out; `events` is None for a schema without tests."""

    def __init__(self, ground: Ground, rng: np.random.Generator, *, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.encoder = Encoder(ground, hidden=hidden, latent=LATENT)
        self.latent = linear(LATENT, hidden)
        self.row = RowDecoder(ground, hidden=hidden)
        self.events = EventDecoder(ground, hidden=hidden) if ground.tests else None
        initialise(self, _OUTPUTS, rng)
        if self.events is not None:
            believe(self.events)

    def forward(self, batch: Batch, chance: torch.Tensor) -> torch.Tensor:
        """Each patient's negative evidence bound, shape [n], from the patient's own `chance` [n, LATENT] alone.

        Kingma and Welling (2014), equation 10 with one draw of the latent. Each dimension's
        divergence counts only above FREE_NATS (Kingma et al. 2016, section 3.3, patient by patient).
        """
        mean, spread = self.encoder(batch)
        hidden = self.hidden(mean + torch.exp(0.5 * spread) * chance)
        divergence = 0.5 * (mean**2 + torch.exp(spread) - 1.0 - spread)
        loss: torch.Tensor = self.row(hidden, batch) + divergence.clamp(min=FREE_NATS).sum(dim=1)
        return loss if self.events is None else loss + self.events(hidden, batch)

    def hidden(self, latent: torch.Tensor) -> torch.Tensor:
        """What the decoders see of the latent, [n, hidden]."""
        return torch.tanh(self.latent(latent))


def learnt(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that gradients move, in their order."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def device_of(network: nn.Module) -> torch.device:
    """Where all of the network is."""
    return next(network.parameters()).device


def weights_of(network: nn.Module) -> Floats:
    """All learnt weights in one row."""
    return np.concatenate([parameter.detach().cpu().numpy().ravel() for parameter in learnt(network)])


def gradient_of(network: nn.Module) -> Floats:
    """The gradients of all learnt weights in one row, 0 where there is none."""
    rows = [
        np.zeros(parameter.numel()) if parameter.grad is None else parameter.grad.cpu().numpy().ravel()
        for parameter in learnt(network)
    ]
    return np.concatenate(rows)


def set_weights(network: nn.Module, weights: Floats) -> None:
    """Write a row of learnt weights back."""
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.from_numpy(weights).to(device_of(network)), learnt(network))
