"""What is believed of a block of weights: a Gaussian that noisy gradients sharpen, with no learning rate to tune."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PINNED = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Mean [p] and precision [p, p] of a block of weights."""

    mean: Floats
    precision: Floats
    scale: float

    @staticmethod
    def prior(mean: Floats, scale: float) -> Belief:
        """Weights believed to lie within about `scale` of `mean`."""
        return Belief(mean=mean, precision=np.eye(len(mean)) / scale**2, scale=scale)

    def observe(self, gradient: Floats, curvature: Floats, sigma: float | Floats, *, longest: float = np.inf) -> Belief:
        """The belief after a noisy mean gradient [p] taken at the mean.

        Near the optimum w the gradient is curvature (w - mean), seen with noise of standard
        deviation `sigma`: a linear observation of w, so the Gaussian is updated as in a Kalman
        filter. `curvature` [p, p] is the Fisher information a patient, taken on dreamt patients.
        Steps are cut to `longest` in the largest coordinate, since the line ends to be one further out.

        Privacy: free; post-processing.
        """
        inverse = 1.0 / np.broadcast_to(np.asarray(sigma, dtype=np.float64) ** 2, self.mean.shape)
        precision = self.precision + curvature.T @ (inverse[:, None] * curvature)
        step = np.linalg.solve(precision, curvature.T @ (inverse * gradient))
        step *= min(1.0, longest / max(float(np.abs(step).max(initial=0.0)), 1e-12))
        return Belief(mean=self.mean + step, precision=precision, scale=self.scale)

    def widened(self, by: float) -> Belief:
        """The belief with every weight less sure by `by`, as a standard deviation that is added to its own."""
        spread = np.linalg.inv(self.precision) + by**2 * np.eye(len(self.mean))
        return Belief(mean=self.mean, precision=np.asarray(np.linalg.inv(spread), dtype=np.float64), scale=self.scale)

    def pinned(self, place: int) -> Belief:
        """The belief with the weight at `place` taken as known."""
        precision = self.precision.copy()
        precision[place, place] += PINNED
        return Belief(mean=self.mean, precision=precision, scale=self.scale)

    def faded(self, keep: float) -> Belief:
        """The belief with `keep` of what was learnt beyond the prior, since the line it was read off has bent."""
        prior = np.eye(len(self.mean)) / self.scale**2
        return Belief(mean=self.mean, precision=prior + keep * (self.precision - prior), scale=self.scale)
