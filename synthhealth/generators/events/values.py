"""Which value a test takes: log-linear in the patient's level, the value before, and the other tests of the draw."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from synthhealth.generators.events.chains import LEVELS, VALUE_BINS

Floats = NDArray[np.float64]
WAVES = 3
KERNEL = 4
FIRST = VALUE_BINS + WAVES**2 + KERNEL
LATER = VALUE_BINS + 2 * WAVES**2 + 2 * KERNEL
OFF = -1e9
# what is believed before any look: a value lies near the one before it, and near the patient's level
ALIKE = np.array([0.3, 0.2, -0.6, -0.3])


def waves(points: int, count: int = WAVES) -> Floats:
    """The first `count` cosines over equally spaced points, orthonormal, the constant left out, [points, count]."""
    grid = (np.arange(points) + 0.5) / points
    columns = [
        np.sqrt(2.0 / points) * np.cos(np.pi * a * grid) if a < points else np.zeros(points)
        for a in range(1, count + 1)
    ]
    return np.stack(columns, axis=1)


def kernel(apart: Floats) -> Floats:
    """How near a bin is: same, next, distance and its square, both levelling off; [..., KERNEL] from [...] in bins."""
    distance = np.abs(apart)
    far = np.minimum(distance, 6.0)
    return np.stack([distance < 0.75, (distance >= 0.75) & (distance < 1.75), far / 3.0, far**2 / 9.0], axis=-1)  # noqa: PLR2004  # halves between bins


LEVEL_BASIS = waves(LEVELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueHead:
    """Logits of a test's value bin; T tests, V = VALUE_BINS bins, the bins that a test lacks at OFF.

    A patient's first value: first_bias [T, V] + level waves . first_level [T, 3, 3] . value waves
    + first_pull [T, 4] on how near the bin is to the level. A later one: next_bias [T, V]
    + last waves . next_last [T, 3, 3] . value waves + near [T, 4] on how near the bin is to the last
    one + level waves . next_level [T, 3, 3] . value waves + next_pull [T, 4] on the level.
    Both: + the surprise of earlier tests of the draw . cross [T, T] (below the diagonal) on the tilt.
    """

    width: NDArray[np.int64]
    first_bias: Floats
    first_level: Floats
    first_pull: Floats
    next_bias: Floats
    next_last: Floats
    next_level: Floats
    near: Floats
    next_pull: Floats
    cross: Floats

    @staticmethod
    def blank(width: NDArray[np.int64]) -> ValueHead:
        """A head that knows how many bins each test has, `width` [T], and that values are alike."""
        tests = len(width)
        bias = np.where(np.arange(VALUE_BINS) < width[:, None], 0.0, OFF)
        return ValueHead(
            width=width,
            first_bias=bias,
            first_level=np.zeros((tests, WAVES, WAVES)),
            first_pull=np.tile(ALIKE, (tests, 1)),
            next_bias=bias.copy(),
            next_last=np.zeros((tests, WAVES, WAVES)),
            next_level=np.zeros((tests, WAVES, WAVES)),
            near=np.tile(ALIKE, (tests, 1)),
            next_pull=np.tile(ALIKE, (tests, 1)),
            cross=np.zeros((tests, tests)),
        )

    @property
    def basis(self) -> Floats:
        """The value waves of every test, zero on bins it lacks, shape [T, V, 3]."""
        table = np.zeros((len(self.width), VALUE_BINS, WAVES))
        for t, bins in enumerate(self.width):
            table[t, :bins] = waves(int(bins))
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
        waved = np.einsum("la,tab,tvb->tlv", LEVEL_BASIS, self.first_level, self.basis)
        return np.asarray(self.first_bias[:, None] + waved + self._pulled(self.first_pull))

    def next_logits(self) -> Floats:
        """Logits of a later value by last bin and level, shape [T, V, LEVELS, V]."""
        basis = self.basis
        last = np.einsum("tua,tab,tvb->tuv", basis, self.next_last, basis)
        level = np.einsum("la,tab,tvb->tlv", LEVEL_BASIS, self.next_level, basis) + self._pulled(self.next_pull)
        near = np.einsum("uvc,tc->tuv", last_kernel(VALUE_BINS), self.near)
        return np.asarray(self.next_bias[:, None, None] + (last + near)[:, :, None] + level[:, None])

    def _pulled(self, pull: Floats) -> Floats:
        kernels = np.zeros((len(self.width), LEVELS, VALUE_BINS, KERNEL))
        for t, bins in enumerate(self.width):
            kernels[t, :, :bins] = level_kernel(int(bins))
        return np.asarray(np.einsum("tlvc,tc->tlv", kernels, pull))

    def weights_of(self, t: int, *, later: bool) -> Floats:
        """Test t's weights in the order of `next_features` if `later`, else of `first_features`."""
        names = _LATER_PARTS if later else _FIRST_PARTS
        flat = [np.ravel(getattr(self, name)[t]) for name in names]
        return np.concatenate([flat[0][: self.width[t]], *flat[1:]])

    def with_weights(self, t: int, weights: Floats, *, later: bool) -> ValueHead:
        """A head whose weights of test t are `weights`, in the order of `weights_of`."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        names = _LATER_PARTS if later else _FIRST_PARTS
        start = int(self.width[t])
        bias = parts[names[0]].copy()
        bias[t, :start] = weights[:start]
        changed = {names[0]: bias}
        for name in names[1:]:
            table = parts[name].copy()
            size = table[t].size
            table[t] = weights[start : start + size].reshape(table[t].shape)
            changed[name], start = table, start + size
        return replace(self, **changed)


_FIRST_PARTS = ("first_bias", "first_level", "first_pull")
_LATER_PARTS = ("next_bias", "next_last", "near", "next_level", "next_pull")


def last_kernel(bins: int) -> Floats:
    """How near each bin is to the last one, [V, V, KERNEL]."""
    return kernel(np.subtract.outer(np.arange(bins), np.arange(bins)).astype(np.float64))


def level_kernel(bins: int) -> Floats:
    """How near each of a test's bins is to the middle of each level, [LEVELS, V, KERNEL]."""
    middle = (np.arange(LEVELS) + 0.5) / LEVELS * bins - 0.5
    return kernel(middle[:, None] - np.arange(bins))


def first_features(basis: Floats) -> Floats:
    """Features of a first value of one test, [LEVELS, V, V + 13], from its value waves [V, 3]."""
    bins = len(basis)
    return np.concatenate(
        [
            np.broadcast_to(np.eye(bins), (LEVELS, bins, bins)),
            np.einsum("la,vb->lvab", LEVEL_BASIS, basis).reshape(LEVELS, bins, -1),
            level_kernel(bins),
        ],
        axis=-1,
    )


def next_features(basis: Floats) -> Floats:
    """Features of a later value of one test, [V * LEVELS, V, V + 26]; contexts run over last bin, then level."""
    bins = len(basis)
    shape = (bins, LEVELS, bins)
    last = np.einsum("ua,vb->uvab", basis, basis).reshape(bins, 1, bins, -1)
    level = np.einsum("la,vb->lvab", LEVEL_BASIS, basis).reshape(1, LEVELS, bins, -1)
    parts = [np.eye(bins), last, last_kernel(bins)[:, None], level, level_kernel(bins)[None]]
    wide = [np.broadcast_to(part, (*shape, part.shape[-1])) for part in parts]
    return np.concatenate(wide, axis=-1).reshape(bins * LEVELS, bins, -1)
