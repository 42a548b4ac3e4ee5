"""The data flow with its trust boundary: what crosses it, and at what price."""

from __future__ import annotations

from markupsafe import Markup

from synthhealth.report.parts import Promise
from synthhealth.report.svg import arrow, box, figure, line, text
from synthhealth.report.wording import number


def flow_figure(promise: Promise, engine: str) -> Markup:
    """Everything inside the institution above the line, everything that leaves below it."""
    spent = promise.epsilon
    price = "no guarantee" if spent is None else f"charged: epsilon {number(spent.value, 'epsilon')}"
    parts = [
        box(8, 8, 544, 310, fill="none", edge="accent", dash="6 4"),
        text(24, 32, "inside the institution", colour="accent", bold=True),
        *_node(24, 48, 220, "Patients and lab records", "real; never leave"),
        *_node(24, 146, 220, "Gate", "pays the ledger before it opens"),
        *_node(24, 244, 220, f"Engine: {engine}", "learns from noisy sums only"),
        *_node(330, 48, 206, "Holdout", "real; unseen by the engine"),
        *_node(330, 146, 206, "Attacks and measures", "synthetic against real, exact"),
        *_node(330, 244, 206, "Internal edition", "does not leave"),
        arrow(134, 104, 134, 144),
        text(144, 129, "cap on records, bounds", colour="muted", size=12),
        arrow(134, 202, 134, 242),
        text(144, 227, price, colour="accent", size=12, bold=True),
        arrow(433, 104, 433, 144),
        arrow(433, 202, 433, 242),
        arrow(244, 66, 328, 66),
        text(286, 58, "split", anchor="middle", colour="muted", size=12),
        arrow(134, 300, 134, 372, colour="accent"),
        text(144, 340, "sampling costs nothing", colour="muted", size=12),
        line(330, 174, 304, 174, colour="warm", width=1.5),
        line(304, 174, 304, 356, colour="warm", width=1.5),
        line(304, 356, 396, 356, colour="warm", width=1.5),
        arrow(396, 356, 396, 372, colour="warm"),
        text(404, 348, "rounded, outside the", colour="muted", size=12),
        text(404, 363, "guarantee", colour="muted", size=12),
        *_node(24, 374, 220, "Synthetic patients, model", "may leave"),
        *_node(330, 374, 206, "Release edition, ledger", "may leave"),
    ]
    said = (
        "Real rows reach the engine only through the gate, which pays the ledger first. The engine's output and the "
        "release edition cross the boundary; exact numbers and the internal edition do not."
    )
    return figure("fig-flow", height=440, title="Data flow and trust boundary", description=said, parts=parts)


def _node(x: float, y: float, width: float, title: str, under: str) -> tuple[str, ...]:
    return (
        box(x, y, width, 56, fill="paper", edge="muted"),
        text(x + 12, y + 24, title, bold=True),
        text(x + 12, y + 43, under, colour="muted", size=12),
    )
