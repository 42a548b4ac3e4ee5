"""The plan of a private training: rate, steps, noise and clip norm, all public and fixed before a row is read."""

from __future__ import annotations

import math
from dataclasses import dataclass

from privacy.errors import ConfigError, refusal
from privacy.events import SampledGaussian


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """`steps` steps of DP-SGD at a public rate; nothing here is derived from the number of rows.

    `noise_multiplier` is the noise's standard deviation over `max_grad_norm`, the bound on
    one patient's part of a step. `expected_batch` = `sample_rate` x the public cohort size
    divides the noisy sum, whatever the size of the batch, which stays secret and may be 0.
    """

    sample_rate: float
    steps: int
    noise_multiplier: float
    max_grad_norm: float
    cohort_size: int

    def __post_init__(self) -> None:
        if not 0 < self.max_grad_norm < math.inf:
            raise ConfigError(
                refusal(
                    what=f"max_grad_norm ({self.max_grad_norm:g})",
                    must="be finite and above 0",
                    got=f"{self.max_grad_norm:g}",
                    fix="try 1",
                )
            )
        if self.cohort_size < 1:
            raise ConfigError(
                refusal(
                    what=f"cohort_size ({self.cohort_size})",
                    must="be at least 1",
                    got=f"{self.cohort_size}",
                    fix="give the approximate number of patients",
                )
            )
        _ = self.event  # refuses rate, steps and noise that make no event

    @property
    def event(self) -> SampledGaussian:
        """What the training costs, for its charge."""
        return SampledGaussian(noise_multiplier=self.noise_multiplier, sample_rate=self.sample_rate, steps=self.steps)

    @property
    def expected_batch(self) -> float:
        """The public divisor of each noisy sum, in patients; never below 1."""
        return max(1.0, self.sample_rate * self.cohort_size)
