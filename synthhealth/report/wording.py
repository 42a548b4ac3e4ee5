"""How a number is printed: bounds are rounded up, never to the nearest."""

from __future__ import annotations

import math


def number(value: float | None, style: str) -> str:
    """A number as the report prints it; an upper bound is always rounded up.

    `style` is "epsilon", "delta", "most" (a share), "count", "limit" or "factor".
    """
    if value is None:
        return "none"
    if style == "epsilon":
        return f"{_up(value, 2):.2f}"
    if style == "delta":
        return f"{value:.0e}".replace("e-0", "e-") if value > 0 else "0"
    if style == "most":
        digits = 1 if value >= 0.01 else 2  # noqa: PLR2004  # below one per cent a second digit tells something
        return f"{_up(value * 100, digits):.{digits}f} %"
    if style == "count":
        return f"{round(value):,}"
    return f"{value:g}"


def _up(value: float, digits: int) -> float:
    scale = 10.0**digits
    return math.ceil(round(value * scale, 6)) / scale
