"""Which value a test takes: log-linear in the patient's level, in the value before, and in the other tests of the draw."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthhealth.generators.events.chains import LEVELS, VALUE_BINS

Floats = NDArray[np.float64]
WAVES = 4
LEVEL_WAVES = 3
NEAR = 2
OFF = -30.0


def waves(points: int, count: int) -> Floats:
    """The first `count` cosines over `points` equally spaced points, orthonormal, the constant left out, [points, count]."""
    grid = (np.arange(points) + 0.5) / points
    columns = [
        np.sqrt(2.0 / points) * np.cos(np.pi * a * grid) if a < points else np.zeros(points)
        for a in range(1, count + 1)
    ]
    return np.stack(columns, axis=1)


LEVEL_BASIS = waves(LEVELS, LEVEL_WAVES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueHead:
    """Logits of a test's value bin; T tests, V = VALUE_BINS bins, the bins a test lacks at OFF.

    A patient's first value: first_bias [T, V] + level waves . first_level [T, 3, 4] . value waves.
    A later one: next_bias [T, V] + last waves . next_last [T, 4, 4] . value waves
    + level waves . next_level [T, 3, 4] . value waves + near [T, 2] on the same and the neighbouring bin.
    Both: + the surprise of earlier tests of the draw . cross [T, T] (below the diagonal) on `tilt`.
    `basis` [T, V, 4] are the value waves, `tilt` [T, V] the bin's standardised rank.
    """

    width: NDArray[np.int64]
    first_bias: Floats
    first_level: Floats
    next_bias: Floats
    next_last: Floats
    next_level: Floats
    near: Floats
    cross: Floats

    @staticmethod
    def blank(width: NDArray[np.int64]) -> ValueHead:
        """A head that knows nothing but how many bins each test has, `width` [T]."""
        tests = len(width)
        bias = np.where(np.arange(VALUE_BINS) < width[:, None], 0.0, OFF)
        return ValueHead(
            width=width,
            first_bias=bias,
            first_level=np.zeros((tests, LEVEL_WAVES, WAVES)),
            next_bias=bias.copy(),
            next_last=np.zeros((tests, WAVES, WAVES)),
            next_level=np.zeros((tests, LEVEL_WAVES, WAVES)),
            near=np.zeros((tests, NEAR)),
            cross=np.zeros((tests, tests)),
        )

    @property
    def basis(self) -> Floats:
        """The value waves of every test, zero on bins it lacks, shape [T, V, 4]."""
        table = np.zeros((len(self.width), VALUE_BINS, WAVES))
        for t, bins in enumerate(self.width):
            table[t, :bins] = waves(int(bins), WAVES)
        return table

    @property
    def tilt(self) -> Floats:
        """Each bin's rank, mean 0 and variance 1 over a test's bins, shape [T, V]."""
        table = np.zeros((len(self.width), VALUE_BINS))
        for t, bins in enumerate(self.width):
            rank = np.arange(bins) - (bins - 1) / 2
            table[t, :bins] = rank / max(float(rank.std()), 1e-9)
        return table

    def first_logits(self) -> Floats:
        """Logits of a first value by level, shape [T, LEVELS, V]."""
        return self.first_bias[:, None] + np.einsum("la,tab,tvb->tlv", LEVEL_BASIS, self.first_level, self.basis)

    def next_logits(self) -> Floats:
        """Logits of a later value by last bin and level, shape [T, V, LEVELS, V]."""
        basis = self.basis
        last = np.einsum("tua,tab,tvb->tuv", basis, self.next_last, basis)
        level = np.einsum("la,tab,tvb->tlv", LEVEL_BASIS, self.next_level, basis)
        apart = np.abs(np.arange(VALUE_BINS)[:, None] - np.arange(VALUE_BINS))
        near = self.near[:, 0, None, None] * (apart == 0) + self.near[:, 1, None, None] * (apart == 1)
        return self.next_bias[:, None, None] + (last + near)[:, :, None] + level[:, None]

    def with_first(self, t: int, weights: Floats) -> ValueHead:
        """A head whose first-value weights of test t are `weights` [V + 12]."""
        bias, level = self.first_bias.copy(), self.first_level.copy()
        bins = int(self.width[t])
        bias[t, :bins] = weights[:bins]
        level[t] = weights[VALUE_BINS:].reshape(LEVEL_WAVES, WAVES)
        return replace(self, first_bias=bias, first_level=level)

    def with_next(self, t: int, weights: Floats) -> ValueHead:
        """A head whose later-value weights of test t are `weights` [V + 16 + 12 + 2]."""
        bias, last = self.next_bias.copy(), self.next_last.copy()
        level, near = self.next_level.copy(), self.near.copy()
        bins, a, b = int(self.width[t]), VALUE_BINS + WAVES**2, VALUE_BINS + WAVES**2 + LEVEL_WAVES * WAVES
        bias[t, :bins] = weights[:bins]
        last[t] = weights[VALUE_BINS:a].reshape(WAVES, WAVES)
        level[t] = weights[a:b].reshape(LEVEL_WAVES, WAVES)
        near[t] = weights[b:]
        return replace(self, next_bias=bias, next_last=last, next_level=level, near=near)


def first_features(basis: Floats) -> Floats:
    """Features of a first value of one test, [LEVELS, V, V + 12], from its value waves [V, 4]."""
    bins = len(basis)
    table = np.zeros((LEVELS, bins, bins + LEVEL_WAVES * WAVES))
    table[:, np.arange(bins), np.arange(bins)] = 1.0
    table[:, :, bins:] = np.einsum("la,vb->lvab", LEVEL_BASIS, basis).reshape(LEVELS, bins, -1)
    return table


def next_features(basis: Floats) -> Floats:
    """Features of a later value of one test, [V * LEVELS, V, V + 30]; contexts run over last bin, then level."""
    bins = len(basis)
    parts = [
        np.broadcast_to(np.eye(bins), (bins, LEVELS, bins, bins)),
        np.broadcast_to(
            np.einsum("ua,vb->uvab", basis, basis).reshape(bins, 1, bins, -1), (bins, LEVELS, bins, WAVES**2)
        ),
        np.broadcast_to(
            np.einsum("la,vb->lvab", LEVEL_BASIS, basis).reshape(1, LEVELS, bins, -1),
            (bins, LEVELS, bins, LEVEL_WAVES * WAVES),
        ),
        np.broadcast_to(_near(bins)[:, None], (bins, LEVELS, bins, NEAR)),
    ]
    return np.concatenate(parts, axis=-1).reshape(bins * LEVELS, bins, -1)


def _near(bins: int) -> Floats:
    apart = np.abs(np.arange(bins)[:, None] - np.arange(bins))
    return np.stack([apart == 0, apart == 1], axis=-1).astype(np.float64)
