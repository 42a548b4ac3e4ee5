"""Where the event decoder starts: what anyone knows of laboratory values before a patient is seen."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from synthhealth.generators.dpsgd.event_decoder import EventDecoder
from synthhealth.generators.dpsgd.ground import VALUE_WAVES
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS
from synthhealth.generators.events.values import waves

Floats = NDArray[np.float64]
FROM_LEVEL, FROM_LAST = 0.55, 0.4
SPREAD = 0.5


def believe(decoder: EventDecoder) -> None:
    """Set the shared weights: a value lies near its patient's level and near the value before.

    In standardised ranks r, of which levels and bins have one each, the starting law of a value
    is normal around FROM_LEVEL r(level) + FROM_LAST r(last), the last term missing for a first value,
    with standard deviation SPREAD: no figure of it comes from data.
    """
    level, last = _ranks(LEVELS), _ranks(VALUE_BINS)
    basis, rank = waves(VALUE_BINS, VALUE_WAVES), _ranks(VALUE_BINS)
    slope, bend = basis.T @ rank, basis.T @ rank**2
    sharper = -0.5 * (1 / SPREAD**2 - 1)
    inertia = np.concatenate([np.outer(last * FROM_LAST / SPREAD**2, slope), np.zeros((1, VALUE_WAVES))])
    pull = np.outer(level * FROM_LEVEL / SPREAD**2, slope) + sharper * bend
    with torch.no_grad():
        decoder.inertia.weight.copy_(torch.from_numpy(inertia))
        decoder.pull.weight.copy_(torch.from_numpy(pull))


def _ranks(count: int) -> Floats:
    rank = np.arange(count) - (count - 1) / 2
    return np.asarray(rank / rank.std())
