"""Noisy counts, sums and choices: each is paid first, bounds every patient itself, and only then reads rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from privacy.blocks import blocks, nobody
from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.events import DiscreteGaussian, DiscreteLaplace, Event, Gaussian, Selection
from privacy.gate import Gate
from privacy.lattice import private_sum, safe_norm
from privacy.randomness import secret_gaussian, secret_gumbel

Query = Callable[[Cohort], csr_matrix]
LATTICE = 2**18  # steps of the lattice to one clip norm
_MOST_SCORE = 1e6  # keeps the fourth power of a score finite


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyTable:
    """Noisy cells, shape [cells], and the standard deviation of the noise in each, in the cells' unit."""

    values: NDArray[np.float64]
    sigma: float


def noisy_histograms(gate: Gate, name: str, query: Query) -> NoisyTable:
    """Numbers of patients in each cell, with whole-number noise.

    `query` gets a block of patients and returns their contributions [patients, cells]: row i
    from patient i alone, a stored number other than 0 puts the patient into a cell. Each
    patient counts at most once in a cell and in at most `count` cells of the charge's event
    (surplus cells are cut from the right), so one patient moves the table by at most
    sqrt(count) in L2. A DiscreteGaussian event is drawn by diffprivlib (Canonne, Kamath and
    Steinke 2020; its time grows with sigma); a Gaussian event by rounding normal draws.

    Privacy: spends the charge `name`.
    """
    event = gate.charge(name).event
    if not isinstance(event, DiscreteGaussian | Gaussian):
        raise _unplanned(name, event, "DiscreteGaussian or Gaussian")
    most = event.count
    counts = _total(gate, name, query, lambda rows: _at_most(rows, most))
    if isinstance(event, Gaussian):
        noise = np.rint(secret_gaussian(counts.size) * event.noise_multiplier)
        return NoisyTable(values=counts + noise, sigma=event.noise_multiplier)
    values, sigma = _discrete_gaussian(counts, event.sigma)
    return NoisyTable(values=values, sigma=sigma)


def noisy_sums(gate: Gate, name: str, query: Query, *, max_norm: float) -> NoisyTable:
    """Sums of the patients' vectors, each clipped in L2 to `max_norm`, with Gaussian noise on a lattice.

    `query` gets a block of patients and returns their vectors [patients, cells]: row i from
    patient i alone; a row with a non-finite number counts as zero. Rows are cut down to
    whole multiples of `max_norm` / 2^18, so sums are exact and their sensitivity is at most
    `max_norm` in whole-number arithmetic.

    Privacy: spends the charge `name`, a Gaussian event with count 1.
    """
    event = gate.charge(name).event
    if not isinstance(event, Gaussian):
        raise _unplanned(name, event, "Gaussian")
    if event.count != 1 or not (math.isfinite(max_norm) and max_norm > 0):
        raise ConfigError(
            refusal(
                what=f"noisy sums {name!r}",
                must="have a finite max_norm above 0 and an event with count 1",
                got=f"max_norm {max_norm:g}, count {event.count}",
                fix="plan one charge for each vector of sums",
            )
        )
    total = _total(gate, name, query, lambda rows: _on_lattice(rows, max_norm))
    noise = np.rint(secret_gaussian(total.size) * (event.noise_multiplier * LATTICE))
    return NoisyTable(values=(total + noise) * (max_norm / LATTICE), sigma=event.noise_multiplier * max_norm)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyMoments:
    """Noisy sums of products of scores, [s, s] and symmetric, and their noise's standard deviation, [s, s].

    A pair that was not measured has value 0 and an infinite sigma.
    """

    values: NDArray[np.float64]
    sigma: NDArray[np.float64]


def noisy_second_moments(
    gate: Gate,
    name: str,
    query: Callable[[Cohort], NDArray[np.float64]],
    *,
    weights: NDArray[np.float64],
    max_norm: float,
) -> NoisyMoments:
    """Sums over patients of score_a score_b for all pairs a < b at once, as one Gaussian release.

    `query` gets a block of patients and returns their scores [patients, s], row i from patient
    i alone. `weights` [s, s] is public and symmetric, 0 for pairs to leave out; a patient's
    vector (weights_ab score_a score_b) over a < b is clipped in L2 to `max_norm`, noised on a
    lattice and divided by the weights again. A row with a non-finite score counts as zero.

    Privacy: spends the charge `name`, a Gaussian event with count 1.
    """
    event = gate.charge(name).event
    if not isinstance(event, Gaussian) or event.count != 1:
        raise _unplanned(name, event, "Gaussian with count 1")
    upper = np.triu(weights, 1)
    pairs = np.nonzero(upper)
    norm = safe_norm(max_norm, len(pairs[0]))
    rows = gate.open(gate.ledger.spend(name))
    total = np.zeros(weights.shape)
    for block in blocks(rows):
        scores = np.asarray(query(block), dtype=np.float64)
        scores[~np.isfinite(scores).all(axis=1)] = 0.0
        scores = np.clip(scores, -_MOST_SCORE, _MOST_SCORE)
        squares = scores**2
        length = np.sqrt(np.einsum("na,ab,nb->n", squares, upper**2, squares, optimize=True))
        factor = np.minimum(1.0, norm / np.maximum(length, 1e-300)) * (1.0 - 2.0**-40)
        total += (scores * factor[:, None]).T @ scores
    noisy = private_sum((total * upper)[pairs], max_norm=max_norm, noise_multiplier=event.noise_multiplier)
    values, sigma = np.zeros(weights.shape), np.full(weights.shape, np.inf)
    values[pairs] = noisy / upper[pairs]
    sigma[pairs] = event.noise_multiplier * max_norm / upper[pairs]
    return NoisyMoments(values=values + values.T, sigma=np.minimum(sigma, sigma.T))


def noisy_choices(
    gate: Gate, name: str, scores: Callable[[Cohort], NDArray[np.float64]], *, sensitivity: float, k: int
) -> NDArray[np.int64]:
    """The positions of `k` candidates, the best first, by the exponential mechanism without replacement.

    `scores` gets all patients and returns one number a candidate; it owes the proof that one
    patient moves no score by more than `sensitivity`. Gumbel noise of scale
    2 sensitivity / epsilon on every score, then the k largest, is the same as k picks of
    the exponential mechanism one after the other (Durfee and Rogers 2019, lemma 4.2).

    Privacy: spends the charge `name`, a Selection event with count `k`.
    """
    event = gate.charge(name).event
    if not isinstance(event, Selection):
        raise _unplanned(name, event, "Selection")
    if event.count != k or not (math.isfinite(sensitivity) and sensitivity > 0):
        raise ConfigError(
            refusal(
                what=f"choices {name!r}",
                must="pick as many candidates as were planned, at a finite sensitivity above 0",
                got=f"k = {k}, planned {event.count}, sensitivity {sensitivity:g}",
                fix="plan a Selection event with count k",
            )
        )
    rows = gate.open(gate.ledger.spend(name))
    values = np.nan_to_num(np.asarray(scores(rows), dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    noisy = values + secret_gumbel(values.size) * (2.0 * sensitivity / event.epsilon)
    return np.argsort(-noisy, kind="stable")[:k].astype(np.int64)


def noisy_patient_count(gate: Gate, name: str) -> int:
    """The number of patients with geometric noise, never below 0.

    Privacy: spends the charge `name`, a DiscreteLaplace event.
    """
    from diffprivlib.mechanisms.geometric import Geometric

    event = gate.charge(name).event
    if not isinstance(event, DiscreteLaplace):
        raise _unplanned(name, event, "DiscreteLaplace")
    rows = gate.open(gate.ledger.spend(name))
    mechanism = Geometric(epsilon=1.0 / event.scale, sensitivity=1)  # type: ignore[no-untyped-call]
    return max(0, int(mechanism.randomise(len(rows))))  # type: ignore[no-untyped-call]


def _unplanned(name: str, event: Event, wanted: str) -> ConfigError:
    """The refusal, before anything is paid, of a charge that another mechanism carries out."""
    return ConfigError(
        refusal(
            what=f"event of charge {name!r}",
            must=f"be a {wanted}",
            got=type(event).__name__,
            fix="plan the event that this mechanism carries out",
        )
    )


def _total(gate: Gate, name: str, query: Query, bound: Callable[[csr_matrix], csr_matrix]) -> NDArray[np.float64]:
    """Pay, then add the bounded contributions up, block by block; whole numbers, so the sum is exact."""
    rows = gate.open(gate.ledger.spend(name))
    cells = query(nobody(rows)).shape[1]  # known without a patient, hence public
    total = np.zeros(cells, dtype=np.int64)
    for block in blocks(rows):
        contributions = csr_matrix(query(block))
        if contributions.shape != (len(block), cells):
            raise TypeError(f"the query of {name!r} must return [patients, {cells}], as it does without patients")
        total += np.asarray(bound(contributions).sum(axis=0), dtype=np.int64).ravel()
    return total.astype(np.float64)


def _at_most(rows: csr_matrix, most: int) -> csr_matrix:
    """Ones in the first `most` occupied cells of each row."""
    rows = rows.copy()
    rows.sum_duplicates()
    rows.data = np.where(np.isfinite(rows.data) & (rows.data != 0), 1, 0).astype(np.int64)
    rows.eliminate_zeros()
    place = np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], np.diff(rows.indptr))
    rows.data[place >= most] = 0
    return rows


def _on_lattice(rows: csr_matrix, max_norm: float) -> csr_matrix:
    """Rows clipped to `max_norm` and cut toward zero to whole steps, of norm at most LATTICE in whole numbers."""
    rows = rows.astype(np.float64)
    rows.sum_duplicates()
    owner = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    with np.errstate(over="ignore"):
        scaled = rows.data / max_norm
    broken = np.bincount(owner, weights=~np.isfinite(scaled), minlength=rows.shape[0]) > 0
    scaled[broken[owner]] = 0.0
    # the row's largest entry is taken out, so that no square overflows
    largest = np.ones(rows.shape[0])
    np.maximum.at(largest, owner, np.abs(scaled))
    unit = scaled / largest[owner]
    length = np.sqrt(np.bincount(owner, weights=unit**2, minlength=rows.shape[0]))
    factor = np.minimum(largest, 1.0 / np.maximum(length, 1e-300)) * (1.0 - 2.0**-40)
    whole = np.trunc(unit * factor[owner] * LATTICE).astype(np.int64)
    squares = np.zeros(rows.shape[0], dtype=np.int64)
    np.add.at(squares, owner, whole * whole)
    whole[(squares > LATTICE**2)[owner]] = 0  # cannot happen by the margin of 2^-40; kept so that no proof leans on it
    return csr_matrix((whole, rows.indices, rows.indptr), shape=rows.shape)


def _discrete_gaussian(counts: NDArray[np.float64], sigma: float) -> tuple[NDArray[np.float64], float]:
    """Counts with discrete Gaussian noise of parameter `sigma`, and the scale that the library drew with."""
    from diffprivlib.mechanisms.gaussian import GaussianDiscrete

    mechanism = GaussianDiscrete(epsilon=1.0, delta=0.5, sensitivity=1)  # type: ignore[no-untyped-call]
    # the library solves for a scale from one (epsilon, delta); here the joint plan has solved for it
    mechanism._scale = sigma  # noqa: SLF001
    values = np.array([mechanism.randomise(int(count)) for count in counts], dtype=np.float64)
    return values, float(mechanism._scale)  # noqa: SLF001
