"""Gradients that are kept as what they are made of, written down one patient after the other by the code under test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthhealth.generators.training import Kept

Floats = NDArray[np.float64]


def written(block: Floats | Kept) -> Floats:
    """What each patient adds to a sum, [patients, size]."""
    if isinstance(block, np.ndarray):
        return block
    each = np.eye(len(block.lengths))
    return np.stack([block.weighted(one) for one in each]) if len(each) else np.zeros((0, block.size))
