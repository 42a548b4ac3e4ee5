"""Holds the formulas of a schema against what they read: numbers, categories with their codes, tests."""

from __future__ import annotations

from collections.abc import Mapping

from privacy.formula import Formula
from privacy.schema_lines import Problems
from privacy.schema_parts import Category, Derived, DerivedTest, Number, Test

Columns = Mapping[str, Category | Number | Derived]


def check_formulas(
    columns: Columns, tests: Mapping[str, Test], derived_tests: Mapping[str, DerivedTest], problems: Problems
) -> None:
    """Note every formula that reads what is not there.

    Privacy: free; reads no rows.
    """
    for name, column in columns.items():
        if isinstance(column, Derived):
            path = ("columns", name, "formula")
            for parent in column.parsed.names:
                if not isinstance(columns.get(parent), Number):
                    problems.add(path, f"the formula uses {parent!r}, which is no numeric column")
            _check_matches(columns, column.parsed, path, problems)
    for name, test in derived_tests.items():
        if name in tests:
            text = f"{name!r} must not be a test as well: it is computed, so leave it out of the tests"
            problems.add(("derived_tests", name), text)
        path = ("derived_tests", name, "formula")
        for parent in test.parsed.names:
            _check_parent(columns, tests, parent, path, problems)
        if not any(parent in tests for parent in test.parsed.names):
            problems.add(path, "the formula must use a test; of columns alone make a derived column")
        _check_matches(columns, test.parsed, path, problems)


def _check_parent(
    columns: Columns, tests: Mapping[str, Test], parent: str, path: tuple[str, ...], problems: Problems
) -> None:
    if parent in tests and parent in columns:
        problems.add(path, f"the formula uses {parent!r}, which is both a test and a column")
    elif parent not in tests and not isinstance(columns.get(parent), Number | Derived):
        problems.add(path, f"the formula uses {parent!r}, which is neither test nor numeric column")


def _check_matches(columns: Columns, formula: Formula, path: tuple[str, ...], problems: Problems) -> None:
    for match in formula.matches:
        column = columns.get(match.column)
        if not isinstance(column, Category):
            problems.add(path, f"the formula holds {match.column!r} against a code, which is no category")
        elif str(match.code) not in {str(level) for level in column.levels}:
            known = ", ".join(str(level) for level in column.levels)
            problems.add(path, f"{match.code!r} is no code of {match.column!r}, which has {known}")
