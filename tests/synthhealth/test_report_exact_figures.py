from __future__ import annotations

import re
from dataclasses import replace

from report_evidence import attack, estimate

from evaluation.finding import Curve, Estimate, Family, Finding, Verdict
from synthhealth.report.exact_figures import distance_figure, risk_figure

GRID = (0.5, 1.0, 1.5, 2.0)


def _nearness(*names: str) -> Finding:
    curves = tuple(Curve(name=name, x=GRID, y=(0.0, 1.0, 4.0 + place, 1.0)) for place, name in enumerate(names))
    made = attack(Family.DISTANCE, "near", estimate("AUC", 0.4, 0.5, 0.6), verdict=Verdict.NO_LEAK_DETECTED)
    return replace(made, curves=curves)


def test_distances_are_drawn_with_floor_and_copy():
    drawn = distance_figure((_nearness("distance, train", "distance, holdout (floor)", "distance, train, POS-copy"),))
    assert drawn is not None
    lines = re.findall(r'points="([^"]+)"', drawn)
    assert len(lines) == 3
    peaks = {min(float(point.split(",")[1]) for point in each.split()) for each in lines}
    assert peaks == {74.0}
    assert "floor" in drawn
    assert "copied" in drawn


def test_without_distances_nothing_is_drawn():
    assert distance_figure((_nearness("ROC"),)) is None
    assert risk_figure((_nearness("ROC"),)) is None


def test_risks_are_drawn_with_intervals_and_zero():
    found = (
        attack(Family.LINKABILITY, "Linked <together>", estimate("residual risk", 0.1, 0.2, 0.3), verdict=Verdict.LEAK),
        attack(Family.INFERENCE, "read", estimate("residual risk", -0.2, -0.1, 0.1), verdict=Verdict.LEAK),
        attack(Family.INFERENCE, "broken", Estimate(name="", value=None), verdict=Verdict.INCONCLUSIVE),
    )
    drawn = risk_figure(found)
    assert drawn is not None
    assert "Linked &lt;together&gt;" in drawn
    assert "0.200 (0.100 to 0.300)" in drawn
    nothing = estimate("residual risk", -0.1, -0.0001, 0.1)
    assert ">0.000</text>" in str(risk_figure((attack(Family.COPIES, "copied", nothing, verdict=Verdict.LEAK),)))
    assert "broken" not in drawn
    bars = re.findall(r'<line x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)" y2="[\d.]+" class="s-warm"', drawn)
    assert len(bars) == 2
    zero = float(re.findall(r'<line x1="([\d.]+)" y1="6"', drawn)[0])
    assert float(bars[0][0]) > zero > float(bars[1][0])
