"""Evidence on what follows from several attributes: a derived column, a column that an order may still change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.constraints import derived, ordered
from privacy.randomness import public
from privacy.schema import Category, Derived, Number, Schema
from synthhealth.conditions import Condition, wanted_levels, wanted_range
from synthhealth.generators.codebook import Codebook

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]
Bools = NDArray[np.bool_]
Places = tuple[Floats, Floats]
POINTS, MOVES = 6, 3
TRIALS, LEAST_HINT = 100, 0.03
ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """Conditions on what follows from the attributes `names`, in the table's order; the last is looked at with them.

    `schema` is cut down to these columns, what is derived from them and the orders among them.
    """

    names: tuple[str, ...]
    where: Mapping[str, Condition]
    schema: Schema

    @staticmethod
    def of(schema: Schema, where: Mapping[str, Condition]) -> tuple[Follows, ...]:
        """One for each group of conditions that read a column in common; conditions on other columns are in none.

        Privacy: free; made of public facts and wishes.
        """
        groups: list[tuple[set[str], dict[str, Condition]]] = []
        for name, wanted in where.items():
            reads = reads_of(schema, name)
            if reads == {name}:
                continue
            near = [group for group in groups if group[0] & reads]
            groups = [group for group in groups if group not in near]
            merged = {name: wanted}
            for names, conditions in near:
                reads |= names
                merged |= conditions
            groups.append((reads, merged))
        return tuple(Follows._cut(schema, names, conditions, where) for names, conditions in groups)

    @staticmethod
    def _cut(schema: Schema, names: set[str], mine: Mapping[str, Condition], where: Mapping[str, Condition]) -> Follows:
        kept = {name: column for name, column in schema.columns.items() if name in names or name in mine}
        orders = tuple(order for order in schema.orders if {order.before, order.after} <= names)
        return Follows(
            names=tuple(name for name in schema.free_columns if name in names),
            where={**mine, **{name: wanted for name, wanted in where.items() if name in names}},
            schema=schema.model_copy(update={"columns": kept, "constraints": orders}),
        )

    def holds(self, cells: Mapping[str, Floats]) -> Bools:
        """Which rows of `cells` [m] meet the conditions, after orders and formulas are made to hold, shape [m]."""
        numbers = {name: cell for name, cell in cells.items() if isinstance(self.schema.columns[name], Number)}
        final = {**cells, **ordered(self.schema, numbers)}
        final |= derived(self.schema, final)
        met = []
        for name, wanted in self.where.items():
            column = self.schema.columns[name]
            if isinstance(column, Category):
                met.append(np.append(wanted_levels(column, wanted), 0.0)[final[name].astype(np.int64)] > 0)
            else:
                low, high = wanted_range(wanted)
                met.append((final[name] >= low) & (final[name] <= high))
        return np.asarray(np.all(met, axis=0))


def reads_of(schema: Schema, name: str) -> set[str]:
    """The attributes that the final value of a column follows from; of most columns itself alone.

    Privacy: free; made of public facts alone.
    """
    column = schema.columns[name]
    if isinstance(column, Derived):
        parents = {*column.parsed.names, *(match.column for match in column.parsed.matches)}
        return {read for parent in parents for read in reads_of(schema, parent)}
    found, before = {name}, {name}
    while before:
        before = {order.before for order in schema.orders if order.after in before} - found
        found |= before
    return found


class LateEvidence:
    """The conditions of `follows` on `n` rows while they are drawn: numbers inside the bins are drawn along with them.

    Of the last column POINTS numbers a bin are tried, one in each of as many equal parts of the bin. A level's
    share is that of its numbers that meet the conditions, and one of those is taken, so that rows are properly
    weighted (Tran et al., importance sampling squared, 2013).
    """

    def __init__(
        self, follows: Follows, book: Codebook, n: int, rng: np.random.Generator, within: Mapping[str, Places]
    ) -> None:
        self.follows, self.book, self.within = follows, book, within
        self.slots = {slot.name: j for j, slot in enumerate(book.layout.attributes)}
        *self.first, self.last = follows.names
        self.column = self.slots[self.last]
        self.levels = book.columns[self.column].levels
        self.inside = {name: rng.random(n) for name in self.first}
        points = 1 if book.attributes[self.column] is None else POINTS
        # rows that stand together try the same numbers: few enough that the pool as a whole tries many
        lots = np.repeat(rng.random((-(-n // ROWS_AT_ONCE), points)), ROWS_AT_ONCE, axis=0)[:n]
        self.tried = (np.arange(points) + lots) / points
        self.fits: Bools = np.zeros((n, self.levels, points), dtype=np.bool_)

    def shares(self, rows: Levels) -> Floats:
        """The share of each level of the last column that meets the conditions given `rows`, shape [n, levels]."""
        points = self.tried.shape[1]
        every = np.repeat(np.arange(self.levels), points)
        given = {name: self._cells(name, rows[:, self.slots[name]], self.inside[name]) for name in self.first}
        for start in range(0, len(rows), ROWS_AT_ONCE):
            mine = slice(start, start + ROWS_AT_ONCE)
            count = len(rows[mine])
            cells = {name: np.repeat(cell[mine], len(every)) for name, cell in given.items()}
            candidates = self._cells(self.last, every, np.tile(self.tried[start], self.levels))
            cells[self.last] = np.tile(candidates, count)
            self.fits[mine] = self.follows.holds(cells).reshape(count, self.levels, points)
        return np.asarray(self.fits.mean(axis=2))

    def places(self, rows: Levels, take: Levels, rng: np.random.Generator) -> dict[str, Floats]:
        """Where inside their bins the numbers of the rows `take` [m] of `rows` lie, [m] by name.

        They are moved a few times, each time by up to a part of the bin, and stay where the conditions no longer
        held: the Metropolis rule for the uniform law on the places that meet them, so that rows that were taken
        twice are not alike.
        """
        chosen = rows[take]
        fits = self.fits[take, chosen[:, self.column]]
        inside = {name: place[take] for name, place in self.inside.items()}
        point = np.where(fits, rng.random(fits.shape), -1.0).argmax(axis=1)
        inside[self.last] = self.tried[take, point]
        for _ in range(MOVES):
            moved = {name: (place + rng.uniform(-1, 1, len(take)) / POINTS) % 1.0 for name, place in inside.items()}
            cells = {name: self._cells(name, chosen[:, self.slots[name]], place) for name, place in moved.items()}
            holds = self.follows.holds(cells)
            inside = {name: np.where(holds, moved[name], place) for name, place in inside.items()}
        numbers = [name for name in inside if self.book.attributes[self.slots[name]] is not None]
        return {name: self._place(name, chosen[:, self.slots[name]], inside[name]) for name in numbers}

    def _place(self, name: str, levels: Levels, inside: Floats) -> Floats:
        """Where in its bin a number lies that is `inside` of the way through what is wanted of the bin."""
        if name not in self.within:
            return inside
        low, high = (end[np.minimum(levels, len(end) - 1)] for end in self.within[name])
        return np.asarray(low + inside * (high - low))

    def _cells(self, name: str, levels: Levels, inside: Floats) -> Floats:
        return cells_of(self.book, name, levels, self._place(name, levels, inside))


def hints_of(follows: Follows, book: Codebook) -> dict[int, Floats]:
    """How far each level of every column but the last may meet the conditions, [levels] above 0 by column.

    The others are taken as independent, which is wrong and costs nothing but weight.

    Privacy: free; post-processing.
    """
    rng = public(0, "hints")
    slots = {slot.name: j for j, slot in enumerate(book.layout.attributes)}
    found = {}
    for name in follows.names[:-1]:
        levels = book.columns[slots[name]].levels
        drawn = {
            other: cells_of(
                book, other, _independent(book, slots[other], levels * TRIALS, rng), rng.random(levels * TRIALS)
            )
            for other in follows.names
        }
        mine = np.repeat(np.arange(levels), TRIALS)
        drawn[name] = cells_of(book, name, mine, rng.random(len(mine)))
        share = follows.holds(drawn).reshape(levels, TRIALS).mean(axis=1)
        found[slots[name]] = share + LEAST_HINT * share.max() if share.any() else np.ones(levels)
    return found


def _independent(book: Codebook, j: int, n: int, rng: np.random.Generator) -> Levels:
    """Levels [n] of a column by the noisy mass of its bins, or each code alike."""
    bins = book.attributes[j]
    if bins is None:
        return rng.integers(0, book.columns[j].levels, n)
    return rng.choice(bins.count, n, p=bins.mass / bins.mass.sum())


def cells_of(book: Codebook, name: str, levels: Levels, place: Floats) -> Floats:
    """The values of an attribute at these levels and places in the bins [m]; -1 or NaN where it is missing.

    Privacy: free; post-processing.
    """
    j = next(j for j, slot in enumerate(book.layout.attributes) if slot.name == name)
    slot, bins = book.layout.attributes[j], book.attributes[j]
    if bins is None:
        return np.where(levels >= slot.levels, -1, levels).astype(np.float64)
    column = book.layout.schema.columns[name]
    assert slot.grid is not None  # noqa: S101  # a slot with bins has a grid
    assert isinstance(column, Number)  # noqa: S101  # the same
    values = column.grid.snap(bins.value(slot.grid, np.minimum(levels, bins.count - 1), place))
    return np.where(levels >= bins.count, np.nan, values)
