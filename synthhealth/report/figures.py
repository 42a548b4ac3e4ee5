"""The report's figures, drawn from the document alone: profile, attackers' ceiling, ledger, odds in counts."""

from __future__ import annotations

import math

from markupsafe import Markup

from synthhealth.report.attack_parts import AttackRow
from synthhealth.report.odds import tpr_ceiling
from synthhealth.report.parts import LedgerPart, Odds, Promise
from synthhealth.report.reading import number
from synthhealth.report.svg import WIDTH, Scale, area, box, dot, figure, line, path, text

_LEFT, _RIGHT = 64, WIDTH - 16
_CHANCE = 50
_NAME = 26
_MOST_TICKS = 8


def profile_figure(promise: Promise) -> Markup:
    """Delta against epsilon on a logarithmic axis, with the pair that is quoted marked on it."""
    floor = 1e-9
    points = [(p.epsilon, p.delta) for p in promise.profile if p.epsilon <= _last(promise) and p.delta >= floor]
    x = Scale(low=0, high=_last(promise), start=_LEFT, end=_RIGHT)
    y = Scale(low=0, high=math.log10(floor), start=24, end=236)
    curve = [(x.at(e), y.at(math.log10(d))) for e, d in points]
    parts = [_log_grid(y, range(0, -10, -3)), _ticks(x, _nice(_last(promise)), 236)]
    parts += [area([(x.at(0), 236.0), *curve, (curve[-1][0], 236.0)]), path(curve)]
    if promise.epsilon is not None and promise.delta is not None:
        at = (x.at(promise.epsilon.value), y.at(math.log10(promise.delta.value)))
        parts += [line(at[0], at[1], at[0], 236, colour="muted", dash="3 3"), dot(*at, fill="accent", edge="paper")]
        label = f"{number(promise.epsilon.value, 'epsilon')} at delta {number(promise.delta.value, 'delta')}"
        # Right of the point the curve has fallen away, so that a label there is on plain ground.
        anchor, x_label = ("start", at[0] + 9) if at[0] < WIDTH * 0.6 else ("end", _RIGHT)
        parts.append(text(x_label, at[1] - 14, label, bold=True, anchor=anchor))
    parts += [text(_RIGHT, 274, "epsilon", anchor="end", colour="muted"), text(_LEFT - 48, 14, "delta", colour="muted")]
    said = "; ".join(f"epsilon {e:g}, delta {d:.1e}" for e, d in points[:: max(1, len(points) // 6)])
    return figure("fig-profile", height=284, title="Privacy profile", description=said, parts=parts)


def ceiling_figure(promise: Promise, attacks: tuple[AttackRow, ...]) -> Markup:
    """The most any attacker can reach, against what the attacks that were run did reach."""
    profile = tuple((p.epsilon, p.delta) for p in promise.profile)
    low, top, bottom = -3.5, 24.0, 286.0
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
        text(_RIGHT, bottom + 38, "strangers wrongly accused (FPR)", anchor="end", colour="muted"),
        text(_LEFT - 48, 12, "members caught (TPR)", colour="muted"),
    ]
    said = ", ".join(f"{tpr_ceiling(profile, f):.1%} at {f:.1%}" for f in (0.001, 0.01, 0.1))
    title = "Ceiling of all attackers and what the attacks reached"
    return figure("fig-ceiling", height=332, title=title, description=f"ceiling: {said}", parts=parts)


def ledger_figure(ledger: LedgerPart, promise: Promise) -> Markup:
    """One bar for each charge alone, and one for all together, which is less than their sum."""
    rows = [(entry.name, entry.epsilon_alone) for entry in ledger.lines]
    total = 0.0 if promise.epsilon is None else promise.epsilon.value
    rows.append(("all together", total))
    x = Scale(low=0, high=max(1e-9, *(value for _, value in rows)), start=200, end=_RIGHT - 52)
    parts, y = [], 12.0
    for index, (name, value) in enumerate(rows):
        last = index == len(rows) - 1
        y += 10 if last else 0
        parts.append(text(188, y + 15, _short(name), anchor="end", bold=last))
        parts.append(box(200, y + 2, max(1.5, x.at(value) - 200), 18, fill="accent" if last else "soft"))
        parts.append(text(x.at(value) + 8, y + 16, number(value, "epsilon"), bold=last))
        y += 28
    parts.append(line(200, 6, 200, y, colour="muted"))
    said = "; ".join(f"{name} {number(value, 'epsilon')}" for name, value in rows)
    return figure("fig-ledger", height=y + 8, title="Epsilon of each charge", description=said, parts=parts)


def odds_figure(odds: Odds) -> Markup:
    """A hundred guesses: right by chance, right at most because of the release, wrong."""
    parts = []
    for index in range(100):
        row, column = divmod(index, 20)
        x, y = 20 + column * 27.3, 20 + row * 25.0
        if index < _CHANCE:
            parts.append(dot(x, y, radius=8.5, fill="muted"))
        elif index < odds.right_in_100:
            parts.append(dot(x, y, radius=8.5, fill="accent") + _plus(x, y))
        else:
            parts.append(dot(x, y, radius=8, fill="paper", edge="rule"))
    more = odds.right_in_100 - _CHANCE
    parts += [
        dot(20, 158, radius=7, fill="muted") + text(34, 163, "50 right by tossing a coin"),
        dot(234, 158, radius=7, fill="accent") + _plus(234, 158, 3.5) + text(248, 163, f"at most {more} more right"),
        dot(408, 158, radius=7, fill="paper", edge="rule") + text(422, 163, f"at least {50 - more} wrong"),
    ]
    said = f"Of 100 guesses 50 are right by chance, at most {more} more because of the release."
    return figure("fig-odds", height=176, title="A hundred guesses", description=said, parts=parts)


def _plus(x: float, y: float, arm: float = 4.0) -> str:
    return line(x - arm, y, x + arm, y, colour="paper", width=1.6) + line(
        x, y - arm, x, y + arm, colour="paper", width=1.6
    )


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
    parts = []
    for power, label in ((-3, "0.1 %"), (-2, "1 %"), (-1, "10 %"), (0, "100 %")):
        parts.append(line(_LEFT, y.at(power), _RIGHT, y.at(power)))
        parts.append(line(x.at(power), top, x.at(power), bottom))
        parts.append(text(_LEFT - 8, y.at(power) + 4, label, anchor="end", colour="muted", size=12))
        anchor = "end" if power == 0 else "middle"
        parts.append(text(x.at(power), bottom + 18, label, anchor=anchor, colour="muted", size=12))
    return "".join(parts)


def _log_grid(y: Scale, powers: range) -> str:
    rows = []
    for power in powers:
        label = "1" if power == 0 else f"1e{power}"
        rows.append(line(_LEFT, y.at(power), _RIGHT, y.at(power)))
        rows.append(text(_LEFT - 8, y.at(power) + 4, label, anchor="end", colour="muted", size=12))
    return "".join(rows)


def _ticks(x: Scale, values: list[float], y: float) -> str:
    return "".join(
        line(x.at(v), y, x.at(v), y + 5, colour="muted")
        + text(x.at(v), y + 20, f"{v:g}", anchor="middle", colour="muted", size=12)
        for v in values
    )


def _nice(top: float) -> list[float]:
    step = 1.0 if top <= _MOST_TICKS else 2.0 if top <= 2 * _MOST_TICKS else 5.0
    return [step * k for k in range(int(top / step) + 1)]


def _last(promise: Promise) -> float:
    """The right end of the profile's axis: a little beyond the quoted epsilon."""
    top = 1.0 if promise.epsilon is None else promise.epsilon.value
    return float(min(20, max(2, math.ceil(top * 1.35))))


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
