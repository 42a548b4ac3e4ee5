"""Finds the line of a TOML file on which a key stands, so that a refusal can point at it."""

from __future__ import annotations

import re

_HEADER = re.compile(r"^\s*\[{1,2}\s*(?P<path>[^\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?P<key>[A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*[=.]""")


def locate(text: str, path: tuple[str, ...]) -> int:
    """The 1-based line that holds `path`, or its nearest ancestor; 1 when nothing of it is in the text."""
    best_line, best_depth = 1, 0
    header: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        found = _HEADER.match(line)
        key = _KEY.match(line)
        if found is not None:
            header = tuple(part.strip().strip("\"'") for part in _split(found["path"]))
            here = header
        elif key is not None:
            here = (*header, key["key"].strip("\"'"))
        else:
            continue
        depth = _shared(here, path)
        if depth == len(here) and depth > best_depth:
            best_line, best_depth = number, depth
    return best_line


def _split(dotted: str) -> list[str]:
    return re.findall(r""""[^"]*"|'[^']*'|[^.]+""", dotted)


def _shared(here: tuple[str, ...], path: tuple[str, ...]) -> int:
    """How many leading names of `here` and `path` agree; list positions in `path` are passed over."""
    names = tuple(part for part in path if not part.isdigit())
    count = 0
    for mine, theirs in zip(here, names, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
