"""The public grid a number lives on: multiples of a step between two bounds, written without rounding dust."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# A millionth of a step: further than floating-point dust reaches, nearer than any reading of a device.
_DUST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The multiples of `step` inside [low, high]; all three in the unit of the values.

    Privacy: free; made of public facts alone.
    """

    low: float
    high: float
    step: float

    @property
    def first(self) -> int:
        """The lowest value as a multiple of `step`."""
        return math.ceil(self.low / self.step - _DUST)

    @property
    def last(self) -> int:
        """The highest value as a multiple of `step`."""
        return math.floor(self.high / self.step + _DUST)

    @property
    def size(self) -> int:
        """How many values the grid has; 0 or less when no multiple of `step` lies between the bounds."""
        return self.last - self.first + 1

    @property
    def decimals(self) -> int:
        """Digits after the point that the values need."""
        return decimals_of(self.step)

    def snap(self, values: Floats) -> Floats:
        """The nearest grid value of each of `values`; infinities go to the ends, NaN stays NaN."""
        return self._written(np.clip(np.rint(values / self.step), self.first, self.last))

    def raise_to(self, values: Floats) -> Floats:
        """The lowest grid value that is not below each of `values`, or the highest there is."""
        return self._written(np.clip(np.ceil(values / self.step - _DUST), self.first, self.last))

    def cut(self, values: Floats) -> Floats:
        """Each of `values` cut down to a multiple of `step`, wherever the bounds are; NaN stays NaN."""
        places = values / self.step
        nearest = np.rint(places)
        return self._written(np.where(np.abs(places - nearest) < _DUST, nearest, np.floor(places)))

    def _written(self, places: Floats) -> Floats:
        return on_step(places, step=self.step, decimals=self.decimals)


def decimals_of(step: float) -> int:
    """Digits after the point that the multiples of `step` need: 1 for 0.1 and 2 for 0.25."""
    return max(0, -int(Decimal(repr(step)).normalize().as_tuple().exponent))


def on_step(places: Floats, *, step: float | Floats, decimals: int | NDArray[np.int64]) -> Floats:
    """`places` times `step`, as the float nearest to that decimal number: 73 steps of 0.1 are 7.3."""
    scale = np.power(10.0, decimals)
    # adding 0.0 turns a negative zero into the zero that people write
    return np.asarray(np.rint(places * step * scale) / scale + 0.0, dtype=np.float64)
