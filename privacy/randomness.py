"""The only place where chance is born: secret draws from the operating system, public draws from a user's seed."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from mpmath.ctx_iv import MPIntervalContext, ivmpf  # type: ignore[import-untyped]
from mpmath.libmp import to_rational  # type: ignore[import-untyped]
from numpy.typing import NDArray

_WORDS = 1 << 64
_PAIRS_A_BLOCK = 1 << 15  # keeps the temporaries of Box and Muller's formula in the processor's cache
_FLOAT_ERROR = 3e-14  # several times what log, sqrt, cos and sin in float64 err by, a unit of radius
_COARSE = np.uint64(1 << 20)  # below it a word is too coarse for the linear bound of the doubt
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # the increment of splitmix64


def secret_bytes(n: int) -> bytes:
    """`n` bytes from the operating system; a key, a salt, never a seed of anything public."""
    return os.urandom(n)


def secret_uniform64(size: int) -> NDArray[np.uint64]:
    """`size` 64-bit words from the operating system, shape [size]."""
    return np.frombuffer(bytearray(os.urandom(8 * size)), dtype=np.uint64)


def secret_whole_gaussian(size: int, sigma: float) -> NDArray[np.float64]:
    """`size` draws of N(0, sigma^2), each rounded to the nearest whole number, shape [size].

    Box and Muller (1958) turn two 64-bit words into two normals. Where float errors or the
    words' own coarseness leave a doubt on which side of a border a draw falls, more words are
    taken and the pair is computed with proven bounds, so that the law is exactly that of the
    rounded normal. Normals that are not rounded are not on offer: their low bits would tell
    more than the accounting allows (Mironov 2012).
    """
    pairs = (size + 1) // 2
    drawn = np.empty(2 * pairs)
    for start in range(0, pairs, _PAIRS_A_BLOCK):
        count = min(_PAIRS_A_BLOCK, pairs - start)
        drawn[2 * start : 2 * (start + count)] = _whole_pairs(secret_uniform64(2 * count), sigma)
    return drawn[:size]


def _whole_pairs(words: NDArray[np.uint64], sigma: float) -> NDArray[np.float64]:
    """Rounded normals [2 n] from words [2 n]: the first half gives the radii, the second the angles."""
    n = len(words) // 2
    draws, doubt = _normals(words)
    draws *= sigma
    doubt *= sigma
    whole = np.rint(draws)
    np.subtract(draws, whole, out=draws)
    np.abs(draws, out=draws)
    unsure = (draws[:n] > 0.5 - doubt) | (draws[n:] > 0.5 - doubt)
    for i in np.flatnonzero(unsure):
        whole[i], whole[n + i] = exact_whole_pair(int(words[i]), int(words[n + i]), sigma)
    return np.asarray(whole, dtype=np.float64)


def _normals(words: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Float normals [2 n] from words [2 n], and how far each pair may be from any real normals of these words, [n]."""
    n = len(words) // 2
    uniform = (words[:n] + 0.5) * 2.0**-64
    angle = words[n:] * (2.0 * math.pi * 2.0**-64)
    with np.errstate(divide="ignore"):
        radius = np.sqrt(-2.0 * np.log(uniform))
        # uniform is off by 2^-53 of itself and by half a cell: the radius by that over uniform and radius
        doubt = _FLOAT_ERROR * (1.0 + radius) + (2.0**-52 + 2.0**-64 / uniform) / radius
    doubt[words[:n] < _COARSE] = np.inf
    return np.concatenate((radius * np.cos(angle), radius * np.sin(angle))), doubt


def exact_whole_pair(radial: int, angular: int, sigma: float) -> tuple[int, int]:
    """The rounded normals of one pair of 64-bit words, which are the first bits of two uniforms.

    Interval arithmetic encloses both normals; while an interval holds a border between two
    whole numbers, 64 more bits from the operating system go to each uniform.
    """
    interval, bits = MPIntervalContext(), 64
    while True:
        interval.prec = 2 * bits + 64
        cell = interval.mpf(2) ** -bits
        if radial > 0:
            radius = interval.sqrt(-2 * interval.log(interval.mpf([radial, radial + 1]) * cell)) * sigma
            angle = 2 * interval.pi * interval.mpf([angular, angular + 1]) * cell
            ends = [_nearest(radius * turn(angle)) for turn in (interval.cos, interval.sin)]
            if all(low == high for low, high in ends):
                return ends[0][0], ends[1][0]
        radial, angular = ((word << 64) | int.from_bytes(secret_bytes(8), "little") for word in (radial, angular))
        bits += 64


def _nearest(enclosure: ivmpf) -> tuple[int, int]:
    """The whole numbers nearest to the two ends of an interval, in exact arithmetic."""
    low, high = (Fraction(*to_rational(end)) for end in enclosure._mpi_)  # the ends, without rounding
    return math.floor(low + Fraction(1, 2)), math.floor(high + Fraction(1, 2))


def secret_gumbel(size: int) -> NDArray[np.float64]:
    """`size` standard Gumbel draws from the operating system's entropy, shape [size].

    Minus the logarithm of an exponential draw, which is taken from the nearer end of (0, 1)
    so that both tails keep their precision down to probabilities of 2^-65.
    """
    word = secret_uniform64(size)
    low = word < np.uint64(1 << 63)
    share = (np.where(low, word, ~word) + 0.5) * 2.0**-64
    exponential: NDArray[np.float64] = np.where(low, -np.log1p(-share), -np.log(share))
    gumbel: NDArray[np.float64] = -np.log(exponential)
    return gumbel


def rate_on_grid(rate: float) -> Fraction:
    """The largest multiple of 2^-64 that is at most `rate`: the probability with which a patient is drawn.

    Raises ValueError for a rate that is no probability.
    """
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"rate must lie between 0 and 1; got {rate:g}")
    return Fraction(math.floor(Fraction(rate) * _WORDS), _WORDS)


def poisson_batch(n: int, rate: float) -> NDArray[np.int64]:
    """Rows of a Poisson batch: each of `n` rows is in with probability `rate`, alone and in secret, [k].

    The size of the batch is itself secret; it may be 0.
    """
    threshold = int(rate_on_grid(rate) * _WORDS)
    if threshold == _WORDS:
        return np.arange(n, dtype=np.int64)
    return np.flatnonzero(secret_uniform64(n) < np.uint64(threshold)).astype(np.int64)


def patient_lots(key: bytes, ids: Sequence[object] | NDArray[np.object_]) -> NDArray[np.uint64]:
    """One lot for each patient: the first 8 bytes of HMAC-SHA256(key, identifier), shape [n].

    A lot depends on the key and on its own patient's identifier alone.
    """
    digests = b"".join(hmac.digest(key, str(one).encode(), "sha256")[:8] for one in ids)
    return np.frombuffer(bytearray(digests), dtype=np.uint64)


def unit_lots(key: bytes, ids: Sequence[object] | NDArray[np.object_]) -> NDArray[np.float64]:
    """The lots of `patient_lots` as numbers in [0, 1), shape [n]."""
    lots: NDArray[np.float64] = (patient_lots(key, ids) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return lots


def record_lots(
    key: bytes,
    ids: Sequence[object] | NDArray[np.object_],
    owner: NDArray[np.integer],
    place: NDArray[np.integer],
) -> NDArray[np.uint64]:
    """One lot for each record, shape [r], from its patient's keyed seed and its place among that patient's records.

    `owner` [r] is the patient's row in `ids`, `place` [r] counts from 0 within the patient.
    The seed is mixed by splitmix64 (Steele, Lea and Flood, 2014). No other patient matters.
    """
    seeds = patient_lots(hmac.digest(key, b"records", "sha256"), ids)
    with np.errstate(over="ignore"):
        word: NDArray[np.uint64] = seeds[owner] + (place.astype(np.uint64) + np.uint64(1)) * _GOLDEN
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = word ^ (word >> np.uint64(31))
    return mixed


def public(seed: int, *names: str) -> np.random.Generator:
    """A generator that anyone can repeat: for initialisation, sampling and evaluation.

    Streams of different `names` are independent of each other. Never for noise, batches or
    lots: whoever knows the seed could take the noise away.
    """
    text = "".join(f"{len(name)}:{name}," for name in (str(seed), *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()))
