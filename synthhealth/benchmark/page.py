"""What `benchmark` shows on the screen."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from synthhealth.benchmark.answer import FLOOR, MEANINGS, Benchmarked, Line
from synthhealth.page import fact_grid, headed, ruled_table
from synthhealth.screens import screen

_ACROSS = 3


@screen.register
def _benchmarked(result: Benchmarked) -> RenderableType:
    facts = fact_grid(
        ("learnt from", f"{result.train:,} patients; {result.holdout:,} held out; delta {result.delta:g}"),
        ("written to", "\n".join(result.files)),
    )
    meanings = fact_grid(*MEANINGS.items())
    note = "internal: exact figures about real patients stand here; distances run from 0 (alike) to 1"
    return headed("benchmark", result.cohort, facts, *_tables(result.lines), meanings, Text(note, style="dim"))


def _tables(lines: tuple[Line, ...]) -> Iterator[Table]:
    """A table for each epsilon, in pieces that a terminal of 80 columns holds, each beside real patients."""
    floor = [line for line in lines if line.name == FLOOR]
    for epsilon in dict.fromkeys(line.epsilon for line in lines if line.name != FLOOR):
        group = [line for line in lines if line.name != FLOOR and line.epsilon == epsilon]
        for start in range(0, len(group), _ACROSS):
            yield _table([*floor, *group[start : start + _ACROSS]])


def _table(lines: list[Line]) -> Table:
    titles = tuple(map(_title, lines))
    table = ruled_table("figure", *titles, numbers=titles)
    for name in MEANINGS:
        table.add_row(name, *(_cell(line.figures[name]) for line in lines))
    table.add_section()
    table.add_row("fit, seconds", *(_cell(line.fit_seconds, digits=1) for line in lines))
    return table


def _title(line: Line) -> str:
    if line.name == FLOOR:
        return "real patients"
    if not line.private:
        return f"{line.name} UNSAFE"
    return line.name if line.epsilon is None else f"{line.name} {line.epsilon:g}"


def _cell(value: float | None, *, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
