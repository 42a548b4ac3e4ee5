"""Figures of the attacks: the ceiling of all attackers, the intervals of those that ran, and exact curves inside."""

from __future__ import annotations

import math

from markupsafe import Markup

from evaluation.finding import Curve, Family, Finding
from synthhealth.report.attack_parts import AttackRow, RoundedMeasure
from synthhealth.report.odds import tpr_ceiling
from synthhealth.report.parts import Promise
from synthhealth.report.svg import WIDE, WIDTH, Scale, area, dot, figure, line, path, text

_LEFT, _RIGHT = 64, WIDTH - 16
_TOP, _BOTTOM = 24.0, 286.0
_LOWEST = -3.5
_NAME = 72
_AXIS = 465
_AUC_LABELS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_EXCESS_LABELS = (-0.1, 0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def ceiling_figure(promise: Promise, attacks: tuple[AttackRow, ...]) -> Markup:
    """The most any attacker can reach, against what the attacks that were run did reach."""
    profile = tuple((p.epsilon, p.delta) for p in promise.profile)
    low, top, bottom = _LOWEST, _TOP, _BOTTOM
    x = Scale(low=low, high=0, start=_LEFT, end=_RIGHT)
    y = Scale(low=low, high=0, start=bottom, end=top)
    grid = [10 ** (low + k * -low / 60) for k in range(61)]
    ceiling = [(x.at(math.log10(f)), y.at(math.log10(tpr_ceiling(profile, f)))) for f in grid]
    chance = [(x.at(low), y.at(low)), (x.at(0), y.at(0))]
    parts = [_percent_axes(x, y, top, bottom)]
    parts += [area([*ceiling, (x.at(0), bottom), (x.at(low), bottom)]), path(ceiling)]
    parts += [path(chance, colour="muted", width=1.5, dash="5 4")]
    parts += _measured(attacks, x, y)
    parts += [
        text(_LEFT + 12, top + 22, "nobody can be up here", colour="muted"),
        text(x.at(-2.05), y.at(math.log10(tpr_ceiling(profile, 10**-2.05))) - 12, "ceiling", anchor="end", bold=True),
        text(x.at(-0.9), y.at(-0.9) + 30, "coin toss", colour="muted"),
        text(_RIGHT - 4, bottom - 12, "bars: attacks that were run", anchor="end", colour="warm", bold=True),
    ]
    said = ", ".join(f"{tpr_ceiling(profile, f):.1%} at {f:.1%}" for f in (0.001, 0.01, 0.1))
    title = "Ceiling of all attackers and what the attacks reached"
    return figure("fig-ceiling", height=332, title=title, description=f"ceiling: {said}", parts=parts)


def forest_figure(attacks: tuple[AttackRow, ...]) -> Markup | None:
    """The rounded interval of every attack beside the value that tells of no leak; None where nothing was measured."""
    auc, excess, worst = _rows(attacks, "auc"), _rows(attacks, "excess"), _rows(attacks, "worst group")
    if len(auc) + len(excess) + len(worst) == 0:
        return None
    parts, y = [], 6.0
    for rows, null, title, labels in (
        (auc, 0.5, "AUC; 0.5 is a coin toss", _AUC_LABELS),
        (excess, 0.0, "excess over control; 0 is none", _EXCESS_LABELS),
        (worst, 0.0, "excess in the worst group; 0 is none", _EXCESS_LABELS),
    ):
        if len(rows) > 0:
            panel, y = _panel(rows, null, title, labels, y)
            parts += panel
    said = "; ".join(f"{name} {m.low:g} to {m.high:g}" for name, m in (*auc, *excess, *worst))
    return figure("fig-forest", height=y, title="Intervals of all attacks", description=said, parts=parts, width=WIDE)


def roc_figure(promise: Promise, findings: tuple[Finding, ...]) -> Markup | None:
    """The exact curve of the strongest membership attack with its controls under the ceiling.

    Privacy: internal only.
    """
    best = _strongest(findings)
    if best is None:
        return None
    x = Scale(low=_LOWEST, high=0, start=_LEFT, end=_RIGHT)
    y = Scale(low=_LOWEST, high=0, start=_BOTTOM, end=_TOP)
    parts = [_percent_axes(x, y, _TOP, _BOTTOM)]
    if len(promise.profile) > 0:
        profile = tuple((p.epsilon, p.delta) for p in promise.profile)
        grid = [10 ** (_LOWEST + k * -_LOWEST / 60) for k in range(61)]
        parts.append(path([(x.at(math.log10(f)), y.at(math.log10(tpr_ceiling(profile, f)))) for f in grid]))
    parts.append(path([(x.at(_LOWEST), y.at(_LOWEST)), (x.at(0), y.at(0))], colour="muted", width=1.5, dash="5 4"))
    styles = (("warm", ""), ("muted", "1 3"), ("ink", "7 3"), ("ink", "2 2"))
    shown = best.curves[: len(styles)]
    for place, (curve, (colour, dash)) in enumerate(zip(shown, styles, strict=False)):
        parts.append(path(_log_points(curve, x, y), colour=colour, width=2, dash=dash))
        at = _TOP + 14 + 17 * place
        parts.append(line(_LEFT + 10, at - 4, _LEFT + 38, at - 4, colour=colour, width=2, dash=dash))
        parts.append(text(_LEFT + 46, at, curve.name, size=12))
    title = f"{best.title}: exact curve"
    return figure("fig-roc", height=332, title=title, description=title, parts=parts)


def _strongest(findings: tuple[Finding, ...]) -> Finding | None:
    drawn = [f for f in findings if f.family is Family.MEMBERSHIP and len(f.curves) > 0]
    return max(drawn, key=lambda f: 0.0 if f.headline.value is None else f.headline.value) if len(drawn) > 0 else None


def _log_points(curve: Curve, x: Scale, y: Scale) -> list[tuple[float, float]]:
    pairs = [(fpr, tpr) for fpr, tpr in zip(curve.x, curve.y, strict=True) if fpr > 0 and tpr > 0]
    return [(x.at(math.log10(fpr)), y.at(math.log10(tpr))) for fpr, tpr in pairs]


def _rows(attacks: tuple[AttackRow, ...], name: str) -> list[tuple[str, RoundedMeasure]]:
    return [(row.title, m) for row in attacks for m in row.measures if m.name == name]


def _panel(
    rows: list[tuple[str, RoundedMeasure]], null: float, title: str, labels: tuple[float, ...], y: float
) -> tuple[list[str], float]:
    """One block of intervals on an axis that holds them all; returns its elements and where it ends."""
    low = min(null - 0.05, *(m.low for _, m in rows))
    high = max(null + 0.1, *(m.high for _, m in rows))
    x = Scale(low=low, high=high, start=_AXIS, end=WIDE - 16)
    bottom = y + 24 + 22 * len(rows)
    parts = [text(_AXIS, y + 12, title, colour="muted", size=12)]
    parts.append(line(x.at(null), y + 20, x.at(null), bottom, colour="muted", dash="4 3"))
    for place, (name, m) in enumerate(rows):
        at = y + 34 + 22 * place
        parts.append(
            text(_AXIS - 10, at + 4, name if len(name) <= _NAME else name[: _NAME - 1] + "…", anchor="end", size=12)
        )
        parts.append(line(x.at(m.low), at, x.at(m.high), at, colour="warm", width=4))
        parts += [dot(x.at(m.low), at, radius=3, fill="warm"), dot(x.at(m.high), at, radius=3, fill="warm")]
    for value in labels:
        if low <= value <= high:
            words = f"{value:g}".replace("-", "\u2212")
            parts.append(text(x.at(value), bottom + 14, words, anchor="middle", colour="muted", size=12))
    return parts, bottom + 30


def _measured(attacks: tuple[AttackRow, ...], x: Scale, y: Scale) -> list[str]:
    """Intervals of all attacks side by side at each false-positive rate they were measured at."""
    parts = []
    for fpr in (0.001, 0.01, 0.1):
        name = f"tpr at fpr {fpr:g}"
        found = [m for row in attacks for m in row.measures if m.name == name]
        for place, m in enumerate(found[:6]):
            at = x.at(math.log10(fpr)) + 7.0 * (place - (min(len(found), 6) - 1) / 2)
            low, high = (y.at(math.log10(max(v, 1e-9))) for v in (m.low, m.high))
            parts.append(line(at, low, at, high, colour="warm", width=3))
            parts.append(line(at - 3, high, at + 3, high, colour="warm", width=2))
    return parts


def _percent_axes(x: Scale, y: Scale, top: float, bottom: float) -> str:
    parts = [
        text(_RIGHT, bottom + 38, "strangers wrongly accused (FPR)", anchor="end", colour="muted"),
        text(_LEFT - 48, 12, "members caught (TPR)", colour="muted"),
    ]
    for power, label in ((-3, "0.1 %"), (-2, "1 %"), (-1, "10 %"), (0, "100 %")):
        parts.append(line(_LEFT, y.at(power), _RIGHT, y.at(power)))
        parts.append(line(x.at(power), top, x.at(power), bottom))
        parts.append(text(_LEFT - 8, y.at(power) + 4, label, anchor="end", colour="muted", size=12))
        anchor = "end" if power == 0 else "middle"
        parts.append(text(x.at(power), bottom + 18, label, anchor=anchor, colour="muted", size=12))
    return "".join(parts)
