"""Finds the catalogue's test for a name and a unit as a laboratory writes them, and says when it is in doubt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from synthhealth.catalogue.entries import Entry, catalogue
from synthhealth.catalogue.names import Name, parts
from synthhealth.catalogue.units import factor, ucum

_ALIKE, _LONG_ENOUGH = 0.86, 4
_DEFAULT = ("serum", "blood", "arterial")
_PURE = ("", "1", "-")  # how a number without a unit is written
_WITHOUT_UNIT = ("{INR}", "[pH]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The test that a name seems to mean; `doubt` says why a person must look, and is empty for a sure match.

    A value in the laboratory's unit times `factor` is in the entry's unit; None where that is not known.
    """

    entry: Entry | None
    factor: float | None
    doubt: str


def find(name: str, unit: str) -> Match:
    """The catalogue's test for `name`, measured in `unit`.

    A match is sure only when the whole name, or each of its parts, is a known name of one test,
    the specimen that is told is the test's, and the unit converts into the test's. Where no
    specimen is told, serum or plasma is meant before blood, and blood before arterial blood.

    Privacy: free; names and units are public.
    """
    stated, entries, rest = _named(name)
    if not entries:
        return _nearly(name, unit)
    fitting = [entry for entry in entries if entry.specimen in (_DEFAULT if stated is None else (stated,))]
    if not fitting:
        return _doubted(entries[0], unit, f"its specimen seems to be {stated}, the catalogue has {entries[0].specimen}")
    convertible = [entry for entry in fitting if _factor(entry, unit) is not None]
    if not convertible:
        told = f"the unit {unit!r}" if unit.strip() else "no unit"
        return _doubted(fitting[0], unit, f"{told} does not lead to {fitting[0].unit}")
    first = min(convertible, key=_order)
    if len({entry.specimen for entry in convertible}) < len(convertible):
        others = ", ".join(f"{entry.loinc} {entry.name}" for entry in convertible if entry is not first)
        return _doubted(first, unit, f"the name also means {others}")
    if rest:
        return _doubted(first, unit, f"the name also says {', '.join(map(repr, rest))}")
    return Match(entry=first, factor=_factor(first, unit), doubt="")


def _named(name: str) -> tuple[str | None, list[Entry], tuple[str, ...]]:
    """The specimen that is told, the tests that a name means, and its parts that mean no test."""
    whole = Name.of(name)
    entries = _known(whole)
    if entries:
        return whole.specimen, entries, ()
    pieces = [(text, Name.of(text)) for text in parts(name)]
    found = [(text, _known(piece)) for text, piece in pieces if piece.words]
    meant = [set(map(_key, known)) for _, known in found if known]
    common = set.intersection(*meant) if meant else set()
    rest = tuple(text for text, known in found if not known)
    return whole.specimen, [entry for entry in catalogue() if entry.key in common], rest


def _nearly(name: str, unit: str) -> Match:
    """A doubtful match by a similar name, or by a known name inside the name; none where there is nothing similar."""
    asked = Name.of(name)
    words, run = set(asked.words), asked.keys[0]
    inside = [key for key, known in _by_words().items() if known <= words and len(key) >= _LONG_ENOUGH]
    alike = difflib.get_close_matches(run, _index(), n=1, cutoff=_ALIKE) if len(run) >= _LONG_ENOUGH else []
    for key in (*alike, *sorted(inside, key=len, reverse=True)):
        entries = sorted(_index()[key], key=lambda entry: (_factor(entry, unit) is None, _order(entry)))
        return _doubted(entries[0], unit, "the name is only similar to one that the catalogue knows")
    return Match(entry=None, factor=None, doubt="the catalogue knows no such name")


def _doubted(entry: Entry, unit: str, why: str) -> Match:
    return Match(entry=entry, factor=_factor(entry, unit), doubt=why)


def _factor(entry: Entry, unit: str) -> float | None:
    """What turns `unit` into the entry's, by the units that are customary for it."""
    if unit.strip() in _PURE or ucum(unit) in {"{ratio}", "{index}"}:
        return 1.0 if entry.unit in _WITHOUT_UNIT else None
    code = ucum(unit)
    if code is None:
        return None
    if code == entry.unit:
        return 1.0
    # the printed factor is rounded: the formula is taken where it gives one
    exact = factor(code, entry.unit, molar_mass=entry.molar_mass, valence=1 if entry.valence is None else entry.valence)
    return exact if code in entry.units and exact is not None else entry.units.get(code)


def _order(entry: Entry) -> int:
    return _DEFAULT.index(entry.specimen) if entry.specimen in _DEFAULT else len(_DEFAULT)


def _key(entry: Entry) -> str:
    return entry.key


def _known(name: Name) -> list[Entry]:
    index = _index()
    for key in name.keys:
        if key in index:
            return list(index[key])
    return []


@cache
def _index() -> Mapping[str, tuple[Entry, ...]]:
    """Every known name, run together and sorted, with the tests that it means."""
    found: dict[str, list[Entry]] = {}
    for entry in catalogue():
        for key in dict.fromkeys(_keys(entry)):
            found.setdefault(key, []).append(entry)
    return {key: tuple(entries) for key, entries in found.items()}


@cache
def _by_words() -> Mapping[str, frozenset[str]]:
    return {"".join(words): frozenset(words) for entry in catalogue() for words in map(_words, entry.synonyms) if words}


def _keys(entry: Entry) -> Iterable[str]:
    for synonym in (*entry.synonyms, entry.name, entry.loinc):
        yield from Name(words=_words(synonym), specimen=None).keys


def _words(synonym: str) -> tuple[str, ...]:
    return Name.of(synonym).words
