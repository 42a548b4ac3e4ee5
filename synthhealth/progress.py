"""Shows on stderr how far the work has come and how long it will still take, and what memory it took."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from synthhealth.generators.protocol import Progress, quiet

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_SECONDS = 10.0
_NAME_WIDTH = 34


@contextmanager
def shown(*, silent: bool = False) -> Iterator[Progress]:
    """A Progress for the length of a `with` block: bars on a terminal, plain lines elsewhere, nothing if `silent`.

    A stage named "step: part" belongs to the line of its step; `within` names them so.
    """
    if silent:
        yield quiet
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield PlainLines()


@contextmanager
def within(progress: Progress, step: str) -> Iterator[Progress]:
    """A Progress for the parts of one step, whose line ends with the `with` block."""
    reached = [0]

    def tell(part: str, done: int, total: int) -> None:
        reached[0] = total
        if done < total:
            progress(f"{step}: {part.removeprefix(f'{step}: ')}", done, total)

    progress(step, 0, 1)
    yield tell
    progress(step, max(1, reached[0]), max(1, reached[0]))


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("[dim]{task.fields[word]}[/]"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            step = stage.partition(":")[0]
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total, word="left")
            word = "left" if done < total else ""
            bars.update(tasks[step], completed=done, total=total, description=_named(stage), word=word)

        yield tell


def _named(stage: str) -> str:
    """The stage in a column of one width, so that the bars stand below one another."""
    cut = stage if len(stage) <= _NAME_WIDTH else stage[: _NAME_WIDTH - 1] + "…"
    return cut.ljust(_NAME_WIDTH)


class PlainLines:
    """One line when a step begins and ends, and one every ten seconds between, with the time that is left."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._spoke = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Told as (stage, done, total); prints a line when there is something new to say."""
        now, step = time.monotonic(), stage.partition(":")[0]
        first = step not in self._began
        began = self._began.setdefault(step, now)
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


def peak_memory_gb() -> float:
    """The most memory this process has held, in gigabytes; macOS counts bytes where Linux counts kibibytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (2**30 if sys.platform == "darwin" else 2**20), 2)
