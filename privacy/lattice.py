"""Gaussian noise on a lattice of whole numbers, so that no float tells more than the ideal mechanism would."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from privacy.randomness import secret_whole_gaussian

MOST_ROWS = 1 << 21  # the most patients that the bounds below allow for, a limit of the software and public
ROW_ERROR = 2.0**-40  # what a row in float64 may differ from its exact value, relative to the norm it is clipped to
KEPT_ERROR = 2.0**-29  # the same for sums that are made without rows; see privacy-argument.md
MOST_CANCELLED = 32.0  # such a gradient counts as no shorter than a 32nd of its terms' lengths together
_ROUNDING = 2.0**-8  # the most that rounding a sum may take of the norm
_MARGIN = 2.0**-16  # left for the float errors of norms and scales; see privacy-argument.md
_MOST_WOBBLE = 0.5  # beyond it the clip norm would drown in the errors
_UNIT = 2.0**-53  # half the spacing of float64 around 1


def lattice_step(max_norm: float, size: int) -> float:
    """The step of the lattice: a power of two of at most 2^-8 `max_norm` / sqrt(`size`)."""
    return float(2.0 ** math.floor(math.log2(max_norm * _ROUNDING / math.sqrt(max(size, 1)))))


def safe_norm(max_norm: float, size: int, *, most_rows: int = MOST_ROWS, row_error: float = ROW_ERROR) -> float:
    """The norm to clip rows of `size` numbers to, so that the released sum has sensitivity `max_norm`.

    With C' the answer, n = `most_rows`, e = `row_error` (the L2 distance of a computed
    clipped row from a function of its patient alone, relative to C'), u = 2^-53 and s the
    lattice's step, two sums that differ by one patient end at most
    C' (1 + 2 n (e + n u)) + sqrt(size) s apart after rounding, and C' is chosen so that
    this is `max_norm`, less a margin of 2^-16. docs/explanation/privacy-argument.md has the
    proof. Raises ValueError when rows are too many or too coarse for a positive answer.
    """
    wobble = 2.0 * most_rows * (row_error + most_rows * _UNIT)
    rounding = math.sqrt(size) * lattice_step(max_norm, size)
    if wobble > _MOST_WOBBLE:
        raise ValueError(f"{most_rows} rows of error {row_error:g} cannot be summed; compute rows in float64")
    return (max_norm - rounding) * (1.0 - _MARGIN) / (1.0 + wobble)


def clip_rows(rows: NDArray[np.floating], norm: float) -> NDArray[np.float64]:
    """Rows [n, p] scaled down to an L2 norm of at most `norm`; a row with a non-finite entry becomes zero.

    Each row depends on itself alone.
    """
    exact = rows.astype(np.float64)
    exact[~np.isfinite(exact).all(axis=1)] = 0.0
    # the largest entry is taken out first, so that no square overflows or vanishes
    largest = np.abs(exact).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)
    exact /= scale[:, None]
    length = np.sqrt(np.einsum("np,np->n", exact, exact))
    factor = np.minimum(scale, norm / np.maximum(length, 1.0))
    exact *= factor[:, None]
    return exact


def clip_factors(lengths: NDArray[np.float64], norm: float) -> NDArray[np.float64]:
    """What vectors of these L2 lengths [n] must be multiplied by to be at most `norm` long; 0 where not finite."""
    factors: NDArray[np.float64] = np.minimum(1.0, norm / np.maximum(lengths, norm))
    return np.where(np.isfinite(lengths), factors, 0.0)


def private_sum(total: NDArray[np.float64], *, max_norm: float, noise_multiplier: float) -> NDArray[np.float64]:
    """A sum [p] of rows clipped to `safe_norm(max_norm, p)`, rounded to the lattice, with Gaussian noise on it.

    The noise has standard deviation `noise_multiplier` x `max_norm` in each coordinate. Since
    x + round(z) = round(x + z) for whole x, the release is the ideal Gaussian mechanism seen
    through a rounding.

    Privacy: internal only; the caller has spent the event that names `noise_multiplier`.
    """
    if not np.isfinite(total).all():
        raise ValueError("a sum of clipped rows is finite; clip the rows with clip_rows first")
    step = lattice_step(max_norm, total.size)
    noise = secret_whole_gaussian(total.size, noise_multiplier * max_norm / step)
    return (np.rint(total / step) + noise.reshape(total.shape)) * step
