"""Patients under conditions, drawn from the model as it stands given them: the table first, records for those alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.randomness import public
from privacy.schema import Category
from synthhealth.conditions import MIN_SHARE, Condition, joined, wanted_levels, wanted_range
from synthhealth.encoding.bins import Bins
from synthhealth.encoding.layout import Slot
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.late_evidence import Follows, LateEvidence, hints_of, reads_of
from synthhealth.generators.table.decoder import Wanted

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]
AT_ONCE = 20_000
WORTH, FIRST_POOL, LARGEST_POOL = 1.25, 5_000, 64
BISECTIONS = 40


@runtime_checkable
class Conditional(Protocol):
    """A model whose patient table can be drawn under evidence before anything else is."""

    @property
    def book(self) -> Codebook:
        """What it has learnt of the public grids."""
        ...

    def attributes(
        self, n: int, rng: np.random.Generator, wanted: Mapping[int, Wanted], hints: Mapping[int, Floats]
    ) -> tuple[Levels, Floats, Floats]:
        """Levels [n, k] as far as evidence goes, log weights [n] under it and the hints, and what else the rest needs.

        Privacy: free; reads no real rows.
        """
        ...

    def completed(self, rows: Levels, behind: Floats, places: Mapping[str, Floats], rng: np.random.Generator) -> Cohort:
        """The cohort that begins with these levels [n, k], all else drawn given them.

        `places` gives for some columns where inside their bins the numbers [n] lie.

        Privacy: free; reads no real rows.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Patients who meet the conditions, and the `share` of the model's patients who do, as estimated on the way."""

    cohort: Cohort
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What conditions say of the table: per column the share of each level that is wanted, and where in bins it lies.

    `allowed[j]` has shape [levels]; `places[name]` is (from, to), each [bins], quantiles in [0, 1]. `follows`
    are the conditions on what follows from several columns, `hints[j]` [levels] which of them may meet those.
    """

    allowed: Mapping[int, Floats]
    places: Mapping[str, tuple[Floats, Floats]]
    columns: Mapping[str, int]
    follows: tuple[Follows, ...]
    hints: Mapping[int, Floats]

    @staticmethod
    def of(book: Codebook, where: Mapping[str, Condition]) -> Evidence:
        """The evidence of all conditions.

        Privacy: free; made of wishes and of what was paid for.
        """
        schema = book.layout.schema
        follows = Follows.of(schema, where)
        late = {one.names[-1] for one in follows} | {name for name in where if reads_of(schema, name) != {name}}
        allowed: dict[int, Floats] = {}
        places: dict[str, tuple[Floats, Floats]] = {}
        columns: dict[str, int] = {}
        for j, (slot, bins) in enumerate(zip(book.layout.attributes, book.attributes, strict=True)):
            if slot.name not in where or slot.name in late:
                continue
            columns[slot.name] = j
            if bins is None:
                column = schema.columns[slot.name]
                assert isinstance(column, Category)  # noqa: S101  # a slot without bins is a category
                allowed[j] = _padded(wanted_levels(column, where[slot.name]), book.columns[j].levels)
            else:
                places[slot.name] = _places(slot, bins, wanted_range(where[slot.name]))
                low, high = places[slot.name]
                allowed[j] = _padded(np.maximum(high - low, 0.0), book.columns[j].levels)
        hints = {j: hint for one in follows for j, hint in hints_of(one, book).items()}
        return Evidence(allowed=allowed, places=places, columns=columns, follows=follows, hints=hints)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """Rows drawn under evidence: weight [m], levels [m, k], what is behind them, and late evidence."""

    weight: Floats
    rows: Levels
    behind: Floats
    late: tuple[LateEvidence, ...]

    @staticmethod
    def drawn(model: Conditional, evidence: Evidence, size: int, rng: np.random.Generator) -> _Pool:
        """`size` rows of the model."""
        late = tuple(LateEvidence(one, model.book, size, rng, evidence.places) for one in evidence.follows)
        wanted: dict[int, Wanted] = {**evidence.allowed, **{one.column: one.shares for one in late}}
        rows, log_weight, behind = model.attributes(size, rng, wanted, evidence.hints)
        return _Pool(weight=np.exp(log_weight), rows=rows, behind=behind, late=late)

    @property
    def worth(self) -> float:
        """How many equally weighted rows would tell as much (Kish 1965)."""
        return float(self.weight.sum() ** 2 / max(float((self.weight**2).sum()), 1e-300))


def sample_given(model: Conditional, where: Mapping[str, Condition], *, n: int, seed: int) -> Given:
    """Exactly `n` patients of `model` who meet every condition, numbered from 1.

    Attributes are drawn under the evidence and resampled by their likelihood (sampling importance
    resampling, Rubin 1988): their law comes to the conditional one as the pool grows, and no
    patient breaks a condition. All that comes after the last column with evidence is drawn given
    those before it, exactly.

    Raises ConfigError when fewer than one patient in ten thousand meets the conditions.

    Privacy: free; post-processing.
    """
    evidence = Evidence.of(model.book, where)
    shares: list[float] = []
    parts: list[Cohort] = []
    for turn, start in enumerate(range(0, n, AT_ONCE)):
        count, rng = min(n - start, AT_ONCE), public(seed, "given", f"{turn}")
        pools = _pools(model, evidence, count, rng)
        weight = np.concatenate([pool.weight for pool in pools])
        shares.append(float(weight.mean()))
        _require_share(where, float(np.mean(shares)))
        drawn = _taken(pools, evidence, _resampled(weight, count, rng), rng)
        parts.append(model.completed(drawn.rows, drawn.behind, drawn.places, rng))
    return Given(cohort=joined(parts), share=float(np.mean(shares)))


def _pools(model: Conditional, evidence: Evidence, n: int, rng: np.random.Generator) -> list[_Pool]:
    """Rows under the evidence, until they are worth WORTH times `n` evenly weighted ones."""
    size = max(n, FIRST_POOL)
    pools = [_Pool.drawn(model, evidence, size, rng)]
    more = int(min(WORTH * n * size / max(pools[0].worth, 1.0), LARGEST_POOL * size)) - size
    if more > 0 and pools[0].weight.any():
        pools.append(_Pool.drawn(model, evidence, more, rng))
    return pools


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """Rows that were chosen, what is behind them, and where inside their bins some numbers lie, [n] by name."""

    rows: Levels
    behind: Floats
    places: Mapping[str, Floats]


def _taken(pools: list[_Pool], evidence: Evidence, chosen: Levels, rng: np.random.Generator) -> _Taken:
    """The rows `chosen` [n] of all pools together, pool by pool."""
    stops = np.cumsum([len(pool.weight) for pool in pools])
    takes = [
        chosen[(chosen >= stop - len(pool.weight)) & (chosen < stop)] - stop + len(pool.weight)
        for pool, stop in zip(pools, stops, strict=True)
    ]
    rows = np.concatenate([pool.rows[take] for pool, take in zip(pools, takes, strict=True)])
    places = {name: _place(ends, rows[:, evidence.columns[name]], rng) for name, ends in evidence.places.items()}
    for one in range(len(evidence.follows)):
        parts = [pool.late[one].places(pool.rows, take, rng) for pool, take in zip(pools, takes, strict=True)]
        places |= {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    behind = np.concatenate([pool.behind[take] for pool, take in zip(pools, takes, strict=True)])
    return _Taken(rows=rows, behind=behind, places=places)


def _resampled(weight: Floats, n: int, rng: np.random.Generator) -> Levels:
    """`n` places of the pool by systematic resampling, in random order, none of them without weight, shape [n]."""
    below = np.cumsum(weight)
    chosen = np.searchsorted(below, (np.arange(n) + rng.random()) / n * below[-1], side="right")
    return rng.permutation(np.minimum(chosen, np.flatnonzero(weight)[-1]))


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
