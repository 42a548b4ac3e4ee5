"""The catalogue's lines: what each common laboratory test is called, measured in, bounded by, and who says so."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

VERSION = "1"
ATTRIBUTION = (
    "This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief Institute, Inc. "
    "and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the "
    "license at http://loinc.org/license. LOINC is a registered United States trademark of Regenstrief Institute, Inc. "
    "This product includes units from UCUM (https://ucum.org), copyright Regenstrief Institute, Inc. and the UCUM "
    "Organization, used under the UCUM license."
)
_RANGE = re.compile(r"((?P<sex>[FM]) ?)?((?P<age>\d+)-)?:(?P<low>-?[\d.]*?)\.\.(?P<high>-?[\d.]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What is usual in healthy people of one `sex` (None: both) from `age` in years on (None: any), in the unit."""

    sex: Literal["F", "M"] | None
    age: int | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        whose = " ".join(part for part in (self.sex, None if self.age is None else f"from {self.age} years") if part)
        ends = [f"from {self.low:g}" if self.high is None else f"{self.low:g}"] if self.low is not None else []
        ends += [f"to {self.high:g}" if self.low is not None else f"up to {self.high:g}"] if self.high else []
        return f"{whose}: {' '.join(ends)}" if whose else " ".join(ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One test: bounds, precision and intervals in the UCUM `unit`; a value in another unit times `units[it]` is in it.

    `bounds_from` and `reference_from` are keys of `sources`. `synonyms` are normal forms of names
    in English, German, French and Spanish.
    """

    key: str
    loinc: str
    name: str
    specimen: str
    unit: str
    molar_mass: float | None
    valence: int | None
    units: Mapping[str, float]
    low: float
    high: float
    precision: float
    scale: Literal["linear", "log"]
    bounds_from: str
    reference: tuple[Interval, ...]
    reference_from: str
    synonyms: tuple[str, ...]


@cache
def catalogue() -> tuple[Entry, ...]:
    """All tests, in the order of the file.

    Privacy: free; public.
    """
    return tuple(_entry(row) for row in _rows("tests.csv"))


@cache
def sources() -> Mapping[str, str]:
    """Where figures are from, by key.

    Privacy: free; public.
    """
    return {row["key"]: row["source"] for row in _rows("sources.csv")}


def check_digit(code: str) -> int:
    """The check digit of a LOINC code's number, by the Luhn rule (modulo 10)."""
    total = 0
    for place, digit in enumerate(reversed(code.partition("-")[0])):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return -total % 10


def _rows(name: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _entry(row: dict[str, str]) -> Entry:
    return Entry(
        key=row["key"],
        loinc=row["loinc"],
        name=row["name"],
        specimen=row["specimen"],
        unit=row["unit"],
        molar_mass=float(row["molar_mass"]) if row["molar_mass"] else None,
        valence=int(row["valence"]) if row["valence"] else None,
        units={unit: float(size) for unit, size in (pair.split("=") for pair in row["units"].split(";") if pair)},
        low=float(row["low"]),
        high=float(row["high"]),
        precision=float(row["precision"]),
        scale="log" if row["scale"] == "log" else "linear",
        bounds_from=row["bounds_from"],
        reference=tuple(_interval(part) for part in row["reference"].split(";") if part),
        reference_from=row["reference_from"],
        synonyms=tuple(row["synonyms"].split(";")),
    )


def _interval(text: str) -> Interval:
    met = _RANGE.fullmatch(text)
    if met is None:
        raise ValueError(f"no interval: {text!r}")
    return Interval(
        sex={"F": "F", "M": "M"}.get(met["sex"] or ""),  # type: ignore[arg-type]  # a pattern of two letters
        age=int(met["age"]) if met["age"] else None,
        low=float(met["low"]) if met["low"] else None,
        high=float(met["high"]) if met["high"] else None,
    )
