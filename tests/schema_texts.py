"""Schema texts that tests put together from parts, a line of Python for a column or a test."""

from __future__ import annotations

import json

Code = str | int
Codes = dict[str, Code | list[Code]]


def schema_text(
    name: str,
    *parts: str,
    size: int = 100,
    cap: int = 40,
    window: tuple[float, float] = (0, 48),
    **more: str | float | list[str],
) -> str:
    """The text of a schema for `size` patients, at most `cap` records each; `more` are further keys of its head."""
    return "\n".join([_keys(name=name, cohort_size=size, **more), unit(cap=cap, window=window), *parts])


def unit(*, cap: int, window: tuple[float, float]) -> str:
    """The privacy unit."""
    return "[privacy_unit]\n" + _keys(max_records=cap, window=list(window))


def number(name: str, low: float, high: float, precision: float | None = None, **more: str | float) -> str:
    """A column of numbers from `low` to `high`: whole ones unless a `precision` is given."""
    kind = {"kind": "integer"} if precision is None else {"kind": "continuous", "precision": precision}
    return f"[columns.{json.dumps(name)}]\n" + _keys(**{**kind, "low": low, "high": high, **more})


def category(name: str, *codes: Code, **more: str | bool) -> str:
    """A category."""
    return f"[columns.{json.dumps(name)}]\n" + _keys(**{"kind": "categorical", "codes": list(codes), **more})


def derived(name: str, formula: str, precision: float = 0) -> str:
    """A column that follows from others, exactly unless a `precision` is given."""
    return f"[columns.{json.dumps(name)}]\n" + _keys(kind="derived", formula=formula, precision=precision)


def lab(name: str, low: float, high: float, precision: float = 1, **more: str | float) -> str:
    """A test with values from `low` to `high`."""
    return f"[tests.{json.dumps(name)}]\n" + _keys(low=low, high=high, precision=precision, **more)


def coded_lab(name: str, *codes: int, **more: str) -> str:
    """A test whose results are codes."""
    return f"[tests.{json.dumps(name)}]\n" + _keys(codes=list(codes), **more)


def derived_lab(name: str, formula: str, low: float, high: float, precision: float, **more: str) -> str:
    """A test that follows from others of its draw."""
    keys = _keys(formula=formula, low=low, high=high, precision=precision, **more)
    return f"[derived_tests.{json.dumps(name)}]\n" + keys


def order(before: str, after: str) -> str:
    """A column that is never above another."""
    return "[[constraints]]\n" + _keys(kind="order", before=before, after=after)


def implication(when: Codes, *, then: Codes | None = None, then_missing: list[str] | None = None) -> str:
    """What follows from codes of some columns."""
    told = {"then": then, "then_missing": then_missing}
    said = {key: value for key, value in told.items() if value is not None}
    return "[[constraints]]\n" + _keys(kind="implication", when=when, **said)


def combinations(columns: list[str], *allowed: list[Code]) -> str:
    """The combinations of codes that exist."""
    return "[[constraints]]\n" + _keys(kind="combinations", columns=columns, allowed=list(allowed))


def _keys(**values: object) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in values.items())


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    # numbers, words, truths and lists of them are written alike in TOML and JSON
    return json.dumps(value)


AGE = number("age", 18, 90)
SEX = category("sex", "F", "M", missing=True)
