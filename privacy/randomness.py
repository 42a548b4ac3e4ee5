"""The only place where chance is born: secret draws from the operating system, public draws from a user's seed."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_WORDS = 1 << 64
_PAIRS_A_BLOCK = 1 << 15  # keeps the temporaries of Box and Muller's formula in the processor's cache
_TAIL = np.uint64(1 << 53)  # below it float64 has room for a fraction of the word
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # the increment of splitmix64


def secret_bytes(n: int) -> bytes:
    """`n` bytes from the operating system; a key, a salt, never a seed of anything public."""
    return os.urandom(n)


def secret_uniform64(size: int) -> NDArray[np.uint64]:
    """`size` 64-bit words from the operating system, shape [size]."""
    return np.frombuffer(bytearray(os.urandom(8 * size)), dtype=np.uint64)


def secret_gaussian(size: int) -> NDArray[np.float64]:
    """`size` standard normal draws from the operating system's entropy, shape [size].

    Box and Muller (1958): two normals from two uniforms. The radius takes a word `a` as
    (a + 1/2) / 2^64 in (0, 1]; where `a` is below 2^53, a second word stands for its
    fraction, so that the tail is as fine as the middle and reaches 13.3 standard deviations,
    never infinity. docs/explanation/privacy-argument.md bounds what rounding adds to the loss.
    """
    pairs = (size + 1) // 2
    drawn = np.empty(2 * pairs)
    for start in range(0, pairs, _PAIRS_A_BLOCK):
        count = min(_PAIRS_A_BLOCK, pairs - start)
        words = secret_uniform64(2 * count)
        radius = words[:count] + 0.5
        tail = np.flatnonzero(words[:count] < _TAIL)
        radius[tail] = words[tail] + (secret_uniform64(len(tail)) + 0.5) * 2.0**-64
        radius *= 2.0**-64
        np.log(radius, out=radius)
        radius *= -2.0
        np.sqrt(radius, out=radius)
        angle = words[count:] * (2.0 * math.pi * 2.0**-64)
        block = drawn[2 * start : 2 * (start + count)]
        np.cos(angle, out=block[:count])
        np.sin(angle, out=block[count:])
        block[:count] *= radius
        block[count:] *= radius
    return drawn[:size]


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
    """The largest multiple of 2^-64 that is at most `rate`: the probability with which a patient is drawn."""
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"rate must lie between 0 and 1; got {rate:g}")
    return Fraction(math.floor(Fraction(rate) * _WORDS), _WORDS)


def poisson_batch(n: int, rate: float) -> NDArray[np.int64]:
    """Rows of a Poisson batch: each of `n` rows is in with probability `rate`, alone and in secret.

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
