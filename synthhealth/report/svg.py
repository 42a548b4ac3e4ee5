"""A few words for drawing: elements of an SVG figure that follow the page's colours and print without it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from markupsafe import Markup

# Colours of the light page; the style sheet overrides them on screen, a PDF takes them as they are.
COLOURS = {
    "ink": "#1b2430",
    "muted": "#566271",
    "rule": "#d7dde4",
    "accent": "#1c5b8c",
    "soft": "#dbe8f3",
    "warm": "#9a5b00",
    "paper": "#ffffff",
    "none": "none",
}
WIDTH = 560
WIDE = 720  # of figures whose rows have long names


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A straight map from values [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value, held inside the range."""
        share = (min(max(value, min(self.low, self.high)), max(self.low, self.high)) - self.low) / (
            self.high - self.low
        )
        return round(self.start + share * (self.end - self.start), 2)


def figure(name: str, *, height: float, title: str, description: str, parts: list[str], width: int = WIDTH) -> Markup:
    """A whole figure with its title and a description for those who do not see it; `width` is WIDTH or WIDE."""
    body = "".join(parts)
    return Markup(  # noqa: S704  # every part escapes its own text
        f'<svg class="{"fig" if width == WIDTH else "fig wide"}" viewBox="0 0 {width} {height:g}" width="{width}" '
        f'height="{height:g}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" xmlns="http://www.w3.org/2000/svg" '
        f'font-family="system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
        f"{body}</svg>"
    )


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = "rule", width: float = 1, dash: str = "") -> str:
    """A straight line; `dash` as in SVG's stroke-dasharray."""
    dashes = f' stroke-dasharray="{dash}"' if dash != "" else ""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="s-{colour}" stroke="{COLOURS[colour]}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def path(points: list[tuple[float, float]], *, colour: str = "accent", width: float = 2, dash: str = "") -> str:
    """A line through points."""
    dashes = f' stroke-dasharray="{dash}"' if dash != "" else ""
    steps = " ".join(f"{x:g},{y:g}" for x, y in points)
    return (
        f'<polyline points="{steps}" fill="none" class="s-{colour}" stroke="{COLOURS[colour]}" '
        f'stroke-width="{width:g}" stroke-linejoin="round"{dashes}/>'
    )


def area(points: list[tuple[float, float]], *, colour: str = "soft") -> str:
    """A filled shape."""
    steps = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polygon points="{steps}" class="f-{colour}" fill="{COLOURS[colour]}"/>'


def box(
    x: float, y: float, width: float, height: float, *, fill: str = "soft", edge: str = "none", dash: str = ""
) -> str:
    """A rectangle with slightly rounded corners."""
    dashes = f' stroke-dasharray="{dash}"' if dash != "" else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" class="f-{fill} s-{edge}" '
        f'fill="{COLOURS[fill]}" stroke="{COLOURS[edge]}"{dashes}/>'
    )


def square(x: float, y: float, size: float, *, fill: str = "accent", strength: float = 1.0) -> str:
    """A filled square, the paler the less its `strength` (0 to 1) is."""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{size:.2f}" height="{size:.2f}" class="f-{fill}" '
        f'fill="{COLOURS[fill]}" fill-opacity="{max(strength, 0.04):.2f}"/>'
    )


def dot(x: float, y: float, *, radius: float = 4, fill: str = "accent", edge: str = "none") -> str:
    """A filled circle."""
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="f-{fill} s-{edge}" fill="{COLOURS[fill]}" '
        f'stroke="{COLOURS[edge]}"/>'
    )


def text(
    x: float, y: float, words: str, *, anchor: str = "start", colour: str = "ink", size: float = 13, bold: bool = False
) -> str:
    """Words at a point; `anchor` is start, middle or end."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="f-{colour}" fill="{COLOURS[colour]}" '
        f'font-size="{size:g}"{weight}>{escape(words)}</text>'
    )


def arrow(x1: float, y1: float, x2: float, y2: float, *, colour: str = "muted") -> str:
    """A straight arrow, along one axis."""
    along_x = abs(x2 - x1) > abs(y2 - y1)
    sign = 1 if (x2 - x1 if along_x else y2 - y1) > 0 else -1
    head = (
        [(x2, y2), (x2 - 8 * sign, y2 - 4.5), (x2 - 8 * sign, y2 + 4.5)]
        if along_x
        else [(x2, y2), (x2 - 4.5, y2 - 8 * sign), (x2 + 4.5, y2 - 8 * sign)]
    )
    return line(x1, y1, x2, y2, colour=colour, width=1.5) + area(head, colour=colour)
