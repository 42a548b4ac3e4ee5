"""Which tests a draw holds: one logistic decision a test, in order, on the draws before and the tests already in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
POSITION_WAVES = 4
SHARED = 5 + POSITION_WAVES


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelHead:
    """Logits that a draw holds test t, T tests, L latent dimensions.

    shared features . shared [T, SHARED] + prev [T] if the draw before held t + ever [T] if any
    earlier draw did + the tests already in this draw . bits [T, T] (below the diagonal)
    + latent . loading [T, L].
    """

    shared: Floats
    prev: Floats
    ever: Floats
    bits: Floats
    loading: Floats

    @staticmethod
    def blank(tests: int, latent: int) -> PanelHead:
        """A head that gives every test an even chance."""
        return PanelHead(
            shared=np.zeros((tests, SHARED)),
            prev=np.zeros(tests),
            ever=np.zeros(tests),
            bits=np.zeros((tests, tests)),
            loading=np.zeros((tests, latent)),
        )


def shared_features(
    *,
    step: NDArray[np.int64],
    gap: NDArray[np.int64],
    first: NDArray[np.bool_],
    still_due: Floats,
    previous_size: NDArray[np.int64],
    steps: int,
    tests: int,
) -> Floats:
    """What all tests of a draw share, all of shape [d] in, [d, SHARED] out.

    `gap` is the number of steps since the patient's draw before, `still_due` the mean number of
    records that this and the later draws must hold for the patient's total to come out,
    `previous_size` the size of the draw before. Scales come from the public window and number of tests.
    """
    position = np.pi * (step + 0.5) / steps
    return np.column_stack(
        [
            np.ones(len(step)),
            first,
            np.log(np.clip(still_due, 0.5, tests)) - 1.2,
            np.where(first, 0.0, 3.9 * np.log1p(gap) / np.log1p(steps) - 1.2),
            np.where(first, 0.0, previous_size / np.sqrt(tests) - 1.0),
            *(np.cos(k * position) for k in range(1, POSITION_WAVES + 1)),
        ]
    )
