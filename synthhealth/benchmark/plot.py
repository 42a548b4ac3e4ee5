"""Draws the scoreboard: one small picture a figure, epsilon to the right, engines as lines, the floor dotted."""

from __future__ import annotations

import io
from collections.abc import Sequence

from synthhealth.benchmark.answer import FLOOR, MEANINGS, Benchmarked, Line

_COLUMNS, _WIDTH, _HEIGHT = 4, 11.0, 7.5
_MARKS = ("o", "s", "^", "D", "v", "P", "X")


def draw_scoreboard(result: Benchmarked) -> str:
    """The whole scoreboard as one SVG text, with its text as text and no date inside.

    Privacy: internal only.
    """
    import matplotlib as mpl  # heavy; only a benchmark draws
    from matplotlib.figure import Figure

    rows = -(-len(MEANINGS) // _COLUMNS)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "synthhealth", "font.size": 8}):
        page = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        axes = page.subplots(rows, _COLUMNS).ravel()
        names = list(dict.fromkeys(line.name for line in result.lines if line.name != FLOOR))
        epsilons = sorted({line.epsilon for line in result.lines if line.epsilon is not None})
        for place, (figure, axis) in enumerate(zip(MEANINGS, axes, strict=True)):
            for mark, name in enumerate(names):
                _series(axis, [line for line in result.lines if line.name == name], figure, mark)
            floor = next(line.figures[figure] for line in result.lines if line.name == FLOOR)
            if floor is not None:
                axis.axhline(floor, color="0.3", linestyle=":", label="real patients" if place == 0 else None)
            axis.set_ylim(bottom=0)  # distances are read by their length
            axis.set_xticks(epsilons, [f"{epsilon:g}" for epsilon in epsilons])
            axis.set_title(figure, loc="left")
            axis.spines[["top", "right"]].set_visible(b=False)
        page.suptitle(
            f"{result.cohort}: {result.train:,} patients learnt from. INTERNAL: exact figures", x=0.01, ha="left"
        )
        page.legend(loc="outside lower center", ncols=len(names) + 1, frameon=False)
        buffer = io.StringIO()
        page.savefig(buffer, format="svg", metadata={"Date": None, "Title": f"Scoreboard of {result.cohort}"})
    return buffer.getvalue()


def _series(axis: object, lines: Sequence[Line], figure: str, mark: int) -> None:
    """One contender: a line over its epsilons, or a level line where it has none."""
    from matplotlib.axes import Axes

    assert isinstance(axis, Axes)  # noqa: S101  # subplots come without a type
    colour, label = f"C{mark}", None if figure != next(iter(MEANINGS)) else _label(lines[0])
    points = [(line.epsilon, line.figures[figure]) for line in lines]
    if points[0][0] is None:
        if points[0][1] is not None:
            axis.axhline(points[0][1], color=colour, linestyle="--", label=label)
        return
    known = sorted((epsilon, value) for epsilon, value in points if epsilon is not None and value is not None)
    axis.plot(
        [epsilon for epsilon, _ in known], [value for _, value in known], _MARKS[mark % len(_MARKS)] + "-", label=label
    )
    axis.set_xlabel("epsilon")


def _label(line: Line) -> str:
    return line.name if line.private else f"{line.name} (UNSAFE)"
