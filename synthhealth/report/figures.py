"""The report's figures, drawn from the document alone: profile, attackers' ceiling, ledger, odds in counts."""

from __future__ import annotations

import math

from markupsafe import Markup

from synthhealth.report.parts import LedgerPart, Odds, Promise
from synthhealth.report.svg import WIDTH, Scale, area, box, dot, figure, line, path, text
from synthhealth.report.wording import number

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
        dot(20, 156, radius=7, fill="muted") + text(36, 161, f"{_CHANCE} right by tossing a coin"),
        dot(20, 180, radius=7, fill="accent") + _plus(20, 180, 3.5) + text(36, 185, f"at most {more} more right"),
        dot(20, 204, radius=7, fill="paper", edge="rule") + text(36, 209, f"at least {_CHANCE - more} wrong"),
    ]
    said = f"Of 100 guesses 50 are right by chance, at most {more} more because of the release."
    return figure("fig-odds", height=218, title="A hundred guesses", description=said, parts=parts)


def _plus(x: float, y: float, arm: float = 4.0) -> str:
    return line(x - arm, y, x + arm, y, colour="paper", width=1.6) + line(
        x, y - arm, x, y + arm, colour="paper", width=1.6
    )


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
