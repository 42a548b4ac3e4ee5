"""Figures of the internal edition alone: distances beside floor and copy, and risks with their intervals."""

from __future__ import annotations

from markupsafe import Markup

from evaluation.finding import Curve, Family, Finding, Interval
from synthhealth.report.svg import WIDE, WIDTH, Scale, box, figure, line, path, text

_LEFT, _RIGHT = 24, WIDTH - 16
_TOP, _BOTTOM = 74.0, 236.0
_NAME = 420
_LONGEST = 64
_RISKS = (Family.COPIES, Family.SINGLING_OUT, Family.LINKABILITY, Family.INFERENCE)
_STYLES = (
    ("distance, train", "members to their closest synthetic patient", "warm", ""),
    ("distance, holdout (floor)", "patients nobody has learnt from (floor)", "accent", "7 3"),
    ("distance, train, POS-copy", "members, were every one of them copied", "ink", "2 2"),
)


def distance_figure(findings: tuple[Finding, ...]) -> Markup | None:
    """How close synthetic patients come to members, beside the floor and a full copy; None without such curves.

    Privacy: internal only.
    """
    curves = {curve.name: curve for finding in findings for curve in finding.curves}
    drawn = [
        (curves[name], words, colour, dash)
        for name, words, colour, dash in _STYLES
        if name in curves and max(curves[name].y) > 0
    ]
    if not drawn:
        return None
    x = Scale(low=0.0, high=max(max(curve.x) for curve, *_ in drawn), start=_LEFT, end=_RIGHT)
    parts = [line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, colour="muted")]
    for place, (curve, words, colour, dash) in enumerate(drawn):
        at = 14 + 18 * place
        parts.append(line(_LEFT, at - 4, _LEFT + 28, at - 4, colour=colour, width=2, dash=dash))
        parts.append(text(_LEFT + 36, at, words, size=12))
        parts.append(path(_outline(curve, x), colour=colour, width=2, dash=dash))
    parts.append(text(_LEFT, _BOTTOM + 18, "0: the same", colour="muted", size=12))
    parts.append(text(_RIGHT, _BOTTOM + 18, "distance to the closest synthetic patient", anchor="end", colour="muted"))
    said = "; ".join(f"{words}: most often at {curve.x[_peak(curve)]:.3g}" for curve, words, *_ in drawn)
    return figure("fig-distance", height=262, title="Distances beside floor and copy", description=said, parts=parts)


def risk_figure(findings: tuple[Finding, ...]) -> Markup | None:
    """Residual risk of copies, singling out, linkability and inference, with 95 % intervals; None without any.

    Privacy: internal only.
    """
    rows = [
        (finding.title, finding.headline.value, finding.headline.interval)
        for finding in findings
        if finding.family in _RISKS and finding.headline.value is not None and finding.headline.interval is not None
    ]
    if not rows:
        return None
    low = min(0.0, *(interval.low for *_, interval in rows))
    high = max(0.1, *(interval.high for *_, interval in rows))
    x = Scale(low=low, high=high, start=_NAME + 10, end=WIDE - 60)
    bottom = 14.0 + 24 * len(rows)
    parts = [line(x.at(0.0), 6, x.at(0.0), bottom, colour="muted", dash="4 3")]
    for place, (title, value, interval) in enumerate(rows):
        parts += _risk(title, value, interval, x, 10.0 + 24 * place)
    parts.append(text(x.at(0.0), bottom + 16, "0: no more than of strangers", anchor="middle", colour="muted", size=12))
    said = "; ".join(f"{title} {value:.3f} ({span.low:.3f} to {span.high:.3f})" for title, value, span in rows)
    return figure(
        "fig-risk", height=bottom + 26, title="Risks with their intervals", description=said, parts=parts, width=WIDE
    )


def _risk(title: str, value: float, interval: Interval, x: Scale, y: float) -> list[str]:
    name = title if len(title) <= _LONGEST else title[: _LONGEST - 1] + "…"
    start, end = sorted((x.at(0.0), x.at(value)))
    return [
        text(_NAME, y + 12, name, anchor="end", size=12),
        box(start, y + 3, max(1.0, end - start), 12, fill="soft"),
        line(x.at(interval.low), y + 9, x.at(interval.high), y + 9, colour="warm", width=3),
        text(WIDE - 8, y + 13, f"{round(value, 3) + 0.0:.3f}".replace("-", "\u2212"), anchor="end", size=12),
    ]


def _outline(curve: Curve, x: Scale) -> list[tuple[float, float]]:
    """The curve with its peak brought to full height: a copy's would flatten all others."""
    y = Scale(low=0.0, high=max(curve.y), start=_BOTTOM, end=_TOP)
    return [(x.at(at), y.at(height)) for at, height in zip(curve.x, curve.y, strict=True)]


def _peak(curve: Curve) -> int:
    return curve.y.index(max(curve.y))
