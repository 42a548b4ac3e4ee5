from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_evidence import attack, attacks, estimate, evidence

from evaluation.finding import Estimate, Family, Interval, Verdict
from synthhealth.report.account import Account
from synthhealth.report.assemble import disclose, internal_document, release_document
from synthhealth.report.canonical import canonical
from synthhealth.report.disclosure import attack_rows, round_down, round_up, size_class

STEPS = st.sampled_from([0.01, 0.02, 0.05])


@given(value=st.floats(-1, 1), step=STEPS)
def test_rounding_goes_outward_onto_the_step(value: float, step: float):
    low, high = round_down(value, step), round_up(value, step)
    assert low <= value + 1e-11
    assert high >= value - 1e-11
    assert high - low <= step + 1e-9
    assert Decimal(str(low)) % Decimal(str(step)) == 0
    assert Decimal(str(high)) % Decimal(str(step)) == 0


@given(value=st.floats(0, 1), ticks=st.integers(0, 100))
def test_rounding_onto_the_step_changes_no_comparison_with_a_threshold(value: float, ticks: int):
    threshold = float(Decimal("0.01") * ticks)
    if abs(value - threshold) > 1e-11:
        assert (round_up(value, 0.01) <= threshold) == (value <= threshold)
        assert (round_down(value, 0.01) >= threshold) == (value >= threshold)


@pytest.mark.parametrize(("n", "rounded"), [(0, 0), (9, 0), (10, 10), (3417, 3000), (999, 900), (10_000, 10_000)])
def test_size_keeps_its_first_digit(n: int, rounded: int):
    assert size_class(n) == rounded


def test_rows_hold_names_of_both_bodies_and_no_free_text():
    rows = attack_rows(attacks(), step=0.01, profile=((0.0, 0.2), (1.0, 0.01)))
    singling = next(row for row in rows if row.family == "singling out")
    assert (singling.wp216, singling.edpb) == ("singling out", "no record isolation")
    assert "detection_limit" not in singling.model_dump()
    assert [m.name for m in rows[0].measures] == ["auc", "tpr at fpr 0.1", "tpr at fpr 0.01", "tpr at fpr 0.001"]
    assert (rows[0].measures[0].low, rows[0].measures[0].high) == (0.49, 0.53)
    assert rows[0].about_n == 3000


def test_groups_and_raw_success_stay_inside():
    row = attack_rows(
        (
            attack(
                Family.MEMBERSHIP,
                "m",
                estimate("AUC", 0.4, 0.5, 0.6),
                estimate("AUC, outliers", 0.4, 0.5, 0.9),
                estimate("excess over holdout, rare codes", 0.0, 0.1, 0.2),
                estimate("success on train", 0.0, 0.1, 0.2),
                estimate("excess over holdout, worst group", 0.0, 0.1, 0.2),
                verdict=Verdict.LEAK,
            ),
        ),
        step=0.01,
        profile=(),
    )[0]
    assert [m.name for m in row.measures] == ["auc", "worst group"]
    assert row.ceilings == ()


def test_a_number_without_a_finite_interval_is_not_shown():
    bare = Estimate(name="AUC", value=0.5)
    endless = Estimate(name="AUC", value=0.5, interval=Interval(low=0.4, high=float("inf")))
    for headline in (bare, endless):
        rows = attack_rows((attack(Family.MEMBERSHIP, "m", headline, verdict=Verdict.MEASURED),), step=0.01, profile=())
        assert rows[0].measures == ()


def test_exact_numbers_are_in_the_internal_edition_only():
    secret = 0.0271828
    given_ = evidence()
    marked = tuple(
        replace(f, reason="the secret is 31337", detection_limit="31337 patients", n=31337) for f in given_.findings
    )
    account = Account.read(given_.ledger_json)
    whole = replace(given_, findings=marked)
    release = release_document(disclose(whole, account), account)
    inside = canonical(internal_document(whole, release)).decode()
    outside = canonical(release).decode()
    for trace in (str(secret), "31337", "0.5078", "0.4931", "0.0312"):
        assert trace in inside
        assert trace not in outside
    assert "0.741" in outside
