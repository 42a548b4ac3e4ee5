"""Turns what is wrong with a schema into sentences that point at the line of its TOML file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_PATH = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER = re.compile(rf"^\s*(?P<list>\[)?\[\s*(?P<path>{_PATH})\s*\]")
_KEY = re.compile(rf"^\s*(?P<path>{_PATH})\s*=")
_KINDS = {
    "columns": "categorical, ordinal, integer, continuous, date, derived",
    "constraints": "order, implication, combinations",
}
_WORDS = {
    "extra_forbidden": "extra keys are not permitted: {key}{hint}",
    "missing": "the key {key} is missing",
    "union_tag_not_found": "the key kind is missing; it must be one of {kinds}",
    "union_tag_invalid": "kind must be one of {kinds}",
}


class BrokenRulesError(ValueError):
    """Rules between several parts of a schema that do not hold, each with the path of the key to point at."""

    def __init__(self, rows: tuple[tuple[tuple[str, ...], str], ...]) -> None:
        super().__init__("; ".join(text for _, text in rows))
        self.rows = rows


@dataclass(slots=True)
class Problems:
    """Collects broken rules, so that a reader sees all of them at once."""

    rows: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def add(self, path: tuple[str, ...], text: str) -> None:
        """Note that the rule `text` is broken at `path`."""
        self.rows.append((path, text))

    def raise_if_any(self) -> None:
        """Raise BrokenRulesError when something was added."""
        if self.rows:
            raise BrokenRulesError(tuple(self.rows))


def messages(text: str, error: ValidationError, *, source: str, keys: Iterable[str]) -> str:
    """Every broken rule of the TOML `text`, one a line, each with the line of the file it stands on.

    `keys` are those a schema can have; the nearest is offered for one that is misspelled.
    """
    known = tuple(keys)
    rows = [row for item in error.errors() for row in _readings(item, known)]
    lines = {f"{source}, line {locate(text, path)}: {'.'.join(path) or 'schema'}: {what}": None for path, what in rows}
    return "\n".join(lines)


def locate(text: str, path: tuple[str, ...]) -> int:
    """The 1-based line that holds `path`, or its nearest ancestor; 1 when nothing of it is in the text."""
    best_line, best_depth = 1, 0
    header: tuple[str, ...] = ()
    seen: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found, key = _HEADER.match(line), _KEY.match(line)
        if found is not None:
            header = _split(found["path"])
            if found["list"] is not None:
                seen[header] = seen.get(header, -1) + 1
                header = (*header, str(seen[header]))
            here = header
        elif key is not None:
            here = (*header, *_split(key["path"]))
        else:
            continue
        if len(here) > best_depth and path[: len(here)] == here:
            best_line, best_depth = number, len(here)
    return best_line


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_NAME, dotted))


def _readings(item: ErrorDetails, keys: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """One error of pydantic as (path, sentence) rows."""
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, BrokenRulesError):
        return list(cause.rows)
    path = _path(item["loc"]) + (("kind",) if item["type"] == "union_tag_invalid" else ())
    if _is_code(item["loc"]):
        return [(path, "must be a whole number or text in quotes")]
    key = path[-1] if path else ""
    near = difflib.get_close_matches(key, keys, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    if item["type"] in _WORDS:
        return [(path, _WORDS[item["type"]].format(key=key, hint=hint, kinds=_KINDS.get(path[0] if path else "", "")))]
    return [(path, item["msg"].removeprefix("Value error, ").replace("Input should be", "must be"))]


def _path(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys of the file that lead to an error, without the tags that pydantic puts in for a union's member."""
    parts = tuple(str(part) for part in loc)
    if parts[:1] in {("columns",), ("constraints",)}:
        parts = (*parts[:2], *parts[3:])
    return parts[:-1] if _is_code(loc) else parts


def _is_code(loc: tuple[int | str, ...]) -> bool:
    """Whether the error stands at one code of a list, where pydantic names each member of the union in turn."""
    return loc[-1:] in {("int",), ("str",)} and isinstance(loc[-2], int)
