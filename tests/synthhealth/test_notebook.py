"""What a notebook shows of the public nouns: tables whose cells are escaped, with the numbers in them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from report_evidence import evidence

from evaluation.finding import Estimate, Family, Finding, FindingTable, Interval, Verdict
from privacy.budget import Budget
from privacy.events import DiscreteGaussian
from privacy.ledger import Ledger
from privacy.notebook import html_table
from privacy.plan import Charge, Plan
from privacy.schema import Schema
from synthhealth.generators.simulator import simulated_schema
from synthhealth.report import ComplianceReport

CHARGE = Charge(
    name="one <way>", event=DiscreteGaussian(sigma=9.0, count=4), reads="rows", mechanism="m", sensitivity="s"
)
PLAN = Plan(budget=Budget(epsilon=3, delta=1e-6), charges=(CHARGE,), cohort_size=1000)


def cells(html: str) -> list[list[str]]:
    """The rows of the table inside, which must be well-formed."""
    tree = ET.fromstring(html)  # noqa: S314  # made a line above
    return [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]


def test_cells_are_escaped() -> None:
    html = html_table("<b>", ("a<b",), [("<script>",), ("&",)], note="<i>")
    assert "<script>" not in html
    assert cells(html) == [["a<b"], ["<script>"], ["&"]]


def test_a_schema_lists_columns_and_tests(six_patients) -> None:  # noqa: ANN001
    rows = cells(six_patients.schema._repr_html_())
    assert ["sex", "categorical", "F, M", ""] in rows
    assert ["weight", "continuous", "30 to 200 by 0.1 or missing", ""] in rows
    assert ["bmi", "derived", "weight / (height / 100) ** 2", ""] in rows
    assert ["ward", "categorical", "ICU, Medical, OTHER", ""] in rows
    assert ["K", "test", "1.5 to 10 by 0.1", "mmol/L"] in rows
    assert ["Dipstick", "test", "0, 1, 3", ""] in rows
    whole = simulated_schema()
    assert len(cells(whole._repr_html_())) == 1 + len(whole.columns) + len(whole.tests)


def test_a_schema_is_still_a_schema() -> None:
    schema = simulated_schema()
    assert Schema.model_validate(schema.model_dump()).sha256 == schema.sha256


def test_a_plan_and_a_ledger_say_what_is_promised_and_what_is_spent() -> None:
    assert "differential privacy for one patient" in PLAN._repr_html_()
    assert cells(PLAN._repr_html_())[1:] == [["one <way>", "rows", "m", "100.0%"]]
    ledger = Ledger(PLAN)
    assert cells(ledger._repr_html_())[1:] == [["not yet", "one <way>", "rows"]]
    ledger.spend("one <way>")
    assert cells(ledger._repr_html_())[1:] == [["1", "one <way>", "rows"]]


def test_a_run_without_protection_says_so() -> None:
    ledger = Ledger(Plan(budget=Budget(epsilon=3, delta=1e-6), charges=(), cohort_size=1000))
    ledger.expose()
    assert "UNSAFE" in ledger._repr_html_()


def test_findings_stand_with_their_intervals() -> None:
    finding = Finding(
        family=Family.FIDELITY,
        test="t",
        title="distance",
        subject="age",
        headline=Estimate(name="d", value=0.1234, interval=Interval(low=0.1, high=0.15)),
        floor=Estimate(name="d", value=0.05),
        verdict=Verdict.MEASURED,
    )
    row = ["fidelity", "distance: age", "0.123", "0.1 to 0.15", "0.05", "", "measured"]
    assert cells(finding._repr_html_())[1] == row
    assert len(cells(FindingTable(findings=(finding, finding))._repr_html_())) == 3
    assert "internal" in finding._repr_html_()


def test_a_report_shows_its_verdict() -> None:
    report = ComplianceReport.of(evidence())
    html = report._repr_html_()
    assert report.release.common.verdict.sentence in html
    assert len(cells(html)) == 1 + len(report.release.common.verdict.checks)
