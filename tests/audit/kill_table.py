"""Puts every break on the running code, runs the test that must notice, and prints which were noticed."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from audit import test_privacy_mutants as rooms
from audit.mutant import Mutant
from audit.mutants import MUTANTS, survives
from audit.mutants_of_sources import MUTANTS as OF_SOURCES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "mutants.md"
ABOUT = """# The kill table

Each line is a deliberate break of the code, and the test that notices it. `make audit` puts the
breaks in one after the other, runs the tests, and prints which were noticed; it ends with an error
if one was not, or if a test fails without a break. How the tests work stands in
[Auditing](../explanation/auditing.md).

## Breaks of the running code
Put on in memory, in `tests/audit/mutants.py`; the tests stand in `tests/audit/`.

| break | noticed by |
|---|---|
"""
SOURCE = """
## Breaks of the privacy rooms' source
Written into a copy of the source, in `tests/audit/mutants_of_sources.py`; the tests stand in `tests/privacy/`.

| break | noticed by |
|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One mutant's fate."""

    name: str
    killer: str
    killed: bool
    seconds: float


def fates(mutants: Iterable[Mutant]) -> Iterable[Line]:
    """Each mutant's fate as it becomes known."""
    for mutant in mutants:
        began = time.monotonic()
        killed = not survives(mutant)
        yield Line(name=mutant.name, killer=mutant.killed_by, killed=killed, seconds=time.monotonic() - began)


def fates_of_rooms() -> Iterable[Line]:
    """The same for the breaks that are written into a copy of the source."""
    with tempfile.TemporaryDirectory() as folder:
        copy = rooms.copied(Path(folder))
        for mutant in OF_SOURCES:
            began = time.monotonic()
            killed = rooms.broken(mutant, copy).returncode == 1
            yield Line(name=mutant.name, killer=mutant.killer, killed=killed, seconds=time.monotonic() - began)


def unbroken() -> list[str]:
    """The killers that fail on the code as it is; there must be none."""
    failing = []
    for killer in dict.fromkeys(mutant.killer for mutant in MUTANTS):
        try:
            killer()
        except AssertionError:
            failing.append(f"{killer.__module__}.{killer.__name__}")
    return failing


def page() -> str:
    """The published list of both registries."""
    ours = (f"| {mutant.name} | `{mutant.killed_by}` |\n" for mutant in MUTANTS)
    theirs = (f"| {mutant.name} | `{mutant.killer}` |\n" for mutant in OF_SOURCES)
    return ABOUT + "".join(ours) + SOURCE + "".join(theirs)


def main(words: list[str]) -> int:
    """The table; the exit code is 1 where a mutant survives or a killer fails without one. `--page` writes the list."""
    if "--page" in words:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    torch.set_num_threads(1)
    wide = max(len(mutant.name) for mutant in (*MUTANTS, *OF_SOURCES))
    lines = []
    for line in chain(fates(MUTANTS), fates_of_rooms()):
        lines.append(line)
        mark = "killed  " if line.killed else "SURVIVED"
        print(f"{mark}  {line.name:{wide}}  {line.killer}  ({line.seconds:.1f} s)", flush=True)
    failing = unbroken()
    print(f"{sum(line.killed for line in lines)} of {len(lines)} mutants killed")
    print("without a break all killers pass" if not failing else f"FAILING without a break: {', '.join(failing)}")
    return int(bool(failing) or not all(line.killed for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
