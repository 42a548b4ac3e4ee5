"""Adam on a gradient that is already private: post-processing of noisy sums."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FIRST, SECOND = 0.9, 0.999
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """Running means of a gradient [p] and of its square after `count` steps (Kingma and Ba 2015, algorithm 1)."""

    mean: Floats
    square: Floats
    count: int

    @staticmethod
    def start(size: int) -> Adam:
        """Before the first step."""
        return Adam(mean=np.zeros(size), square=np.zeros(size), count=0)

    def seen(self, gradient: Floats) -> Adam:
        """After one more gradient.

        Privacy: free; post-processing of a private gradient.
        """
        return Adam(
            mean=FIRST * self.mean + (1 - FIRST) * gradient,
            square=SECOND * self.square + (1 - SECOND) * gradient**2,
            count=self.count + 1,
        )

    @property
    def direction(self) -> Floats:
        """Where to go, each coordinate in units of its own scale."""
        mean = self.mean / (1 - FIRST**self.count)
        square = self.square / (1 - SECOND**self.count)
        return np.asarray(mean / (np.sqrt(square) + _TINY))


def rate_at(step: int, steps: int, peak: float) -> float:
    """The learning rate of a step: a short rise, then half a cosine down to nothing; made of public numbers."""
    rise = min(1.0, (step + 1) / max(1.0, 0.05 * steps))
    return peak * rise * 0.5 * (1 + math.cos(math.pi * step / steps))
