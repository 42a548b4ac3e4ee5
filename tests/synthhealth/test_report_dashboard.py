from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
from report_evidence import evidence

from evaluation.portrait import Course, Histogram, LabPortrait, Portrait, portrait
from privacy.errors import CheckError
from synthhealth.findings_file import read_portrait, write_portrait
from synthhealth.generators.simulator import simulate
from synthhealth.report import ComplianceReport
from synthhealth.report.canonical import canonical
from synthhealth.report.dashboard import correlation_figure, lab_figures
from synthhealth.report.inner import gap_figure, worst
from synthhealth.report.render import render_internal, render_release


@lru_cache(maxsize=1)
def drawn() -> Portrait:
    return portrait(simulate(300, seed=1), simulate(300, seed=2))


def numbers(svg: str) -> list[float]:
    return [float(n) for n in re.findall(r"(?:[xy][12]?|width|height)=\"(-?[\d.]+)\"", svg)]


def test_every_test_has_a_figure_that_speaks():
    figures = lab_figures(drawn())
    assert len(figures) == len(drawn().tests)
    for one, figure in zip(drawn().tests, figures, strict=True):
        assert one.test in figure
        assert "values from" in figure.split("<desc")[1]
        spots = [float(n) for points in re.findall(r'points="([^"]*)"', figure) for n in re.split("[ ,]", points)]
        assert all(0 <= spot <= 560 for spot in spots)
    ids = re.findall(r' id="([^"]*)"', "".join(figures))
    assert len(ids) == len(set(ids)) == 2 * len(figures)


def test_correlations_stand_side_by_side_cell_by_cell():
    shown = drawn().correlations
    assert shown is not None
    figure = str(correlation_figure(shown))
    known = sum(value is not None for rows in (shown.real, shown.synthetic) for row in rows for value in row)
    assert figure.count("fill-opacity") == known + 5  # the key below
    assert max(numbers(figure)) <= 560


def test_what_is_unknown_is_said_and_nothing_divides_by_nothing():
    flat = Histogram(edges=(0.5, 1.5), real=(0.0,), synthetic=(0.0,))
    course = Course(time=(1.0,), real=((None,),) * 3, synthetic=((None,),) * 3)
    one = LabPortrait(test="<b>", unit="", values=flat, course=course, gaps=None)
    figure = lab_figures(Portrait(time_unit="hours", tests=(one,), correlations=None))[0]
    assert "too few over time" in figure
    assert "too few repeated" in figure
    assert "&lt;b&gt;" in figure
    assert "nan" not in figure


def test_the_dashboard_is_in_the_internal_edition_alone():
    report = ComplianceReport.of(replace(evidence(), portrait=drawn()))
    inside = render_internal(report.internal, digest="0" * 64)
    assert inside.count('id="fig-test-') == 2 * len(drawn().tests)
    assert 'id="fig-correlations-title"' in inside
    assert "fig-test-" not in render_release(report.release, digest="0" * 64)
    assert b"portrait" not in canonical(report.release)


def test_the_worst_stands_first():
    shares = [finding.gap_closed for finding in worst(evidence().findings)]
    assert len(shares) >= 3
    assert shares == sorted(shares, key=lambda share: 0.0 if share is None else share)
    figure = str(gap_figure(evidence().findings))
    shown = [float(n) for n in re.findall(r">(-?\d+)%<", figure.replace("\u2212", "-"))]
    assert shown == sorted(shown)


def test_far_below_nothing_is_said_to_be_so_and_no_more():
    found = next(finding for finding in evidence().findings if finding.gap_closed is not None)
    assert found.ceiling is not None
    far = replace(found, headline=replace(found.headline, value=100 + (found.ceiling.value or 0.0)))
    assert ">&lt; \u2212100%</text>" in str(gap_figure((far,)))


def test_a_portrait_comes_back_from_disk_as_it_was(tmp_path: Path):
    write_portrait(tmp_path / "portrait.json", drawn())
    assert read_portrait(tmp_path / "portrait.json") == drawn()
    assert read_portrait(tmp_path / "none.json") is None
    (tmp_path / "portrait.json").write_text("{}")
    with pytest.raises(CheckError, match="run `evaluate` again"):
        read_portrait(tmp_path / "portrait.json")
