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

Floats = NDArray[np.float64]
DREAMERS = 3_000
ROUNDS = 4
PACE = 0.6
_RARE = 2e-3


@torch.no_grad()
def calibrate_bases(network: Network, ground: Ground, rng: np.random.Generator) -> None:
    """Move the network's base rates towards the shares of columns, tests and values that were paid for.

    The noise in trained weights shifts every margin a little; the margins themselves are known
    better, from histograms. Each round adds PACE times the log ratio of known to dreamt share.

    Privacy: free; post-processing.
    """
    for _ in range(ROUNDS):
        codes, _, dream = imagined(network, ground, DREAMERS, rng)
        shift = [
            _log_ratio(share, np.bincount(codes[:, j], minlength=len(share))) for j, share in enumerate(ground.shares)
        ]
        network.row.base.add_(PACE * torch.from_numpy(np.concatenate(shift)))
        if dream is not None and network.events is not None:
            network.events.value_base.add_(PACE * torch.from_numpy(_value_shift(ground, dream)))
            network.events.panel_base.add_(PACE * torch.from_numpy(_panel_shift(ground, dream)))


def _value_shift(ground: Ground, dream: Dream) -> Floats:
    """Log ratios of known to dreamt shares of every test's bins, 0 for bins it lacks, shape [T, V]."""
    shift = np.zeros((ground.tests, VALUE_BINS))
    for t, bins in enumerate(ground.book.tests):
        seen = np.bincount(dream.chains.bin[dream.draws.test == t], minlength=bins.count)
        shift[t, : bins.count] = _log_ratio(bins.mass, seen)
    return shift


def _panel_shift(ground: Ground, dream: Dream) -> Floats:
    """Log odds ratios of known to dreamt shares of draws that hold each test, shape [T].

    What is known is the mean over patients of their mean panel; patients with many draws have
    other panels, and the dream says by how much that moves the mean over draws.
    """
    draws = dream.draws
    size = draws.bits.sum(axis=1)
    count = draws.per_patient()
    own = np.bincount(draws.owner, weights=size, minlength=draws.patients)[count > 0] / count[count > 0]
    seen = draws.bits.mean(axis=0) if len(size) else ground.rates
    known = ground.rates * (size.mean() / own.mean() if len(size) else 1.0)
    known, seen = (np.clip(rate, _RARE, 1 - _RARE) for rate in (known, seen))
    return np.asarray(np.log(known / (1 - known)) - np.log(seen / (1 - seen)))


def _log_ratio(share: Floats, seen: NDArray[np.int64]) -> Floats:
    """log(known / dreamt) of each level, held back where both are rare."""
    return np.asarray(np.log((share + _RARE) / (seen / max(1, int(seen.sum())) + _RARE)))
