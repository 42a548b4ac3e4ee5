"""Patients under conditions, drawn from the model as it stands given them: the table first, records for those alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.randomness import public
from privacy.schema import Category
from synthhealth.conditions import MIN_SHARE, Condition, joined, meets, wanted_levels, wanted_range
from synthhealth.encoding.bins import Bins
from synthhealth.encoding.layout import Slot
from synthhealth.generators.fitted import Fitted

Floats = NDArray[np.float64]
AT_ONCE = 20_000
POOL, FIRST_POOL, LARGEST_POOL = 3, 10_000, 64
BISECTIONS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Patients who meet the conditions, and the `share` of the model's patients who do, as estimated on the way."""

    cohort: Cohort
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What conditions say of the table: per column the share of each level that is wanted, and where in bins it lies.

    `allowed[j]` has shape [levels]; `places[name]` is (from, to), each [bins], quantiles in [0, 1].
    """

    allowed: Mapping[int, Floats]
    places: Mapping[str, tuple[Floats, Floats]]
    columns: Mapping[str, int]

    @staticmethod
    def of(model: Fitted, where: Mapping[str, Condition]) -> Evidence:
        """The evidence of all conditions on columns that are drawn as they are read.

        Derived columns, and columns that an order constraint may still change, are left out: conditions on
        them are met by drawing the attributes again.
        """
        schema, book = model.book.layout.schema, model.book
        changed = {name for order in schema.orders for name in (order.before, order.after)}
        allowed: dict[int, Floats] = {}
        places: dict[str, tuple[Floats, Floats]] = {}
        columns: dict[str, int] = {}
        for j, (slot, bins) in enumerate(zip(book.layout.attributes, book.attributes, strict=True)):
            if slot.name not in where or slot.name in changed:
                continue
            columns[slot.name] = j
            if bins is None:
                column = schema.columns[slot.name]
                assert isinstance(column, Category)  # noqa: S101  # a slot without bins is a category
                allowed[j] = _padded(wanted_levels(column, where[slot.name]), model.decoder.scores[j].table.shape[0])
            else:
                places[slot.name] = _places(slot, bins, wanted_range(where[slot.name]))
                low, high = places[slot.name]
                allowed[j] = _padded(np.maximum(high - low, 0.0), model.decoder.scores[j].table.shape[0])
        return Evidence(allowed=allowed, places=places, columns=columns)


def sample_given(model: Fitted, where: Mapping[str, Condition], *, n: int, seed: int) -> Given:
    """Exactly `n` patients of `model` who meet every condition, numbered from 1.

    Attributes are drawn under the evidence and resampled by their likelihood (sampling importance
    resampling, Rubin 1988): their law comes to the conditional one as the pool grows, and no
    patient breaks a condition. Everything after the attributes is drawn given them, exactly.

    Raises ConfigError when fewer than one patient in ten thousand meets the conditions.

    Privacy: free; post-processing.
    """
    evidence = Evidence.of(model, where)
    if any(share.sum() == 0 for share in evidence.allowed.values()):
        _require_share(where, 0.0)
    shares: list[float] = []
    parts: list[Cohort] = []
    for turn, start in enumerate(range(0, n, AT_ONCE)):
        rng = public(seed, "given", f"{turn}")
        codes, patients = _attributes(model, evidence, where, min(n - start, AT_ONCE), rng, shares)
        codes, _ = model.decoder.sample(len(codes), rng, prefix=codes)
        parts.append(model.with_records(codes, patients, rng))
    return Given(cohort=joined(parts), share=float(np.mean(shares)))


def _attributes(
    model: Fitted,
    evidence: Evidence,
    where: Mapping[str, Condition],
    n: int,
    rng: np.random.Generator,
    shares: list[float],
) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Levels [n, attributes] and the `n` patients, who meet every condition; `shares` gets the share of each try."""
    codes: list[NDArray[np.int64]] = []
    frames: list[pd.DataFrame] = []
    found = 0
    while found < n:
        tried, patients, share = _try(model, evidence, where, n - found, rng)
        shares.append(share)
        _require_share(where, float(np.mean(shares)))
        codes.append(tried)
        frames.append(patients)
        found += len(patients)
    return np.concatenate(codes), pd.concat(frames, ignore_index=True)


def _try(
    model: Fitted, evidence: Evidence, where: Mapping[str, Condition], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], pd.DataFrame, float]:
    """At most `n` patients who meet every condition, with their levels, and the share of patients who do."""
    weight, codes = _pool(model, evidence, n, rng)
    # a derived column, or one that a constraint may change, is looked at once it is there
    complete = len(evidence.columns) == len(where)
    chosen = codes[_resampled(weight, n if complete else len(weight), rng)]
    places = {name: _place(ends, chosen[:, evidence.columns[name]], rng) for name, ends in evidence.places.items()}
    patients = model.book.patients(chosen, rng, places=places)
    kept = np.flatnonzero(meets(model.book.cohort(patients, None, rng), where))
    share = float(weight.mean()) * len(kept) / len(chosen)
    return chosen[kept[:n]], patients.iloc[kept[:n]], share


def _pool(model: Fitted, evidence: Evidence, n: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Weights and levels [m, attributes] under the evidence, as many as make up for uneven weights."""
    head = model.decoder.head(len(model.book.attributes))
    size = max(POOL * n, FIRST_POOL)
    rows, log_weight = head.sample(size, rng, allowed=evidence.allowed)
    weight = np.exp(log_weight)
    told = float(weight.sum() ** 2 / max(float((weight**2).sum()), 1e-300))
    more = int(min(2 * n * size / max(told, 1.0), LARGEST_POOL * n)) - size
    if more > 0:
        further, log_further = head.sample(more, rng, allowed=evidence.allowed)
        rows, weight = np.concatenate([rows, further]), np.concatenate([weight, np.exp(log_further)])
    return weight, rows


def _resampled(weight: Floats, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`n` places of the pool by systematic resampling, in random order, shape [n]."""
    below = np.cumsum(weight) / max(float(weight.sum()), 1e-300)
    chosen = np.searchsorted(below, (np.arange(n) + rng.random()) / n, side="right")
    return rng.permutation(np.minimum(chosen, len(weight) - 1))


def _padded(shares: Floats, levels: int) -> Floats:
    """`shares` with 0 for the level of a missing value, shape [levels]."""
    return np.concatenate([shares, np.zeros(levels - len(shares))])


def _places(slot: Slot, bins: Bins, wanted: tuple[float, float]) -> tuple[Floats, Floats]:
    """Between which quantiles of each bin the values lie in the `wanted` range, by bisection; values rise with them."""
    assert slot.grid is not None  # noqa: S101  # a slot with bins has a grid
    grid, every = slot.grid, np.arange(bins.count)
    ends = []
    for bound, reaches in ((wanted[0], np.greater_equal), (wanted[1], np.greater)):
        low, high = np.zeros(bins.count), np.ones(bins.count)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            reached = reaches(bins.value(grid, every, middle), bound)
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        ends.append(high)
    return ends[0], ends[1]


def _place(ends: tuple[Floats, Floats], levels: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Where inside its bin each number lies, uniform on the wanted part, shape [n]."""
    low, high = ends[0][levels], ends[1][levels]
    return np.asarray(low + (high - low) * rng.random(len(levels)))


def _require_share(where: Mapping[str, Condition], share: float) -> None:
    if share < MIN_SHARE:
        raise ConfigError(
            refusal(
                what=f"conditions on {', '.join(where)}",
                must="be met by at least one synthetic patient in 10,000",
                got="fewer",
                fix="ask for a wider range, or for fewer conditions",
            )
        )
