"""What one patient may contribute: rows bounded one by one, in whole numbers, whatever a query returned."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

LATTICE = 2**18  # steps of the lattice to one clip norm


def in_cells(rows: csr_matrix, most: int) -> csr_matrix:
    """Ones in the first `most` occupied cells of each row [patients, cells]; all else is cut.

    A cell is occupied by a finite number other than 0.
    """
    rows = _ones(rows)
    rows.data[_place(rows) >= most] = 0
    return rows


def in_groups(rows: csr_matrix, groups: NDArray[np.int64]) -> csr_matrix:
    """Ones in the first occupied cell of each group, row by row; `groups` [cells] ascends and is public."""
    rows = _ones(rows)
    owner, group = _owner(rows), groups[rows.indices]
    again = (owner[1:] == owner[:-1]) & (group[1:] == group[:-1])
    rows.data[1:][again] = 0
    return rows


def on_lattice(rows: csr_matrix, max_norm: float) -> csr_matrix:
    """Rows clipped in L2 to `max_norm` and cut toward zero to whole multiples of `max_norm` / LATTICE.

    Each row's squares add up to at most LATTICE^2 in whole numbers; a row with a non-finite
    number becomes zero.
    """
    rows = rows.astype(np.float64)
    rows.sum_duplicates()
    n, owner = rows.shape[0], _owner(rows)
    with np.errstate(over="ignore"):
        scaled = rows.data / max_norm
    broken = np.bincount(owner, weights=~np.isfinite(scaled), minlength=n) > 0
    scaled[broken[owner]] = 0.0
    # the row's largest entry is taken out, so that no square overflows
    largest = np.ones(n)
    np.maximum.at(largest, owner, np.abs(scaled))
    unit = scaled / largest[owner]
    length = np.sqrt(np.bincount(owner, weights=unit**2, minlength=n))
    factor = np.minimum(largest, 1.0 / np.maximum(length, 1e-300)) * (1.0 - 2.0**-40)
    whole = np.trunc(unit * factor[owner] * LATTICE).astype(np.int64)
    squares = np.zeros(n, dtype=np.int64)
    np.add.at(squares, owner, whole * whole)
    # the margin of 2^-40 keeps this from happening; it stays so that no proof leans on float arithmetic
    whole[(squares > LATTICE**2)[owner]] = 0
    return csr_matrix((whole, rows.indices, rows.indptr), shape=rows.shape)


def drawn_codes(key: bytes, patient: str, codes: Collection[str], most: int) -> tuple[str, ...]:
    """At most `most` of one patient's different codes, drawn by a keyed lot of patient and code."""
    different = sorted(set(codes))
    if len(different) <= most:
        return tuple(different)
    own = hmac.digest(key, patient.encode(), "sha256")
    return tuple(sorted(different, key=lambda code: hmac.digest(own, code.encode(), hashlib.sha256))[:most])


def code_weight(count: int) -> int:
    """What each of `count` codes of one patient weighs on the lattice: a vector of norm at most LATTICE."""
    return math.isqrt(LATTICE**2 // count)


def _ones(rows: csr_matrix) -> csr_matrix:
    rows = csr_matrix(rows, copy=True)
    rows.sum_duplicates()
    rows.data = np.where(np.isfinite(rows.data) & (rows.data != 0), 1, 0).astype(np.int64)
    rows.eliminate_zeros()
    return rows


def _owner(rows: csr_matrix) -> NDArray[np.int64]:
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))


def _place(rows: csr_matrix) -> NDArray[np.int64]:
    """Each stored number's place among those of its row, from 0."""
    return np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], np.diff(rows.indptr))
