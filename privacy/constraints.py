"""What the schema says must hold between a patient's columns, and how it is made to hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from privacy.formula import Formula, Match
from privacy.grid import decimals_of, on_step
from privacy.linked_codes import LinkedCodes, count_places, has_code, is_missing
from privacy.schema import Category, Code, Column, Combinations, Implication, Number, Order, Schema

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Bools = NDArray[np.bool_]
Cells = Mapping[str, NDArray[np.number]]
"""Columns [n] by name: positions in the levels of a category, -1 for missing; else numbers, NaN for missing."""


def derived(schema: Schema, cells: Cells) -> dict[str, Floats]:
    """The derived columns computed from `cells` [n] by name; missing where a parent is missing.

    Privacy: free; a per-patient map.
    """
    return {
        name: rounded(column.parsed.evaluate(read_by(schema, column.parsed, cells)), column.precision)
        for name, column in schema.derived_columns.items()
    }


def read_by(schema: Schema, formula: Formula, cells: Cells) -> dict[str, Floats]:
    """What `formula` reads of `cells`, under the names it looks for; names that are no columns are left out.

    Privacy: free; a per-patient map.
    """
    numbers = {name: np.asarray(cells[name], dtype=np.float64) for name in formula.names if name in cells}
    return numbers | {match.key: _matched(schema, match, cells) for match in formula.matches}


def _matched(schema: Schema, match: Match, cells: Cells) -> Floats:
    """1 where a category has the code, 0 where it has another, NaN where it is missing, shape [n]."""
    has = _fits(schema, match.column, (match.code,), cells)
    return np.where(np.asarray(cells[match.column]) < 0, np.nan, has)


def broken(schema: Schema, rule: Order | Implication | Combinations, cells: Cells) -> Bools:
    """Which patients break `rule`, shape [n].

    Privacy: internal only, when the cells are real.
    """
    match rule:
        case Order():
            return np.asarray(cells[rule.before] > cells[rule.after])
        case Implication():
            held = [_fits(schema, name, codes, cells) for name, codes in rule.when.items()]
            kept = [_fits(schema, name, codes, cells, missing=True) for name, codes in rule.then.items()]
            kept += [_fits(schema, name, (), cells, missing=True) for name in rule.then_missing]
            return np.asarray(np.all(held, axis=0) & ~np.all(kept, axis=0))
        case Combinations():
            rows = [dict(zip(rule.columns, codes, strict=True)) for codes in rule.allowed]
            met = [[_fits(schema, name, (code,), cells, missing=True) for name, code in row.items()] for row in rows]
            return np.asarray(~np.any(np.all(met, axis=1), axis=0))


def ordered(schema: Schema, numbers: Mapping[str, Floats]) -> dict[str, Floats]:
    """`numbers` [n] by name with every order constraint made to hold by changing `after`.

    It becomes missing where that is allowed, else the lowest value of its grid that is not below
    `before`. Constraints may hang together in a chain, so the round is gone as often as there are constraints.

    Privacy: free; a per-patient map.
    """
    repaired = dict(numbers)
    for _ in schema.orders:
        for order in schema.orders:
            column = schema.columns[order.after]
            assert isinstance(column, Number)  # noqa: S101  # the schema was checked when it was loaded
            new = np.nan if column.missing else column.grid.raise_to(repaired[order.before])
            repaired[order.after] = np.where(broken(schema, order, repaired), new, repaired[order.after])
    return repaired


def agreed(schema: Schema, cells: Cells) -> dict[str, NDArray[np.number]]:
    """`cells` with every implication and every list of combinations made to hold.

    Of the columns that rules tie together those that the schema names first are believed: a later one
    that does not go with them becomes missing where it may, else the first code that does.

    Privacy: free; a per-patient map.
    """
    repaired = dict(cells)
    for linked in schema.linked:
        repaired |= _agreed(schema, linked, cells)
    return repaired


def _agreed(schema: Schema, linked: LinkedCodes, cells: Cells) -> dict[str, NDArray[np.number]]:
    taken: list[Places] = []
    new: dict[str, NDArray[np.number]] = {}
    for name in linked.names:
        column, cell = schema.columns[name], cells[name]
        place = _places(column, cell)
        fits = np.broadcast_to(linked.open(taken), (len(place), count_places(column)))
        instead = np.where(fits & is_missing(column), 2, fits).argmax(axis=1)
        place = np.where(np.take_along_axis(fits, place[:, None], axis=1)[:, 0], place, instead)
        taken.append(place)
        if isinstance(column, Category):
            new[name] = np.where(place < len(column.levels), place, -1)
        else:
            new[name] = np.where(is_missing(column)[place], np.nan, cell)
    return new


def _places(column: Column, cell: NDArray[np.number]) -> Places:
    """Where each cell stands among the places of its column, shape [n]."""
    if isinstance(column, Category):
        return np.asarray(np.where(cell < 0, len(column.levels), cell), dtype=np.int64)
    return np.asarray(np.isnan(cell), dtype=np.int64)


def _fits(schema: Schema, name: str, codes: tuple[Code, ...], cells: Cells, *, missing: bool = False) -> Bools:
    """Where a column has one of `codes`, or is missing where that is asked for too, shape [n]."""
    column = schema.columns[name]
    fits = np.zeros(count_places(column), dtype=np.bool_)
    if isinstance(column, Category):
        fits |= has_code(column, codes)
    if missing:
        fits |= is_missing(column)
    return np.asarray(fits[_places(column, cells[name])])


def rounded(values: Floats, precision: float) -> Floats:
    """`values` to the nearest multiple of `precision`, as they are where it is 0."""
    if precision == 0:
        return values
    return on_step(np.rint(values / precision), step=precision, decimals=decimals_of(precision))
