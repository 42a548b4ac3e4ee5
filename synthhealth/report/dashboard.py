"""The dashboard of the internal edition: small figures a test, correlations side by side, real beside synthetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from evaluation.portrait import Correlations, Course, Histogram, LabPortrait, Portrait
from synthhealth.report.svg import WIDTH, Scale, area, figure, line, path, square, text

_PANEL, _GAP, _LEFT = 168.0, 22.0, 4.0
_TOP, _BOTTOM, _HEIGHT = 34.0, 112.0, 134.0
_NAME = 15
_NAMES = 112.0
Points = list[tuple[float, float]]


def lab_figures(portrait: Portrait) -> tuple[Markup, ...]:
    """One figure a test with three panels: values, course over time, gap to the patient's next value.

    Privacy: internal only.
    """
    return tuple(_test_figure(one, number, portrait.time_unit) for number, one in enumerate(portrait.tests, 1))


def correlation_figure(correlations: Correlations) -> Markup:
    """Two matrices of rank correlations: blue above nothing, brown below, the darker the stronger.

    Privacy: internal only.
    """
    count = len(correlations.names)
    side = (WIDTH - _NAMES - _GAP) / 2
    cell = side / count
    parts = []
    for place, (title, rows) in enumerate((("real", correlations.real), ("synthetic", correlations.synthetic))):
        start = _NAMES + place * (side + _GAP)
        parts.append(text(start, 16, title, bold=True))
        for row, values in enumerate(rows):
            for column, value in enumerate(values):
                parts.append(_cell(start + column * cell, 26 + row * cell, cell, value))
    for row, name in enumerate(correlations.names):
        parts.append(text(_NAMES - 8, 26 + (row + 0.5) * cell + 4, _short(name), anchor="end", size=11))
    bottom = 26 + side + 10
    parts += _key(bottom)
    title = "Rank correlations, real and synthetic"
    described = f"variables: {', '.join(correlations.names)}"
    return figure("fig-correlations", height=bottom + 28, title=title, description=described, parts=parts)


def _cell(x: float, y: float, size: float, value: float | None) -> str:
    if value is None:
        return line(x + 2, y + size - 2, x + size - 2, y + 2, colour="rule")
    return square(x, y, size - 1, fill="accent" if value >= 0 else "warm", strength=min(1.0, abs(value)))


def _key(y: float) -> list[str]:
    parts = []
    for place, value in enumerate((-1.0, -0.5, 0.0, 0.5, 1.0)):
        x = _NAMES + place * 62
        parts.append(square(x, y, 14, fill="accent" if value >= 0 else "warm", strength=abs(value)))
        parts.append(text(x + 20, y + 12, f"{value:g}".replace("-", "\u2212"), size=12, colour="muted"))
    return parts


def _test_figure(one: LabPortrait, number: int, time_unit: str) -> Markup:
    unit = f" ({one.unit})" if one.unit else ""
    starts = [_LEFT + place * (_PANEL + _GAP) for place in range(3)]
    parts = [text(_LEFT, 14, f"{one.test}{unit}", bold=True)]
    parts += _histogram(one.values, starts[0])
    parts += _course(one.course, starts[1], time_unit)
    parts += _gaps(one.gaps, starts[2], time_unit)
    title = f"{one.test}: values, course, gaps"
    return figure(f"fig-test-{number}", height=_HEIGHT + 6, title=title, description=_said(one), parts=parts)


def _histogram(shown: Histogram, start: float) -> list[str]:
    """Densities of both sides: real as a filled shape, synthetic as a line over it."""
    spots = [math.log(max(edge, 1e-12)) if shown.log else edge for edge in shown.edges]
    if shown.labels:
        spots = [float(place) for place in range(len(shown.edges))]
    widths = [max(high - low, 1e-12) for low, high in pairwise(spots)]
    real = [share / width for share, width in zip(shown.real, widths, strict=True)]
    other = [share / width for share, width in zip(shown.synthetic, widths, strict=True)]
    x = Scale(low=spots[0], high=spots[-1], start=start, end=start + _PANEL)
    y = Scale(low=0.0, high=1.05 * max(*real, *other, 1e-12), start=_BOTTOM, end=_TOP)
    stairs = [_stairs(spots, values, x, y) for values in (real, other)]
    parts = [area([(start, _BOTTOM), *stairs[0], (start + _PANEL, _BOTTOM)]), path(stairs[0], colour="muted", width=1)]
    parts += [path(stairs[1], width=1.8), line(start, _BOTTOM, start + _PANEL, _BOTTOM, colour="muted")]
    if shown.labels:
        middles = [x.at(place + 0.5) for place in range(len(shown.labels))]
        return parts + [
            text(at, _BOTTOM + 15, label, anchor="middle", colour="muted", size=11)
            for at, label in zip(middles, shown.labels, strict=True)
        ]
    return parts + _ends(start, shown.edges[0], shown.edges[-1])


def _stairs(spots: Sequence[float], values: Sequence[float], x: Scale, y: Scale) -> Points:
    points = []
    for low, high, value in zip(spots[:-1], spots[1:], values, strict=True):
        points += [(x.at(low), y.at(value)), (x.at(high), y.at(value))]
    return points


def _course(course: Course | None, start: float, time_unit: str) -> list[str]:
    """Three quantiles of both sides over time: real as a band with its median, synthetic as lines."""
    if course is None:
        return [text(start, (_TOP + _BOTTOM) / 2, "no course to draw", colour="muted", size=11)]
    known = [value for rows in (course.real, course.synthetic) for row in rows for value in row if value is not None]
    if len(known) == 0:
        return [text(start, (_TOP + _BOTTOM) / 2, "too few over time", colour="muted", size=11)]
    low, high = min(known), max(known)
    room = 0.06 * (high - low) if high > low else 1.0
    x = Scale(low=course.time[0], high=max(course.time[-1], course.time[0] + 1e-9), start=start, end=start + _PANEL)
    y = Scale(low=low - room, high=high + room, start=_BOTTOM, end=_TOP)
    band = [_points(course.time, row, x, y) for row in course.real]
    parts = [area([*band[0], *reversed(band[2])])] if len(band[0]) > 1 else []
    parts.append(path(band[1], colour="muted", width=1.6))
    for place, row in enumerate(course.synthetic):
        dash = "" if place == 1 else "4 3"
        parts.append(path(_points(course.time, row, x, y), width=1.8 if place == 1 else 1.3, dash=dash))
    parts.append(line(start, _BOTTOM, start + _PANEL, _BOTTOM, colour="muted"))
    parts += [text(start + _PANEL, _TOP - 6, f"{_plain(low)} to {_plain(high)}", anchor="end", colour="muted", size=11)]
    return parts + _ends(start, course.time[0], course.time[-1], time_unit)


def _points(time: Sequence[float], row: Sequence[float | None], x: Scale, y: Scale) -> Points:
    return [(x.at(at), y.at(value)) for at, value in zip(time, row, strict=True) if value is not None]


def _gaps(gaps: Histogram | None, start: float, time_unit: str) -> list[str]:
    if gaps is None:
        return [text(start, (_TOP + _BOTTOM) / 2, "too few repeated", colour="muted", size=11)]
    return [*_histogram(gaps, start)[:4], *_ends(start, gaps.edges[0], gaps.edges[-1], time_unit)]


def _ends(start: float, low: float, high: float, unit: str = "") -> list[str]:
    """The two ends of an axis, in words."""
    last = f"{_plain(high)} {unit}" if unit else _plain(high)
    return [
        text(start, _BOTTOM + 15, _plain(low), colour="muted", size=11),
        text(start + _PANEL, _BOTTOM + 15, last, anchor="end", colour="muted", size=11),
    ]


def _said(one: LabPortrait) -> str:
    middle = "" if one.course is None else f"; medians over time real {_medians(one.course.real)}, synthetic "
    middle += "" if one.course is None else _medians(one.course.synthetic)
    low, high = one.values.edges[0], one.values.edges[-1]
    apart = sum(abs(a - b) for a, b in zip(one.values.real, one.values.synthetic, strict=True)) / 2
    return f"values from {_plain(low)} to {_plain(high)}, {apart:.0%} of them in other classes{middle}"


def _medians(rows: Sequence[Sequence[float | None]]) -> str:
    return ", ".join("none" if value is None else _plain(value) for value in rows[1])


def _plain(value: float) -> str:
    return f"{value:.4g}".replace("-", "\u2212")


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
