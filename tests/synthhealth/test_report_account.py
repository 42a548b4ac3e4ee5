from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_evidence import evidence, standing

from privacy.accounting import epsilon_of
from privacy.events import DiscreteGaussian
from privacy.population import Run
from synthhealth.report import ComplianceReport
from synthhealth.report.account import priced_population
from synthhealth.report.account_figure import account_figure
from synthhealth.report.parts import PopulationTotal
from synthhealth.report.render import render_release


def many(count: int) -> PopulationTotal:
    """The account of so many small runs, every third of which broke off."""
    runs = tuple(
        Run(
            run_id=f"run{k}",
            state="aborted" if k % 3 == 2 else "finished",
            events=(DiscreteGaussian(sigma=20.0 + k, count=1),),
            reserved_at=f"2026-{1 + k // 28:02}-{1 + k % 28:02}T10:00:00+00:00",
        )
        for k in range(count)
    )
    return priced_population(replace(standing(), runs=runs))


def test_each_run_says_what_it_and_all_before_it_cost():
    total = many(4)
    events = [DiscreteGaussian(sigma=20.0 + k, count=1) for k in range(4)]
    for place, run in enumerate(total.runs):
        assert run.epsilon_alone == pytest.approx(epsilon_of((events[place],), 1e-6), rel=1e-5)
        assert run.epsilon_running == pytest.approx(epsilon_of(tuple(events[: place + 1]), 1e-6), rel=1e-5)
    assert total.runs[-1].epsilon_running == total.epsilon


@pytest.mark.parametrize("count", [1, 3, 40])
def test_the_account_is_drawn_run_by_run_under_its_ceiling(count: int):
    drawn = str(account_figure(many(count)))
    boxes = re.findall(r"<rect [^>]*>", drawn)
    assert len(boxes) == count
    assert sum("stroke-dasharray" in box for box in boxes) == sum(k % 3 == 2 for k in range(count))
    assert "ceiling 10" in drawn
    assert 1 <= len(re.findall(r">2026-", drawn.split("</desc>")[1])) <= 8
    heights = [float(height) for box in boxes for height in re.findall(r' height="([\d.]+)"', box)]
    assert heights == sorted(heights)


def test_an_account_without_a_run_has_no_figure():
    assert account_figure(many(1).model_copy(update={"runs": ()})) is None


def test_the_figure_stands_in_the_report_and_speaks():
    page = render_release(ComplianceReport.of(evidence()).release, digest="0" * 64)
    said = page.split('<desc id="fig-account-desc">')[1].split("</desc>")[0]
    assert said.startswith("2026-03-02 broken off: ")
    assert "2026-11-22 begun: " in said


def test_other_releases_that_were_not_attacked_together_are_named_as_such():
    report = ComplianceReport.of(replace(evidence(), population=replace(standing(), runs=finished_twice())))
    assert "were not run on them together" in render_release(report.release, digest="0" * 64)
    assert "were not run on them together" not in render_release(
        ComplianceReport.of(evidence()).release, digest="0" * 64
    )


def finished_twice() -> tuple[Run, ...]:
    return tuple(replace(run, state="finished") for run in standing().runs)
