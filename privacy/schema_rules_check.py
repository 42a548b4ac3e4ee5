"""Holds a schema's constraints against its columns: names, kinds, codes, and whether any row can keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from privacy.linked_codes import LinkedCodes, combinations_of, groups
from privacy.schema_lines import Problems
from privacy.schema_parts import Category, Code, Derived, Number
from privacy.schema_rules import Combinations, Implication, Order

MAX_COMBINATIONS = 4_000_000
Columns = Mapping[str, Category | Number | Derived]
Path = tuple[str, ...]


def check_constraints(
    columns: Columns, constraints: Sequence[Order | Implication | Combinations], problems: Problems
) -> None:
    """Note every constraint that names what is not there, or that no row can keep.

    Privacy: free; reads no rows.
    """
    known = len(problems.rows)
    for place, rule in enumerate(constraints):
        path = ("constraints", str(place))
        match rule:
            case Order():
                _check_order(columns, rule, path, problems)
            case Implication():
                _check_implication(columns, rule, path, problems)
            case Combinations():
                for codes in rule.allowed:
                    for name, code in zip(rule.columns, codes, strict=True):
                        _check_codes(columns, name, (code,), (*path, "allowed"), problems)
    if len(problems.rows) == known:
        _check_room(columns, constraints, problems)


def numeric(columns: Columns, role: str, name: str, path: Path, problems: Problems) -> Number | None:
    """The numeric column `name`, or None and a note at `path` that it is none."""
    column = columns.get(name)
    if isinstance(column, Number):
        return column
    problems.add(path, f"{role} names {name!r}, which is no integer, continuous or date column of the schema")
    return None


def _check_order(columns: Columns, order: Order, path: Path, problems: Problems) -> None:
    before = numeric(columns, "before", order.before, (*path, "before"), problems)
    after = numeric(columns, "after", order.after, (*path, "after"), problems)
    if before is None or after is None or after.missing:
        return
    if after.grid.last * after.step < before.grid.last * before.step:
        problems.add(
            path,
            f"the highest {order.after!r} must not be below the highest {order.before!r}, "
            f"unless {order.after!r} may be missing",
        )


def _check_implication(columns: Columns, rule: Implication, path: Path, problems: Problems) -> None:
    for role, side in (("when", rule.when), ("then", rule.then)):
        for name, codes in side.items():
            _check_codes(columns, name, codes, (*path, role), problems)
    for name in rule.then_missing:
        column = columns.get(name)
        if isinstance(column, Category | Number) and column.missing:
            continue
        got = "no column that is read" if column is None or isinstance(column, Derived) else "a column without missing"
        problems.add((*path, "then_missing"), f"then_missing names {name!r}, which is {got}; it needs missing = true")


def _check_codes(columns: Columns, name: str, codes: Sequence[Code], path: Path, problems: Problems) -> None:
    column = columns.get(name)
    if not isinstance(column, Category):
        problems.add(path, f"{path[-1]} names {name!r}, which is no categorical or ordinal column of the schema")
        return
    known = [str(level) for level in column.levels]
    for code in codes:
        if str(code) not in known:
            problems.add(path, f"{code!r} is no code of {name!r}, which has {', '.join(known)}")


def _check_room(
    columns: Columns, constraints: Sequence[Order | Implication | Combinations], problems: Problems
) -> None:
    """Note where rules leave a code no place at all, and where too many columns hang together to look through."""
    rules = [rule for rule in constraints if not isinstance(rule, Order)]
    for group in groups(rules):
        path = ("constraints", str(list(constraints).index(group[0])))
        count = combinations_of(columns, group)
        if count > MAX_COMBINATIONS:
            problems.add(
                path,
                f"the columns that this constraint and others tie together have {count:,} combinations of codes; "
                f"at most {MAX_COMBINATIONS:,} can be looked through: leave a constraint out",
            )
            continue
        linked = LinkedCodes.of(columns, group)
        for name in linked.names:
            column, possible = columns[name], linked.possible(name)
            levels = column.levels if isinstance(column, Category) else ()
            for place, level in enumerate(levels):
                if not possible[place]:
                    problems.add(path, f"the constraints leave the code {level!r} of {name!r} no place")
