"""Puts every break on the running code, runs the test that must notice, and prints which were noticed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from audit.mutants import MUTANTS, Mutant, survives


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One mutant's fate."""

    mutant: Mutant
    killed: bool
    seconds: float


def fates(mutants: Iterable[Mutant]) -> Iterable[Line]:
    """Each mutant's fate as it becomes known."""
    for mutant in mutants:
        began = time.monotonic()
        killed = not survives(mutant)
        yield Line(mutant=mutant, killed=killed, seconds=time.monotonic() - began)


def unbroken() -> list[str]:
    """The killers that fail on the code as it is; there must be none."""
    failing = []
    for killer in dict.fromkeys(mutant.killer for mutant in MUTANTS):
        try:
            killer()
        except AssertionError:
            failing.append(f"{killer.__module__}.{killer.__name__}")
    return failing


def main() -> int:
    """The table; the exit code is 1 where a mutant survives or a killer fails without one."""
    torch.set_num_threads(1)
    wide = max(len(mutant.name) for mutant in MUTANTS)
    lines = []
    for line in fates(MUTANTS):
        lines.append(line)
        mark = "killed  " if line.killed else "SURVIVED"
        print(f"{mark}  {line.mutant.name:{wide}}  {line.mutant.killed_by}  ({line.seconds:.1f} s)", flush=True)
    failing = unbroken()
    print(f"{sum(line.killed for line in lines)} of {len(lines)} mutants killed")
    print("without a break all killers pass" if not failing else f"FAILING without a break: {', '.join(failing)}")
    return int(bool(failing) or not all(line.killed for line in lines))


if __name__ == "__main__":
    sys.exit(main())
