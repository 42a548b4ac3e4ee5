"""Tables and the figure of the internal edition: every finding in full, family by family."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from evaluation.finding import Estimate, Family, Finding
from synthhealth.report.svg import WIDE, Scale, box, dot, figure, line, text

_MOST_ROWS = 24
_AXIS, _NAME = 410, 58


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyTable:
    """The findings of one family, in the order in which they were made."""

    family: str
    rows: tuple[Finding, ...]


def family_tables(findings: tuple[Finding, ...]) -> tuple[FamilyTable, ...]:
    """The findings sorted into their families, empty ones left out.

    Privacy: internal only.
    """
    tables = []
    for family in Family:
        rows = tuple(f for f in findings if f.family is family)
        if len(rows) > 0:
            tables.append(FamilyTable(family=family.value, rows=rows))
    return tuple(tables)


def said(estimate: Estimate | None) -> str:
    """An estimate with its interval, or the reason why there is none."""
    if estimate is None:
        return ""
    if estimate.value is None:
        return estimate.note if estimate.note != "" else "not resolved"
    if estimate.interval is None:
        return f"{estimate.value:.4g}"
    return f"{estimate.value:.4g} ({estimate.interval.low:.4g} to {estimate.interval.high:.4g})"


def worst(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings that have a floor and a ceiling, the least share of the gap closed first.

    Privacy: internal only.
    """
    known = [f for f in findings if f.gap_closed is not None]
    return tuple(sorted(known, key=lambda f: 0.0 if f.gap_closed is None else f.gap_closed))


def _percent(share: float) -> str:
    """A share of the gap; far below nothing, how far says no more."""
    return "< \u2212100%" if share < -1 else f"{share:.0%}".replace("-", "\u2212")


def gap_figure(findings: tuple[Finding, ...]) -> Markup | None:
    """How far each distance lies between fresh real data and shuffled data, worst first; None when nothing has both.

    Privacy: internal only.
    """
    rows = [(f, f.gap_closed) for f in worst(findings)][:_MOST_ROWS]
    if len(rows) == 0:
        return None
    x = Scale(low=0.0, high=1.0, start=_AXIS, end=WIDE - 60)
    parts, y = [], 34.0
    height = 34.0 + 24 * len(rows)
    for value, label in ((0.0, "shuffled"), (1.0, "fresh real data")):
        parts.append(line(x.at(value), 24, x.at(value), height, colour="rule"))
        parts.append(text(x.at(value), 16, label, anchor="start" if value == 0 else "end", colour="muted", size=12))
    for finding, gap in rows:
        name = finding.title if finding.subject in finding.title else f"{finding.title}: {finding.subject}"
        value = 0.0 if gap is None else gap
        parts.append(
            text(_AXIS - 10, y + 13, name if len(name) <= _NAME else name[: _NAME - 1] + "…", anchor="end", size=12)
        )
        parts.append(box(_AXIS, y + 7, max(1.0, x.at(value) - _AXIS), 5, fill="soft"))
        parts.append(dot(x.at(value), y + 9.5, radius=5))
        parts.append(text(WIDE - 8, y + 13, _percent(value), anchor="end", size=12))
        y += 24
    described = "; ".join(f"{f.title} {f.subject} {0 if g is None else g:.0%}" for f, g in rows)
    return figure(
        "fig-gap", height=height + 8, title="Share of the gap closed", description=described, parts=parts, width=WIDE
    )
