"""What `benchmark` shows on the screen."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from synthhealth.benchmark.answer import FLOOR, MEANINGS, Benchmarked, Line
from synthhealth.page import fact_grid, headed, ruled_table
from synthhealth.screens import screen


@screen.register
def _benchmarked(result: Benchmarked) -> RenderableType:
    facts = fact_grid(
        ("learnt from", f"{result.train:,} patients; {result.holdout:,} held out; delta {result.delta:g}"),
        ("written to", "\n".join(result.files)),
    )
    table = ruled_table("figure", *(_title(line) for line in result.lines), numbers=tuple(map(_title, result.lines)))
    for name in MEANINGS:
        table.add_row(name, *(_cell(line.figures[name]) for line in result.lines))
    table.add_section()
    table.add_row("fit, seconds", *(_cell(line.fit_seconds, digits=1) for line in result.lines))
    meanings = fact_grid(*MEANINGS.items())
    note = "internal: exact figures about real patients stand here; distances run from 0 (alike) to 1"
    return headed("benchmark", result.cohort, facts, table, meanings, Text(note, style="dim"))


def _title(line: Line) -> str:
    if line.name == FLOOR:
        return "real patients"
    if not line.private:
        return f"{line.name} UNSAFE"
    return line.name if line.epsilon is None else f"{line.name} {line.epsilon:g}"


def _cell(value: float | None, *, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
