"""How a budget is cut up: shares of the whole, turned into the noise of each charge at a common scale."""

from __future__ import annotations

import math

from privacy.events import DiscreteGaussian, Gaussian, SampledGaussian
from privacy.plan import Charge

# A Gaussian release of noise multiplier m costs 1 / (2 m^2) in zero-concentrated terms (Bun and Steinke 2016),
# so a share s of the whole, at scale 1, is a noise multiplier of 1 / sqrt(2 s). The scale is found on the joint PLD.


def table_charge(name: str, *, share: float, tables: int, scale: float, reads: str) -> Charge:
    """Histograms of `tables` columns in which each patient stands once, under discrete Gaussian noise."""
    return Charge(
        name=name,
        event=DiscreteGaussian(sigma=scale * math.sqrt(tables / (2 * share)), count=tables),
        reads=reads,
        mechanism="discrete Gaussian noise on each cell",
        sensitivity=f"one patient moves one cell of each of {tables} tables by 1",
    )


def sum_charge(name: str, *, share: float, scale: float, reads: str) -> Charge:
    """One vector of sums, each patient's part clipped in L2."""
    return Charge(
        name=name,
        event=Gaussian(noise_multiplier=scale / math.sqrt(2 * share)),
        reads=reads,
        mechanism="Gaussian noise on an integer lattice",
        sensitivity="one patient's vector is clipped in L2 to the norm that the noise is measured in",
    )


def training_charge(name: str, *, share: float, steps: int, scale: float, reads: str) -> Charge:
    """`steps` private gradient steps, every patient in every step."""
    return Charge(
        name=name,
        event=SampledGaussian(noise_multiplier=scale * math.sqrt(steps / (2 * share)), sample_rate=1.0, steps=steps),
        reads=reads,
        mechanism="per-patient gradients, clipped and summed, Gaussian noise on an integer lattice",
        sensitivity="one patient's gradient is clipped in L2 to max_grad_norm, all rows of the patient together",
    )
