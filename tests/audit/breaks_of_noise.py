"""Breaks of the noise: too little of it, the same again, a seed's, or as a float."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from privacy import lattice, mechanisms
from synthhealth.generators import training

Floats = NDArray[np.float64]
Break = Callable[[pytest.MonkeyPatch], None]


def of_steps(factor: float) -> Break:
    """The training room draws `factor` times the noise that was charged."""
    return _scaled_private_sum(training, factor)


def of_moments(factor: float) -> Break:
    """The same in the release of second moments."""
    return _scaled_private_sum(mechanisms, factor)


def of_tables(factor: float) -> Break:
    """The same in noisy sums, and in histograms under Gaussian noise."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        real = mechanisms.secret_whole_gaussian
        patch.setattr(mechanisms, "secret_whole_gaussian", lambda size, sigma: real(size, factor * sigma))

    return break_it


def of_histograms(factor: float) -> Break:
    """The same in histograms under discrete Gaussian noise."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        real = mechanisms._discrete_gaussian
        patch.setattr(mechanisms, "_discrete_gaussian", lambda counts, sigma: (real(counts, factor * sigma)[0], sigma))

    return break_it


def reused(patch: pytest.MonkeyPatch) -> None:
    """Noise is drawn once for each length and scale, and then used again."""
    drawn: dict[tuple[int, float], Floats] = {}

    def again(size: int, sigma: float) -> Floats:
        if (size, sigma) not in drawn:
            drawn[size, sigma] = np.rint(np.random.default_rng().normal(scale=sigma, size=size))
        return drawn[size, sigma]

    _everywhere(patch, again)


def seeded(patch: pytest.MonkeyPatch) -> None:
    """Noise of the right law, from the global generator that a user's seed steers."""
    _everywhere(patch, lambda size, sigma: np.rint(np.random.normal(scale=sigma, size=size)))  # noqa: NPY002


def off_the_lattice(patch: pytest.MonkeyPatch) -> None:
    """Normal floats are added to float sums."""

    def private_sum(total: Floats, *, max_norm: float, noise_multiplier: float) -> Floats:
        return total + np.random.default_rng().normal(scale=noise_multiplier * max_norm, size=total.shape)

    patch.setattr(training, "private_sum", private_sum)
    patch.setattr(mechanisms, "private_sum", private_sum)


def _scaled_private_sum(module, factor: float) -> Break:  # noqa: ANN001
    def break_it(patch: pytest.MonkeyPatch) -> None:
        real = module.private_sum

        def private_sum(total: Floats, *, max_norm: float, noise_multiplier: float) -> Floats:
            noisy: Floats = real(total, max_norm=max_norm, noise_multiplier=factor * noise_multiplier)
            return noisy

        patch.setattr(module, "private_sum", private_sum)

    return break_it


def _everywhere(patch: pytest.MonkeyPatch, draw: Callable[[int, float], Floats]) -> None:
    for module in (mechanisms, lattice):
        patch.setattr(module, "secret_whole_gaussian", draw)
