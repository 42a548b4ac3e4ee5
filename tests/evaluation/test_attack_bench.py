"""The bench of the attacks plants what it says, and reads findings as it should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bench.attacks import attack_by_attack
from bench.cohorts import Bench, Deal, Sizes, deal
from bench.engines import strongest
from bench.planted import LEAKS, everybody_else, few_copies, flagged, fresh, labs_redrawn
from lab_cohorts import lab_cohort

from evaluation.finding import Estimate, Family, Finding, Interval, Verdict
from evaluation.fingerprints import patient_words, result_words

SIZES = Sizes(train=200, holdout=120, reference=120, fresh=150)


@pytest.fixture(scope="module")
def dealt() -> Deal:
    return deal(Bench(name="labs", cohort=lab_cohort(600, 3), sizes=SIZES), 0)


def _finding(test: str, verdict: Verdict, p: float, *others: Estimate) -> Finding:
    headline = Estimate(name="AUC", value=0.5, interval=Interval(low=0.4, high=0.6))
    return Finding(
        family=Family.MEMBERSHIP, test=test, title=test, headline=headline, verdict=verdict, p_value=p, others=others
    )


def test_nobody_is_dealt_twice(dealt: Deal):
    sides = (dealt.train, dealt.holdout, dealt.reference, dealt.fresh)
    assert [len(side) for side in sides] == [200, 120, 120, 150]
    assert len({name for side in sides for name in side.ids}) == 590


def test_two_percent_are_copied_and_nobody_among_the_fresh(dealt: Deal):
    known = patient_words(dealt.train)
    assert np.isin(patient_words(few_copies(dealt, 0).synthetic), known).sum() == 4
    assert np.isin(patient_words(fresh(dealt, 0).synthetic), known).sum() == 0


def test_the_overfitted_one_is_attacked_with_everybody_else(dealt: Deal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bench.planted.LEARNT_FROM", 150)
    sample = patient_words(everybody_else(dealt))
    assert len(sample) == 50 + 120 + 150
    assert not np.isin(sample, patient_words(dealt.train)[:150]).any()
    assert not np.isin(sample, patient_words(dealt.holdout)).any()
    monkeypatch.setattr("bench.planted.LEARNT_FROM", 200)
    assert len(everybody_else(dealt)) == 120 + 150


def test_redrawn_labs_are_training_records_on_fresh_patients(dealt: Deal):
    made = labs_redrawn(dealt, 0).synthetic
    assert made.patients["age"].tolist() == dealt.fresh.patients["age"].tolist()
    assert np.isin(result_words(made), result_words(dealt.train)).all()


def test_each_leak_has_a_name_of_its_own():
    assert len({leak.name for leak in LEAKS}) == len(LEAKS) == 5


def test_what_says_leak_is_listed_by_its_p_value_and_the_suite_left_out():
    found = (
        _finding("b", Verdict.LEAK, 1e-4),
        _finding("quiet", Verdict.NO_LEAK_DETECTED, 1e-9),
        _finding("a", Verdict.LEAK, 1e-5),
        _finding("suite", Verdict.LEAK, 1e-5),
    )
    assert flagged(found) == ("a", "b")


def test_attack_by_attack_a_line_for_each_and_a_star_for_a_leak():
    copy = (_finding("a", Verdict.LEAK, 1e-9), _finding("b", Verdict.NO_POWER, 1))
    none = (_finding("b", Verdict.NO_LEAK_DETECTED, 1), _finding("suite", Verdict.NO_LEAK_DETECTED, 1))
    assert attack_by_attack("NAFLD", {"copy": copy, "fresh": none}).splitlines() == [
        "| NAFLD | copy | fresh |",
        "|---|---|---|",
        "| `a` | 0.500* |  |",
        "| `b` | 0.500 NO POWER | 0.500 |",
    ]


def test_the_strongest_rate_is_that_of_an_attack_whose_controls_held():
    def rate(value: float | None) -> Estimate:
        return Estimate(name="TPR at 1 % FPR", value=value)

    found = (
        _finding("weak", Verdict.NO_LEAK_DETECTED, 1, rate(0.01)),
        _finding("strong", Verdict.NO_POWER, 1, rate(0.03)),
        _finding("broken", Verdict.INVALID, 1, rate(0.9)),
        _finding("small", Verdict.LEAK, 1, rate(None)),
    )
    assert strongest(found, 0.01) == ("strong", replace(rate(0.03)))
    assert strongest(found, 0.1) is None
