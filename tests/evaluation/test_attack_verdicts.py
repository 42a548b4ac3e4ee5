"""Verdicts follow from readings and controls alone, in the order of precedence, corrected for the whole family."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluation.attacks.reading import Attack, Reading
from evaluation.attacks.verdict import Failure, Known, Outcome, Trial, judge
from evaluation.attacks.whole import whole
from evaluation.finding import Estimate, Family, Finding, Interval, ThreatModel, Verdict

SOMEONE = ThreatModel(name="someone", sees="something", knows="something", wants="something")
FRESH = Known(name="NEG-fresh", expected="no signal", answer="nothing")
COPY = Known(name="POS-copy", expected="found", answer="must", size=50)
FEW = Known(name="POS-2 %", expected="found", answer="dose", limit="copies of 2 %", scale="copies", ease=0.02)
FEWER = Known(name="POS-1 %", expected="found", answer="dose", limit="copies of 1 %", scale="copies", ease=0.01)
CLEAR, NOTHING = 1e-9, 0.6


def _attack(name: str, copy_auc: float = 0.0) -> Attack:
    return Attack(test=name, title=name, family=Family.MEMBERSHIP, threat=SOMEONE, citation="none", copy_auc=copy_auc)


def _reading(name: str, p: float, *, permuted_p: float = 0.5, auc: float = 0.5, copy_auc: float = 0.0) -> Reading:
    number = Estimate(name="AUC", value=auc, interval=Interval(low=auc - 0.1, high=auc + 0.1))
    return Reading(
        attack=_attack(name, copy_auc),
        headline=number,
        others=(),
        baseline=Estimate(name="coin", value=0.5),
        power=number,
        p_value=p,
        permuted=number,
        permuted_p=permuted_p,
        n=100,
        seconds=1.0,
    )


def _judged(
    release: Outcome, *, fresh: float = NOTHING, copy: float = CLEAR, few: float = CLEAR, fewer: float = NOTHING
) -> Finding:
    name = release.attack.test
    trials = tuple(
        Trial(known=known, outcomes={name: replace(_reading(name, p), attack=release.attack)})
        for known, p in ((FRESH, fresh), (COPY, copy), (FEW, few), (FEWER, fewer))
    )
    return judge({name: release}, trials)[0]


@pytest.mark.parametrize(
    ("p", "fresh", "copy", "permuted", "verdict"),
    [
        (CLEAR, CLEAR, NOTHING, 0.5, Verdict.INVALID),
        (CLEAR, NOTHING, CLEAR, 1e-9, Verdict.INVALID),
        (CLEAR, NOTHING, NOTHING, 0.5, Verdict.NO_POWER),
        (NOTHING, NOTHING, NOTHING, 0.5, Verdict.NO_POWER),
        (CLEAR, NOTHING, CLEAR, 0.5, Verdict.LEAK),
        (0.02, NOTHING, CLEAR, 0.5, Verdict.NO_LEAK_DETECTED),
        (NOTHING, NOTHING, CLEAR, 0.5, Verdict.NO_LEAK_DETECTED),
    ],
)
def test_precedence(p: float, fresh: float, copy: float, permuted: float, verdict: Verdict):
    finding = _judged(_reading("a", p, permuted_p=permuted), fresh=fresh, copy=copy)
    assert finding.verdict is verdict
    assert finding.reason


def test_a_crash_on_a_control_outweighs_everything():
    release = _reading("a", CLEAR)
    broken = Failure(attack=release.attack, verdict=Verdict.INCONCLUSIVE, reason="ValueError on stage POS-copy")
    finding = judge({"a": release}, (Trial(known=COPY, outcomes={"a": broken}),))[0]
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "POS-copy" in finding.reason


def test_a_copy_must_reach_the_auc_that_the_attack_promises():
    assert _judged(_reading("a", NOTHING, copy_auc=0.99)).verdict is Verdict.NO_POWER
    assert _judged(_reading("a", NOTHING, copy_auc=0.4)).verdict is Verdict.NO_LEAK_DETECTED


def test_more_attacks_ask_for_smaller_p_values():
    alone = _judged(_reading("a", 0.004))
    assert alone.verdict is Verdict.LEAK
    release = {f"a{place}": _reading(f"a{place}", 0.004 if place == 0 else 0.9) for place in range(20)}
    copies = {name: _reading(name, CLEAR) for name in release}
    family = judge(release, (Trial(known=COPY, outcomes=copies),))
    assert family[0].verdict is Verdict.NO_LEAK_DETECTED
    assert family[0].p_adjusted == pytest.approx(0.08)


def test_the_limit_names_the_hardest_dose_found_and_the_easiest_missed():
    limit = _judged(_reading("a", NOTHING)).detection_limit
    assert limit == "finds copies of 2 %; does not find copies of 1 % (measured on 100 targets, 50 of them copied)"
    assert _judged(_reading("a", NOTHING), fewer=CLEAR).detection_limit.startswith("finds copies of 1 % (measured")
    assert _judged(_reading("a", NOTHING), few=NOTHING).detection_limit.startswith("does not find copies of 2 % (")


def test_seconds_count_the_controls():
    assert _judged(_reading("a", NOTHING)).seconds == 5


def _finding(name: str, p: float, **worlds: float) -> Finding:
    return _judged(_reading(name, p), **worlds)


def test_the_whole_says_what_its_parts_say():
    quiet, leak = _finding("quiet", NOTHING), _finding("leak", CLEAR)
    weak, wrong = _finding("weak", NOTHING, copy=NOTHING, few=NOTHING), _finding("wrong", CLEAR, fresh=CLEAR)
    crashed = replace(quiet, test="crashed", verdict=Verdict.INCONCLUSIVE)
    absent = replace(quiet, verdict=Verdict.NOT_MEASURABLE, p_adjusted=None, p_value=None, controls=())
    for findings, verdict in (
        ((quiet, weak), Verdict.NO_LEAK_DETECTED),
        ((weak,), Verdict.NO_POWER),
        ((weak, leak), Verdict.LEAK),
        ((quiet, crashed), Verdict.INCONCLUSIVE),
        ((leak, crashed), Verdict.LEAK),
        ((leak, wrong), Verdict.INVALID),
        ((absent,), Verdict.NOT_MEASURABLE),
        ((), Verdict.NOT_MEASURABLE),
    ):
        assert whole(findings).verdict is verdict
    assert whole((quiet, leak)).reason == "found by leak"
    assert whole((quiet, leak)).headline.name == "AUC, leak"
    assert "POS-2 %" in whole((quiet, weak)).detection_limit
