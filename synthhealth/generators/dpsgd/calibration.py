"""Calibration: base rates are moved until what the network dreams agrees with the noisy histograms."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from synthhealth.generators.dpsgd.dreams import imagined
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.network import Network
from synthhealth.generators.events.chains import VALUE_BINS
from synthhealth.generators.events.dream import Dream
from synthhealth.generators.first_looks import FirstLooks

Floats = NDArray[np.float64]
DREAMERS = 3_000
ROUNDS = 4
PACE = 0.6
_RARE = 2e-3


@torch.no_grad()
def calibrate_bases(network: Network, ground: Ground, looks: FirstLooks, rng: np.random.Generator) -> None:
    """Move the network's base rates towards the shares of columns and values that were paid for.

    The noise in trained weights shifts every margin; where a histogram knows the margin better,
    it is moved back. Each round adds PACE times the log ratio of known to dreamt share, shrunk by
    its own noise (`_trusted`). How often a test is in a draw is left to the gradients, which know
    it better than the sum of a noisy histogram does.

    Privacy: free; post-processing.
    """
    for _ in range(ROUNDS):
        codes, _, dream = imagined(network, ground, DREAMERS, rng)
        shift = [
            _log_ratio(share, np.bincount(codes[:, j], minlength=len(share)), looks.share_sigma)
            for j, share in enumerate(ground.shares)
        ]
        network.row.base.add_(PACE * torch.from_numpy(np.concatenate(shift)))
        if dream is not None and network.events is not None:
            network.events.value_base.add_(PACE * torch.from_numpy(_value_shift(ground, looks, dream)))


def _value_shift(ground: Ground, looks: FirstLooks, dream: Dream) -> Floats:
    """Log ratios of known to dreamt shares of every test's bins, 0 for bins it lacks, shape [T, V]."""
    shift = np.zeros((ground.tests, VALUE_BINS))
    for t, bins in enumerate(ground.book.tests):
        seen = np.bincount(dream.chains.bin[dream.draws.test == t], minlength=bins.count)
        sigma = looks.record_sigma / max(float(looks.frequency[t]), 1e-9) * np.sqrt(np.diff(bins.edges))
        shift[t, : bins.count] = _log_ratio(bins.mass, seen, sigma)
    return shift


def _log_ratio(share: Floats, seen: NDArray[np.int64], sigma: float | Floats) -> Floats:
    """log(known / dreamt) of each level, held back where both are rare; `sigma` is the noise in a known share."""
    dreamt = seen / max(1, int(seen.sum()))
    return _trusted(np.log((share + _RARE) / (dreamt + _RARE)), sigma / (share + _RARE))


def _trusted(shift: Floats, error: Floats) -> Floats:
    """Shifts shrunk to the part that is not noise of standard deviation `error`: s^3 / (s^2 + error^2)."""
    return np.asarray(shift**3 / (shift**2 + error**2 + 1e-12))
