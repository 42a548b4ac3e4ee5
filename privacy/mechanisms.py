"""Noisy counts, sums and choices: each is paid first, bounds every patient itself, and only then reads rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from privacy.blocks import blocks, nobody
from privacy.choices import Candidates, code_threshold, outer_cells
from privacy.cohort import Cohort
from privacy.contributions import LATTICE, code_weight, drawn_codes, in_cells, in_groups, on_lattice
from privacy.errors import ConfigError, refusal
from privacy.events import DiscreteGaussian, DiscreteLaplace, Event, Gaussian, Selection, Thresholded
from privacy.gate import Gate
from privacy.lattice import private_sum, safe_norm
from privacy.randomness import secret_bytes, secret_gumbel, secret_whole_gaussian

Query = Callable[[Cohort], csr_matrix]
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
    counts = _total(gate, name, query, lambda rows: in_cells(rows, most))
    if isinstance(event, Gaussian):
        noise = secret_whole_gaussian(counts.size, event.noise_multiplier)
        return NoisyTable(values=counts + noise, sigma=event.noise_multiplier)
    values, sigma = _discrete_gaussian(counts, event.sigma)
    return NoisyTable(values=values, sigma=sigma)


def noisy_sums(gate: Gate, name: str, query: Query, *, max_norm: float) -> NoisyTable:
    """Sums of the patients' vectors, each clipped in L2 to `max_norm`, with Gaussian noise on a lattice.

    `query` gets a block of patients and returns their vectors [patients, cells]: row i from
    patient i alone; a row with a non-finite number counts as zero. Rows are cut down to
    whole multiples of `max_norm` / 2^18, so sums are exact and their sensitivity is at most
    `max_norm` in whole-number arithmetic.

    Raises ConfigError where the plan has another event under that name, or `max_norm` bounds nothing.

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
    total = _total(gate, name, query, lambda rows: on_lattice(rows, max_norm))
    noise = secret_whole_gaussian(total.size, event.noise_multiplier * LATTICE)
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

    Raises ConfigError where the plan has another event under that name, TypeError for scores of
    another shape.

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
        scores = np.array(query(block), dtype=np.float64)
        if scores.shape != (len(block), len(weights)):
            raise TypeError(f"the query of {name!r} must return [patients, {len(weights)}]")
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


def noisy_choices(gate: Gate, name: str, query: Query, *, candidates: Candidates, k: int) -> NDArray[np.int64]:
    """The positions of `k` candidates, the best first, by the exponential mechanism without replacement.

    `query` gets a block of patients and returns the cells that each is in [patients, cells];
    a patient counts at most once in each candidate's group of cells (surplus is cut), which
    moves no score by more than the largest weight. Gumbel noise of scale
    2 x sensitivity / epsilon on every score, then the k largest, is the same as k picks of
    the exponential mechanism one after the other (Durfee and Rogers 2019, lemma 4.2).

    Raises ConfigError where the plan has another event under that name, ValueError for
    candidates out of order or without weight.

    Privacy: spends the charge `name`, a Selection event with count `k`.
    """
    event = gate.charge(name).event
    if not isinstance(event, Selection) or event.count != k:
        raise _unplanned(name, event, f"Selection with count {k}")
    if (np.diff(candidates.group) < 0).any() or not (np.isfinite(candidates.weight) & (candidates.weight > 0)).all():
        raise ValueError("candidates need ascending groups and finite weights above 0")
    counts = _total(gate, name, query, lambda rows: in_groups(rows, candidates.group))
    noise = secret_gumbel(len(candidates.weight)) * (2.0 * candidates.sensitivity / event.epsilon)
    return np.argsort(-(candidates.scores(counts) + noise), kind="stable")[:k].astype(np.int64)


def noisy_codes(
    gate: Gate, name: str, codes: Callable[[Cohort], Sequence[Collection[str]]], *, most: int
) -> tuple[str, ...]:
    """The codes that enough patients have, in alphabetical order, where no public list of them exists.

    `codes` gets a block of patients and returns each one's codes. A patient's vote is spread
    over at most `most` codes, drawn by keyed lots, with weight 1 / sqrt(k) on each of k; the
    noisy votes above a threshold are kept. The threshold makes a code that one patient alone
    has survive with a chance of at most `delta` over all such codes: with z the noise's
    standard deviation, max over k of 1 / sqrt(k) + z Phi^-1((1 - delta)^(1/k)) (Desfontaines,
    Voss, Gipson and Mandayam 2022, for Gaussian noise).

    Privacy: spends the charge `name`, a Thresholded event.
    """
    event = gate.charge(name).event
    if not isinstance(event, Thresholded):
        raise _unplanned(name, event, "Thresholded")
    rows = gate.open(gate.ledger.spend(name))
    key, votes = secret_bytes(32), Counter[str]()
    for block in blocks(rows):
        for patient, own in zip(block.ids, codes(block), strict=True):
            kept = drawn_codes(key, str(patient), own, most)
            for code in kept:
                votes[code] += code_weight(len(kept))
    names = sorted(votes)
    noise = secret_whole_gaussian(len(names), event.noise_multiplier * LATTICE)
    noisy = np.array([votes[code] for code in names], dtype=np.float64) + noise
    least = code_threshold(event, most) * LATTICE
    return tuple(code for code, vote in zip(names, noisy, strict=True) if vote > least)


def noisy_bounds(
    gate: Gate,
    name: str,
    values: Callable[[Cohort], NDArray[np.float64]],
    *,
    edges: NDArray[np.float64],
    share: float = 0.01,
) -> tuple[float, float]:
    """Two edges of a public grid between which all but about `share` of the patients' values lie on each side.

    `values` gets a block of patients and returns one value each, NaN for none; `edges` [e]
    ascend and are public, values beyond them count in the outer cells. The noisy histogram
    on the grid is added up from both ends, which is post-processing.

    Privacy: spends the charge `name`, a DiscreteGaussian or Gaussian event with count 1.
    """

    def cell(block: Cohort) -> csr_matrix:
        own = np.asarray(values(block), dtype=np.float64)
        known = np.flatnonzero(~np.isnan(own))
        place = np.clip(np.searchsorted(edges, own[known], side="right") - 1, 0, len(edges) - 2)
        return csr_matrix((np.ones(len(known)), (known, place)), shape=(len(block), len(edges) - 1))

    table = noisy_histograms(gate, name, cell)
    low, high = outer_cells(table.values, table.sigma, share=share)
    return float(edges[low]), float(edges[high + 1])


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


def _discrete_gaussian(counts: NDArray[np.float64], sigma: float) -> tuple[NDArray[np.float64], float]:
    """Counts with discrete Gaussian noise of parameter `sigma`, and the scale that the library drew with."""
    from diffprivlib.mechanisms.gaussian import GaussianDiscrete

    mechanism = GaussianDiscrete(epsilon=1.0, delta=0.5, sensitivity=1)  # type: ignore[no-untyped-call]
    # the library solves for a scale from one (epsilon, delta); here the joint plan has solved for it
    mechanism._scale = sigma  # noqa: SLF001
    values = np.array([mechanism.randomise(int(count)) for count in counts], dtype=np.float64)
    return values, float(mechanism._scale)  # noqa: SLF001
