"""A laboratory's own test as a commented table of a schema, every figure with its source."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import dataclass

from synthhealth.catalogue.entries import ATTRIBUTION, VERSION, Entry, sources
from synthhealth.catalogue.matching import find

_COLUMN = 30  # where comments begin
_DIGITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A block of a schema; `sure` says whether it counts, or stands there as a comment for a person to decide."""

    text: str
    sure: bool


def catalogue_text(name: str, unit: str) -> Told:
    """The table of a test that the catalogue knows; commented out where the match is doubtful or there is none.

    Privacy: free; names and units are public.
    """
    match = find(name, unit)
    if match.entry is None:
        doubt = f"DOUBT {json.dumps(name)}: {match.doubt}; fill it in from the laboratory's list, or leave it out"
        return Told(text=_commented(doubt) + textwrap.indent(_blank(name, unit), "# "), sure=False)
    head = [f"{name}: LOINC {match.entry.loinc}, {match.entry.name}", *_reference(match.entry, unit, match.factor)]
    comment = "".join(f"# {line}\n" for line in head)
    if match.factor is None or match.doubt:
        advice = "If it is this test, take the comment signs away and correct the unit."
        doubt = f"DOUBT {json.dumps(name)}: {match.doubt}. {advice}"
        own = match.entry.unit if match.factor is None else unit
        block = _table(name, own, match.entry, 1.0 if match.factor is None else match.factor)
        return Told(text=_commented(doubt) + comment + textwrap.indent(block, "# "), sure=False)
    return Told(text=comment + _table(name, unit, match.entry, match.factor), sure=True)


def sources_text() -> str:
    """The head of a schema that was written from the catalogue: what the words behind its figures mean."""
    lines = [
        f"Bounds, precisions and LOINC codes come from synthhealth's catalogue, version {VERSION}. A person answers for"
    ]
    lines.append("them: read each line. The word behind a figure says where it is from:")
    told = [f"  {key}: {source}" for key, source in sources().items()]
    wrapped = [
        line for text in [*lines, *told, ATTRIBUTION] for line in textwrap.wrap(text, 116, subsequent_indent="  ")
    ]
    return "".join(f"# {line}\n" for line in wrapped)


def _blank(name: str, unit: str) -> str:
    """A table for a person to fill in."""
    return f"{_head(name, unit)}\nlow =\nhigh =\nprecision =\n"


def _head(name: str, unit: str) -> str:
    return f"[tests.{json.dumps(name, ensure_ascii=False)}]\nunit = {json.dumps(unit, ensure_ascii=False)}"


def _table(name: str, unit: str, entry: Entry, factor: float) -> str:
    """Bounds, rounded outwards, and precision in the laboratory's unit."""
    own = f"{entry.low:g} to {entry.high:g} {entry.unit}"
    step = entry.precision if factor == 1.0 else 10.0 ** round(math.log10(entry.precision / factor))
    low, high = _outwards(entry.low / factor, math.floor), _outwards(entry.high / factor, math.ceil)
    source = entry.bounds_from if factor == 1.0 else f"{entry.bounds_from}: {own}, converted"
    lines = [
        _head(name, unit),
        _told(f"low = {low:.10g}", source),
        _told(f"high = {high:.10g}", source),
        _told(
            f"precision = {step:.10g}", "catalogue" if factor == 1.0 else f"catalogue: {entry.precision:g}, converted"
        ),
        *([_told('scale = "log"', "catalogue")] if entry.scale == "log" else []),
        _told(f'loinc = "{entry.loinc}"', "loinc"),
    ]
    return "\n".join(lines) + "\n"


def _reference(entry: Entry, unit: str, factor: float | None) -> list[str]:
    lines = []
    if factor is not None and factor != 1.0:
        lines.append(f"1 {unit} is {factor:.4g} {entry.unit}")
    if entry.reference:
        told = ", ".join(str(interval) for interval in entry.reference)
        lines.append(f"healthy people: {told} {entry.unit} ({entry.reference_from})")
    return lines


def _outwards(bound: float, toward: object) -> float:
    """A bound with two digits, rounded away from the middle."""
    if bound == 0:
        return 0.0
    size = 10.0 ** (math.floor(math.log10(abs(bound))) - _DIGITS + 1)
    rounded = math.floor(bound / size + 1e-9) if toward is math.floor else math.ceil(bound / size - 1e-9)
    return float(rounded * size)


def _told(line: str, source: str) -> str:
    return f"{line:<{_COLUMN}}# {source}"


def _commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, 116, subsequent_indent="  "))
