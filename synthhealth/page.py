"""The few shapes that every screen is made of."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def headed(title: str, rest: str, *parts: RenderableType) -> Group:
    """A title line, then parts set in by two, with air between."""
    head = Text.assemble((title, "bold cyan"), "  ", (rest, "dim"))
    body = [Padding(part, (0, 0, 1, 2)) for part in parts]
    return Group("", Padding(head, (0, 0, 1, 0)), *body)


def fact_grid(*rows: tuple[str, str | Text]) -> Table:
    """Names and what is to be said of each, in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def ruled_table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """An empty table; the columns in `numbers` stand flush right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table
