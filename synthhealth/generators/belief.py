"""What is believed of a block of weights: a Gaussian that noisy gradients sharpen, so that no learning rate is tuned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LONGEST_STEP = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Mean [p] and precision [p, p] of a block of weights."""

    mean: Floats
    precision: Floats

    @staticmethod
    def prior(mean: Floats, scale: float) -> Belief:
        """Weights believed to lie within about `scale` of `mean`."""
        return Belief(mean=mean, precision=np.eye(len(mean)) / scale**2)

    def observe(self, gradient: Floats, curvature: Floats, sigma: float | Floats) -> Belief:
        """The belief after a noisy mean gradient [p] taken at the mean.

        Near the optimum w the gradient is curvature (w - mean), seen with noise of standard
        deviation `sigma`: a linear observation of w, so the Gaussian is updated as in a Kalman
        filter. `curvature` [p, p] is the Fisher information a patient, taken on dreamt patients.
        Steps are cut to LONGEST_STEP in the largest coordinate, where the line ends to be one.

        Privacy: free; post-processing.
        """
        inverse = 1.0 / np.broadcast_to(np.asarray(sigma, dtype=np.float64) ** 2, self.mean.shape)
        precision = self.precision + curvature.T @ (inverse[:, None] * curvature)
        step = np.linalg.solve(precision, curvature.T @ (inverse * gradient))
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max(initial=0.0)), 1e-12))
        return Belief(mean=self.mean + step, precision=precision)
