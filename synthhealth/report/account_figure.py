"""The population's account over time as a figure: what each run added, what is left, which runs broke off."""

from __future__ import annotations

from markupsafe import Markup

from synthhealth.report.parts import PopulationRun, PopulationTotal
from synthhealth.report.svg import WIDTH, Scale, box, dot, figure, line, path, text
from synthhealth.report.wording import number

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, WIDTH - 96.0, 30.0, 210.0
_MOST_LABELS = 6
_STATES = {"finished": "finished", "aborted": "broken off", "reserved": "begun"}


def account_figure(total: PopulationTotal) -> Markup | None:
    """Epsilon of all runs so far, run by run, below the ceiling; None where no run was ever charged."""
    if len(total.runs) == 0:
        return None
    x = Scale(low=0, high=len(total.runs), start=_LEFT, end=_RIGHT)
    y = Scale(low=0, high=1.08 * max(total.ceiling_epsilon, total.epsilon), start=_BOTTOM, end=_TOP)
    ceiling = y.at(total.ceiling_epsilon)
    parts = [line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, colour="muted"), text(_LEFT - 8, _BOTTOM + 4, "0", anchor="end")]
    parts.append(line(_LEFT, ceiling, _RIGHT, ceiling, colour="warm", width=2, dash="6 4"))
    parts.append(text(_LEFT, ceiling - 8, f"ceiling {total.ceiling_epsilon:g}", colour="warm", bold=True))
    parts += _bars(total, x, y)
    level = y.at(total.epsilon)
    parts.append(text(_RIGHT + 8, level + 4, f"{number(total.epsilon, 'epsilon')} spent", size=12, bold=True))
    if level - ceiling > 30:  # noqa: PLR2004  # two lines of text fit between
        left = f"{number(total.left_epsilon, 'epsilon')} left"
        parts.append(text(_RIGHT + 8, (level + ceiling) / 2 + 4, left, colour="muted", size=12))
    parts.append(text(8, 14, "epsilon of all runs so far", colour="muted", size=12))
    title = "The account over time"
    return figure("fig-account", height=_BOTTOM + 50, title=title, description=_said(total), parts=parts)


def _bars(total: PopulationTotal, x: Scale, y: Scale) -> list[str]:
    """A bar a run, filled where it came to its end and empty where it broke off, and the stairs over them."""
    parts, stairs, every = [], [(_LEFT, _BOTTOM)], max(1, -(-len(total.runs) // _MOST_LABELS))
    wide = (x.at(1) - x.at(0)) * 0.6
    for place, run in enumerate(total.runs):
        low, high = x.at(place), x.at(place + 1)
        middle, top = (low + high) / 2, y.at(run.epsilon_running)
        fill, edge = ("soft", "none") if run.state == "finished" else ("paper", "accent")
        dash = "" if run.state == "finished" else "4 3"
        wide_here = min(wide, 90.0)
        parts.append(box(middle - wide_here / 2, top, wide_here, _BOTTOM - top, fill=fill, edge=edge, dash=dash))
        stairs += [(low, top), (high, top)]
        parts.append(dot(middle, top, radius=4, fill="accent" if run.state == "finished" else "paper", edge="accent"))
        if place % every == 0 or place == len(total.runs) - 1:
            parts.append(text(middle, _BOTTOM + 18, run.on, anchor="middle", size=12))
            parts.append(text(middle, _BOTTOM + 34, _STATES[run.state], anchor="middle", size=12, colour="muted"))
    return [*parts, path(stairs, width=1.5)]


def _said(total: PopulationTotal) -> str:
    return "; ".join(_run_said(run) for run in total.runs) + f"; ceiling {total.ceiling_epsilon:g}"


def _run_said(run: PopulationRun) -> str:
    return f"{run.on} {_STATES[run.state]}: {number(run.epsilon_running, 'epsilon')} in all"
