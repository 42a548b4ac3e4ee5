"""How well a noisy histogram tells of the exact one, by how far it stands out of its noise; `make bench-generator`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench.generator_cohorts import icu_split, nafld_split, simulated_split
from numpy.typing import NDArray

from privacy.cohort import Cohort
from synthhealth.encoding.bins import FEW_CELLS, denoise
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout

Floats = NDArray[np.float64]
STANDING_OUT = (3.0, 10.0, 30.0, 100.0)
SIMULATED = 5_000
BINS = 12


def smoothing(icu: Path | None, seeds: int) -> Iterator[dict[str, object]]:
    """A row for each number and test, each signal to noise and seed: how far off the smoothed histogram is.

    The signal is the count of all, the noise that of the sum of all cells; their ratio stands where
    other sections have epsilon. `mean_off` and `tail_off` (the 99th percentile) are in standard
    deviations of the exact histogram, `value` is the total variation in twelve bins of about equal mass.
    """
    cohorts = {"nafld": nafld_split().train, "simulated": simulated_split(SIMULATED).train}
    if icu is not None:
        cohorts["icu"] = icu_split(icu).train
    for name, cohort in cohorts.items():
        for k, exact in enumerate(_histograms(cohort)):
            for ratio in STANDING_OUT:
                sigma = float(exact.sum() / (ratio * np.sqrt(len(exact))))
                for seed in range(seeds):
                    noise = np.random.default_rng([k, seed]).normal(scale=sigma, size=len(exact))
                    off = _off(exact / exact.sum(), denoise(exact + noise, sigma))
                    yield {"engine": name, "epsilon": ratio, "seed": seed, **off}


def _histograms(cohort: Cohort) -> Iterator[Floats]:
    """The exact fine histograms of all numbers and tests with more than a few cells."""
    layout = Layout.of(cohort.schema)
    fine = layout.fine(cohort)
    pairs = [(slot.grid, fine[:, j]) for j, slot in enumerate(layout.attributes)]
    if layout.tests:
        draws = Draws.of(cohort, layout)
        pairs += [(grid, draws.cell[draws.test == t]) for t, grid in enumerate(layout.tests)]
    for grid, cells in pairs:
        if grid is not None and grid.cells > FEW_CELLS:
            yield np.bincount(cells, minlength=grid.cells + 1)[: grid.cells].astype(np.float64)


def _off(exact: Floats, found: Floats) -> dict[str, float]:
    place, below = np.arange(len(exact)), np.cumsum(exact)
    mean = float(exact @ place)
    spread = max(float(np.sqrt(exact @ (place - mean) ** 2)), 0.5)
    edges = np.unique(np.searchsorted(below, np.arange(1, BINS) / BINS)) + 1
    cuts = np.concatenate(([0], edges[edges < len(exact)]))
    tail = np.searchsorted(np.cumsum(found), 0.99) - np.searchsorted(below, 0.99)
    return {
        "value": float(np.abs(np.add.reduceat(exact, cuts) - np.add.reduceat(found, cuts)).sum() / 2),
        "mean_off": abs(float(found @ place) - mean) / spread,
        "tail_off": abs(float(tail)) / spread,
    }
