"""What is read off scores: rates at fixed false positives, vulnerable groups, a p-value that sees tails and holes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from evaluation.attacks.membership import membership_reading, suspicion
from evaluation.attacks.reading import Attack, Reading, excess_estimate, permuted_labels
from evaluation.attacks.success import rate_reading
from evaluation.finding import Estimate, Family, ThreatModel
from privacy.randomness import public

SOMEONE = ThreatModel(name="someone", sees="something", knows="something", wants="something")
ATTACK = Attack(test="mine", title="Mine", family=Family.MEMBERSHIP, threat=SOMEONE, citation="none")
CHANCE = Estimate(name="chance", value=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Who is scored, without any cohort behind it."""

    member: NDArray[np.bool_]
    stratum: NDArray[np.int64]
    outlier: NDArray[np.bool_]
    rare: NDArray[np.bool_]
    seed: int = 0

    def rng(self, *names: str) -> np.random.Generator:
        """A stream."""
        return public(self.seed, *names)


def _panel(members: int, others: int, *, strata: int = 1, seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    total = members + others
    return Panel(
        member=np.arange(total) < members,
        stratum=rng.integers(strata, size=total),
        outlier=rng.random(total) < 0.1,
        rare=rng.random(total) < 0.1,
        seed=seed,
    )


def _noise(panel: Panel, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=len(panel.member))


def _named(reading: Reading) -> dict[str, Estimate]:
    return {one.name: one for one in reading.others}


def test_noise_is_read_as_chance_at_every_rate():
    panel = _panel(4000, 12_000, strata=4)
    reading = membership_reading(ATTACK, _noise(panel), panel)
    assert reading.headline.interval is not None
    assert reading.headline.interval.holds(0.5)
    for rate in (0.1, 0.01, 0.001):
        estimate = _named(reading)[f"TPR at {rate * 100:g} % FPR"]
        assert estimate.interval is not None
        assert estimate.interval.low <= rate <= estimate.interval.high + 0.01
    assert reading.p_value > 0.001
    assert reading.permuted_p > 0.001


@pytest.mark.parametrize(("others", "resolved"), [(90, 0), (500, 1), (1500, 2), (12_000, 3)])
def test_a_rate_needs_ten_expected_false_positives(others: int, resolved: int):
    panel = _panel(300, others)
    tails = [one for one in membership_reading(ATTACK, _noise(panel), panel).others if one.name.startswith("TPR")]
    assert sum(one.value is not None for one in tails) == resolved
    assert all(f"{others} non-members" in one.note for one in tails if one.value is None)


def test_two_percent_at_the_very_top_are_seen_and_leave_the_auc_alone():
    panel = _panel(2000, 2000, strata=4)
    scores = _noise(panel)
    scores[:40] = 10 + scores[:40]
    reading = membership_reading(ATTACK, scores, panel)
    assert reading.headline.value == pytest.approx(0.51, abs=0.02)
    assert reading.p_value < 1e-5
    assert _named(reading)["TPR at 1 % FPR"].value == pytest.approx(0.03, abs=0.01)


def test_members_that_are_kept_away_from_are_seen():
    panel = _panel(2000, 2000)
    reading = membership_reading(ATTACK, _noise(panel) - 0.3 * panel.member, panel)
    assert reading.headline.value is not None
    assert reading.headline.value < 0.45
    assert reading.p_value < 1e-8


@pytest.mark.parametrize("group", ["outlier", "rare"])
def test_a_leak_of_one_group_is_seen_and_named(group: str):
    panel = _panel(3000, 3000, seed=3)
    mask = getattr(panel, group)
    reading = membership_reading(ATTACK, _noise(panel) + 0.8 * (mask & panel.member), panel)
    named = _named(reading)
    name = {"outlier": "outliers", "rare": "rare codes"}[group]
    assert reading.p_value < 1e-6
    assert named[f"AUC, {name}"].value == pytest.approx(0.71, abs=0.05)
    worst = named["excess over holdout, worst group"]
    assert worst.value == named[f"excess over holdout, {name}"].value
    assert worst.note == name
    assert worst.interval is not None
    assert worst.interval.low > 0.1


def test_small_groups_are_not_judged():
    panel = _panel(200, 200)
    named = _named(membership_reading(ATTACK, _noise(panel), panel))
    assert named["AUC, outliers"].value is None
    assert "fewer than" in named["excess over holdout, rare codes"].note
    assert "excess over holdout, worst group" not in named


def test_the_p_value_is_never_too_small_when_nothing_leaks():
    found = []
    for seed in range(300):
        panel = _panel(250, 200, strata=2, seed=seed)
        found.append(membership_reading(ATTACK, np.round(_noise(panel, 1000 + seed), 1), panel).p_value)
    small = [np.mean(np.array(found) <= level) for level in (0.01, 0.05, 0.1)]
    assert small[0] <= 0.03
    assert small[1] <= 0.09
    assert small[2] <= 0.16


def test_one_score_for_everybody_says_nothing():
    panel = _panel(500, 500)
    reading = membership_reading(ATTACK, np.zeros(1000), panel)
    assert reading.headline.value == 0.5
    assert reading.p_value > 0.01


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(bad: float):
    panel = _panel(50, 50)
    scores = _noise(panel)
    scores[3] = bad
    with pytest.raises(FloatingPointError, match="finite"):
        membership_reading(ATTACK, scores, panel)


def test_permuted_labels_keep_their_number_in_each_stratum():
    panel = _panel(300, 200, strata=3)
    shuffled = permuted_labels(panel, "x")
    assert (shuffled != panel.member).any()
    for one in range(3):
        here = panel.stratum == one
        assert np.count_nonzero(shuffled & here) == np.count_nonzero(panel.member & here)


def test_success_of_yes_and_no():
    panel = _panel(1000, 500)
    rng = np.random.default_rng(5)
    hit = (rng.random(1500) < np.where(panel.member, 0.3, 0.1)).astype(float)
    reading = rate_reading(ATTACK, hit, panel, chance=CHANCE)
    named = _named(reading)
    inside, outside = named["success on train"].value, named["success on holdout"].value
    assert inside is not None
    assert outside is not None
    assert named["excess over holdout"].value == pytest.approx(inside - outside)
    assert reading.headline.value == pytest.approx((inside - outside) / (1 - outside))
    assert reading.p_value < 1e-10
    assert reading.permuted_p > 1e-3
    assert reading.baseline is CHANCE
    assert "excess over holdout, outliers" in named


def test_success_by_fractions_is_ranked():
    panel = _panel(400, 400)
    rng = np.random.default_rng(6)
    hit = rng.binomial(4, np.where(panel.member, 0.5, 0.3)) / 4
    assert rate_reading(ATTACK, hit, panel, chance=CHANCE).p_value < 1e-8
    assert rate_reading(ATTACK, rng.binomial(4, 0.4, size=800) / 4, panel, chance=CHANCE).p_value > 1e-3


def test_success_at_chance_gives_p_values_that_are_not_too_small():
    found = []
    for seed in range(200):
        panel = _panel(300, 200, strata=2, seed=seed)
        hit = (np.random.default_rng(seed).random(500) < 0.2).astype(float)
        found.append(rate_reading(ATTACK, hit, panel, chance=CHANCE).p_value)
    assert np.mean(np.array(found) <= 0.05) <= 0.09
    assert kstest(found, "uniform", alternative="greater").pvalue > 1e-4


def test_an_excess_may_be_negative():
    member = np.arange(100) < 50
    estimate = excess_estimate("e", np.where(member, 0.0, 1.0), member)
    assert estimate.value == -1
    assert estimate.interval is not None
    assert estimate.interval.low == -1


def test_suspicion_favours_the_top_of_any_score():
    panel = _panel(100, 100)
    one, two = _noise(panel, 1), _noise(panel, 2)
    one[7], two[7] = 50.0, -50.0
    joint = suspicion([one, two], panel)
    assert joint[7] > np.median(joint)
    assert np.argmax(suspicion([one, one], panel)) == 7
