"""Measures, side by side, and writes docs/benchmarks.md; sections that are not named keep what was measured before."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from bench import files, forecasts, growth, knn, steps

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
ABOUT = """# Benchmarks

Written by `make bench`; `make bench ARGS="steps"` measures one section again and leaves the others. Every table is one
run in one process, its ways in turn, medians of the rounds; ratios travel from machine to machine, seconds do not.
These were taken on two cores that had other work to do as well. Patients are simulated where nothing else is said.
"""
SECTIONS: dict[str, tuple[str, Callable[[], str]]] = {
    "steps": ("A private step", steps.section),
    "engines": ("Engines", growth.engines),
    "growth": ("Growth", growth.section),
    "forecasts": ("Forecasts", forecasts.section),
    "files": ("Files", files.section),
    "knn": ("Nearest neighbours", knn.section),
}


def written(known: str, names: list[str]) -> str:
    """The page, with the sections `names` measured now and the others as in the page `known`."""
    parts = [ABOUT]
    for name, (title, measure) in SECTIONS.items():
        heading = f"## {title}\n"
        old = re.search(re.escape(heading) + r"\n(.*?)(?=\n## |\Z)", known, re.DOTALL)
        told = measure() if name in names else old.group(1) if old is not None else ""
        if told:
            parts.append(f"{heading}\n{told.rstrip()}\n")
    return "\n".join(parts)


def main(names: list[str]) -> None:
    """Measure the sections `names`, all by default, one after the other, and keep each as soon as it is there."""
    for name in names or list(SECTIONS):
        known = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        PAGE.write_text(written(known, [name]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
