"""Reads the laboratory's data dictionary: a CSV that names tests with their units, and bounds where it has them."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

from privacy.errors import ConfigError, refusal

_NAMES = ("test", "name")
_NUMERIC = frozenset(
    {"", "numeric", "number", "float", "real", "integer", "int", "decimal", "quantitative", "continuous"}
)
_WIDE = 100.0  # bounds that differ by this factor or more ask for bins of equal ratio
_STEPS = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Public bounds that the dictionary gives itself; `precision` is None where it gives none."""

    low: float
    high: float
    precision: float | None

    @property
    def scale(self) -> str:
        """`log` for bounds of a hundredfold or more, else `linear`."""
        return "log" if self.low > 0 and self.high / self.low >= _WIDE else "linear"

    @property
    def step(self) -> float:
        """The precision, or a power of ten guessed from the bounds, at most 1."""
        if self.precision is not None:
            return self.precision
        width = self.low if self.scale == "log" else (self.high - self.low) / _STEPS
        return float(min(1.0, 10.0 ** math.floor(math.log10(width) + 1e-9)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryTest:
    """One line of a data dictionary; `bounds` is None where the catalogue has to give them."""

    name: str
    unit: str
    numeric: bool
    bounds: Bounds | None

    def toml(self, bounds: Bounds) -> str:
        """The test as a table of a schema, with the dictionary's own bounds."""
        guessed = "" if bounds.precision is not None else "  # guessed from the bounds: correct it"
        # a JSON string is a TOML string as well
        lines = [f"[tests.{json.dumps(self.name, ensure_ascii=False)}]"]
        lines.append(f"unit = {json.dumps(self.unit, ensure_ascii=False)}")
        lines += [f"low = {bounds.low:g}", f"high = {bounds.high:g}"]
        lines.append(f"precision = {bounds.step:g}{guessed}")
        if bounds.scale == "log":
            lines.append('scale = "log"')
        return "\n".join(lines) + "\n"


def read_dictionary(path: Path) -> tuple[DictionaryTest, ...]:
    """The tests of a data dictionary; raises ConfigError, naming the line, where one cannot be read.

    Its columns are `test` (or `name`) and, as far as it has them, `unit`, `low`, `high`,
    `precision` and `type`.

    Privacy: free; a dictionary is public.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
        raise ConfigError(
            refusal(what=f"dictionary {path}", must="be a CSV in UTF-8", got="none", fix="check the path")
        ) from error
    rows = csv.DictReader(io.StringIO(text))
    named = next((name for name in _NAMES if name in (rows.fieldnames or ())), None)
    if named is None:
        raise ConfigError(
            refusal(
                what=f"dictionary {path}",
                must=f"have a column {' or '.join(_NAMES)}",
                got="none named so",
                fix="name it so in its first line; unit, low, high, precision and type are read as well",
            )
        )
    tests = tuple(_line(row, named, f"{path}, line {number}") for number, row in enumerate(rows, 2))
    _check_names(tests, path)
    return tests


def _check_names(tests: tuple[DictionaryTest, ...], path: Path) -> None:
    names = [test.name for test in tests]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not tests:
        raise ConfigError(
            refusal(
                what=f"dictionary {path}",
                must="name each test once, and at least one",
                got=f"more than once: {', '.join(twice)}" if twice else "no test",
                fix="keep one line a test",
            )
        )


def _line(row: dict[str, str | None], named: str, place: str) -> DictionaryTest:
    cells = {key: (row.get(key) or "").strip() for key in (named, "unit", "low", "high", "precision", "type")}
    if not cells[named]:
        raise ConfigError(f"{place}: the test must have a name")
    if not (cells[named] + cells["unit"]).isprintable():
        raise ConfigError(f"{place}: name and unit must be one line of printable characters")
    return DictionaryTest(
        name=cells[named],
        unit=cells["unit"],
        numeric=cells["type"].lower() in _NUMERIC,
        bounds=_bounds(cells["low"], cells["high"], cells["precision"], place),
    )


def _bounds(low: str, high: str, precision: str, place: str) -> Bounds | None:
    if not low and not high:
        return None
    try:
        bounds = Bounds(low=float(low), high=float(high), precision=float(precision) if precision else None)
    except ValueError as error:
        raise ConfigError(f"{place}: low, high and precision must be numbers") from error
    if not bounds.low < bounds.high:
        raise ConfigError(f"{place}: low must be below high; got {bounds.low:g} and {bounds.high:g}")
    return bounds
