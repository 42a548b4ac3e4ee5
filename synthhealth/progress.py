"""Shows on stderr how far the work has come and how long it will still take; stdout stays free for results."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from synthhealth.generators.protocol import Progress, quiet

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_SECONDS = 10.0


@contextmanager
def shown(*, silent: bool = False) -> Iterator[Progress]:
    """A Progress for the length of a `with` block: bars on a terminal, plain lines elsewhere, nothing if `silent`."""
    if silent:
        yield quiet
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield PlainLines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]left[/]"),
        TimeRemainingColumn(compact=True),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield tell


class PlainLines:
    """One line when a stage begins and ends, and one every ten seconds between, with the time that is left."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._spoke = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Told as (stage, done, total); prints a line when there is something new to say."""
        now = time.monotonic()
        first = stage not in self._began
        began = self._began.setdefault(stage, now)
        if not first and done < total and now - self._spoke < PLAIN_SECONDS:
            return
        self._spoke = now
        sys.stderr.write(_line(stage, done, total, now - began) + "\n")
        sys.stderr.flush()


def _line(stage: str, done: int, total: int, seconds: float) -> str:
    if done >= total:
        return f"{stage}: done ({duration(seconds)})"
    if done == 0:
        return f"{stage}: begun"
    return f"{stage}: {done}/{total}, about {duration(seconds / done * (total - done))} left"


def duration(seconds: float) -> str:
    """Seconds as people say them: 4 s, 3 min 20 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours > 0:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes > 0 else f"{rest} s"
