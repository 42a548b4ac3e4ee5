"""Which codes rules leave open beside one another: columns that rules tie together, and what each may be given others.

A column's places are those of its levels, and the last place stands for missing where it may be
missing; of a numeric column place 0 stands for known and place 1 for missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.schema_parts import Category, Code, Derived, Number
from privacy.schema_rules import Combinations, Implication

Bools = NDArray[np.bool_]
Places = NDArray[np.int64]
Columns = Mapping[str, Category | Number | Derived]
Rule = Implication | Combinations


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedCodes:
    """Columns that rules tie together, in the schema's order, and which beginnings of a row can be completed.

    `completes[k]` has one axis for each of the first k + 1 columns, as long as that column has places.
    """

    names: tuple[str, ...]
    completes: tuple[Bools, ...]

    @staticmethod
    def of(columns: Columns, rules: Sequence[Rule]) -> LinkedCodes:
        """The columns that `rules` name, under all of them together.

        Privacy: free; made of public facts alone.
        """
        names = _in_order(columns, rules)
        whole = np.ones(tuple(count_places(columns[name]) for name in names), dtype=np.bool_)
        for rule in rules:
            axes = [names.index(name) for name in rule.names]
            table = _implied(columns, rule) if isinstance(rule, Implication) else _combined(columns, rule)
            shape = [whole.shape[axis] if axis in axes else 1 for axis in range(len(names))]
            whole &= table.transpose(np.argsort(axes)).reshape(shape)
        last = len(names) - 1
        return LinkedCodes(
            names=names,
            completes=tuple(np.asarray(whole.any(axis=tuple(range(k + 1, last + 1)))) for k in range(last + 1)),
        )

    def open(self, before: Sequence[Places]) -> Bools:
        """Which places the next column can take after those `before` [n] of the columns in front, shape [n, places]."""
        return np.asarray(self.completes[len(before)][tuple(before)] if before else self.completes[0][None])

    def possible(self, name: str) -> Bools:
        """Which places of a column some row has, shape [places]."""
        others = tuple(axis for axis, other in enumerate(self.names) if other != name)
        return np.asarray(self.completes[-1].any(axis=others))


def linked_codes(columns: Columns, rules: Sequence[Rule]) -> tuple[LinkedCodes, ...]:
    """One for each group of columns that `rules` tie together, directly or through others.

    Privacy: free; made of public facts alone.
    """
    return tuple(LinkedCodes.of(columns, group) for group in groups(rules))


def groups(rules: Sequence[Rule]) -> list[list[Rule]]:
    """The rules by the columns that they tie together, directly or through others."""
    found: list[list[Rule]] = []
    for rule in rules:
        near = [group for group in found if any(set(one.names) & set(rule.names) for one in group)]
        found = [group for group in found if group not in near] + [[*(one for group in near for one in group), rule]]
    return found


def combinations_of(columns: Columns, rules: Sequence[Rule]) -> int:
    """How many combinations of places the columns of `rules` have."""
    return math.prod(count_places(columns[name]) for name in _in_order(columns, rules))


def count_places(column: Category | Number | Derived) -> int:
    """How many places a column has."""
    if isinstance(column, Category):
        return len(column.levels) + column.missing
    return 2


def has_code(column: Category | Number | Derived, codes: Sequence[Code]) -> Bools:
    """Which places of a category hold one of `codes`, shape [places]."""
    assert isinstance(column, Category)  # noqa: S101  # the schema was checked when it was loaded
    words = {str(code) for code in codes}
    return np.array([*(str(level) in words for level in column.levels), *[False] * column.missing])


def is_missing(column: Category | Number | Derived) -> Bools:
    """Which places stand for missing, shape [places]."""
    count = count_places(column)
    last = np.arange(count) == count - 1
    return last if not isinstance(column, Category) or column.missing else np.zeros(count, dtype=np.bool_)


def _in_order(columns: Columns, rules: Sequence[Rule]) -> tuple[str, ...]:
    named = {name for rule in rules for name in rule.names}
    return tuple(name for name in columns if name in named)


def _implied(columns: Columns, rule: Implication) -> Bools:
    """Which rows of places keep an implication, one axis for each of its names."""
    held = [has_code(columns[name], codes) for name, codes in rule.when.items()]
    kept = [has_code(columns[name], codes) | is_missing(columns[name]) for name, codes in rule.then.items()]
    kept += [is_missing(columns[name]) for name in rule.then_missing]
    conditions = np.ix_(*held, *(np.ones_like(keeps) for keeps in kept))
    consequences = np.ix_(*(np.ones_like(holds) for holds in held), *kept)
    # np.ix_ turns a mask into the places where it holds, so that these are the rows where all of it does
    table = np.ones(tuple(len(axis) for axis in (*held, *kept)), dtype=np.bool_)
    table[conditions] = False
    table[consequences] = True
    return table


def _combined(columns: Columns, rule: Combinations) -> Bools:
    """Which rows of places are one of the combinations, or agree with one where they are known."""
    kinds = [columns[name] for name in rule.columns]
    table = np.zeros(tuple(count_places(kind) for kind in kinds), dtype=np.bool_)
    for codes in rule.allowed:
        fits = (has_code(kind, (code,)) | is_missing(kind) for kind, code in zip(kinds, codes, strict=True))
        table[np.ix_(*fits)] = True
    return table
