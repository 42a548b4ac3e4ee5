"""Subgroups: a gap that training on synthetic patients widens is flagged, one that it leaves alone is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mixtures import joined, with_codes

from evaluation.fairness import (
    CLEAR,
    TOO_FEW,
    balance_effect,
    calls,
    fairness_findings,
    flagged,
    group_fidelity,
    group_gaps,
    representation,
)
from evaluation.features import Features
from evaluation.finding import Finding, Verdict
from evaluation.resampling import redrawn_weights
from evaluation.subgroups import MOST_CROSSINGS, Subgroup, balanced, crossings_of, groups_of, subgroups_of
from evaluation.utility.tasks import Rows, Task
from evaluation.utility.transfer import Bench, Trained, Transfer, transfers
from privacy.cohort import Cohort
from privacy.schema import Schema
from synthhealth.generators.simulator import simulate

DIED = Task(outcome="died", kind="class", level=1, title="died = 1")
WOMEN = Subgroup(column="sex", label="sex = F", level=0)


@pytest.fixture(scope="module")
def holdout() -> Cohort:
    return simulate(2000, seed=52)


def value_of(finding: Finding) -> float:
    assert finding.headline.value is not None
    return finding.headline.value


def judged(holdout: Cohort, real: np.ndarray, synthetic: np.ndarray, truth: np.ndarray) -> Transfer:
    """A transfer with predictions made by hand."""

    def trained(score: np.ndarray) -> Trained:
        return Trained(predict=lambda x: np.zeros(len(x)), score=score.astype(np.float64))

    nothing = Features(names=(), sources=(), values=np.empty((len(holdout), 0)))
    return Transfer(
        task=DIED,
        family="boosted trees",
        judge=Rows(x=nothing, y=truth.astype(np.float64), patient=np.arange(len(holdout))),
        real=trained(real),
        synthetic=trained(synthetic),
        again=trained(real),
        weights=redrawn_weights(len(holdout), np.random.default_rng(0)),
    )


def missed_in(truth: np.ndarray, missed: np.ndarray) -> np.ndarray:
    """Scores that find every case but the missed ones, and call as many others in their place."""
    score = truth * 0.9
    score[missed] = 0.1
    others = np.flatnonzero(truth == 0)[: len(missed)]
    score[others] = 0.8
    return score


def by_test(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.test: finding for finding in findings}


def test_a_generator_that_doubles_a_groups_missed_cases_is_flagged(holdout: Cohort):
    truth = (np.random.default_rng(1).random(len(holdout)) < 0.3).astype(float)
    women = np.flatnonzero(WOMEN.members(holdout) & (truth == 1))
    share = len(women) // 5
    transfer = judged(holdout, missed_in(truth, women[:share]), missed_in(truth, women[: 2 * share]), truth)
    findings = by_test(flagged(list(group_gaps(WOMEN, transfer, holdout))))
    opportunity = findings["equal opportunity"]
    assert value_of(opportunity) == pytest.approx(share / len(women))
    assert opportunity.headline.interval is not None
    assert opportunity.headline.interval.low > 0
    assert opportunity.reason == CLEAR
    assert opportunity.others[0].value == pytest.approx(2 * share / len(women))
    assert opportunity.floor is not None
    assert opportunity.floor.value == 0
    assert findings["error gap"].reason == CLEAR


def test_the_group_that_gains_is_not_flagged_for_it(holdout: Cohort):
    truth = (np.random.default_rng(1).random(len(holdout)) < 0.3).astype(float)
    women = np.flatnonzero(WOMEN.members(holdout) & (truth == 1))
    transfer = judged(holdout, missed_in(truth, women[:80]), missed_in(truth, women[:5]), truth)
    findings = by_test(flagged(list(group_gaps(WOMEN, transfer, holdout))))
    assert value_of(findings["equal opportunity"]) < 0
    assert findings["equal opportunity"].reason == ""


def test_equal_models_amplify_nothing(holdout: Cohort):
    truth = holdout.codes("died").astype(float)
    score = np.random.default_rng(2).random(len(holdout))
    for finding in flagged(list(group_gaps(WOMEN, judged(holdout, score, score, truth), holdout))):
        assert value_of(finding) == 0
        assert finding.reason == ""


def test_demographic_parity_counts_patients_called(holdout: Cohort):
    inside = WOMEN.members(holdout)
    truth = (np.arange(len(holdout)) % 4 == 0).astype(float)
    transfer = judged(holdout, truth, inside + truth / 10, truth)
    finding = by_test(flagged(list(group_gaps(WOMEN, transfer, holdout))))["demographic parity"]
    called = int(truth.sum())
    expected = called / inside.sum()
    assert finding.others[0].value == pytest.approx(expected)
    assert finding.reason == CLEAR


def test_a_spoilt_group_of_a_real_pipeline_is_flagged(holdout: Cohort):
    train = simulate(2000, seed=51)
    # in this synthetic cohort the outcome of one group is the opposite of the truth
    inside = WOMEN.members(train)
    flipped = with_codes(train, "died", np.where(inside, 1 - train.codes("died"), train.codes("died")))
    schema: Schema = train.schema.model_copy(update={"subgroups": ("sex",)})
    cohorts = [replace(cohort, schema=schema) for cohort in (train, holdout, flipped)]
    done = transfers(Bench.of(*cohorts), cohorts[0])
    findings = fairness_findings(*cohorts, done)
    women = [finding for finding in findings if finding.subject == "sex = F"]
    assert {finding.test for finding in women if finding.reason == CLEAR} >= {"error gap"}
    men = [finding for finding in findings if finding.subject == "sex = M" and finding.test == "error gap"]
    assert men[0].reason == ""


def test_representation_is_a_difference_of_shares(holdout: Cohort):
    men = holdout.take(np.flatnonzero(~WOMEN.members(holdout)))
    finding = representation(WOMEN, holdout, holdout, men)
    assert value_of(finding) == pytest.approx(-WOMEN.members(holdout).mean())
    assert finding.headline.interval is not None
    assert finding.headline.interval.high < 0
    assert value_of(representation(WOMEN, holdout, holdout, holdout)) == 0


def test_fidelity_within_a_group_sees_what_the_whole_hides(holdout: Cohort):
    # men's ages are given to women and the other way round: the whole has the same ages
    age = holdout.numbers("age")
    inside = WOMEN.members(holdout)
    younger = with_ages(holdout, np.where(inside, np.maximum(age - 15, 18), age))
    good = group_fidelity(WOMEN, holdout, holdout, holdout)
    bad = group_fidelity(WOMEN, holdout, holdout, younger)
    unharmed = group_fidelity(Subgroup(column="sex", label="sex = M", level=1), holdout, holdout, younger)
    assert value_of(good) == value_of(unharmed) == pytest.approx(0)
    assert value_of(bad) > 0.01
    excess = bad.others[1].interval
    assert excess is not None
    assert excess.low > 0


def with_ages(cohort: Cohort, age: np.ndarray) -> Cohort:
    return replace(cohort, patients=cohort.patients.assign(age=age))


def test_few_patients_or_cases_are_not_judged(holdout: Cohort):
    small = holdout.take(np.arange(60))
    truth = (np.arange(60) < 15).astype(float)
    finding = group_gaps(WOMEN, judged(small, truth, truth, truth), small)[0]
    assert finding.verdict is Verdict.NOT_MEASURABLE
    assert finding.reason == TOO_FEW
    assert group_fidelity(WOMEN, small, small, small).verdict is Verdict.NOT_MEASURABLE


def test_groups_are_codes_and_quarters(holdout: Cohort):
    schema: Schema = holdout.schema.model_copy(update={"subgroups": ("sex", "age")})
    groups = subgroups_of(replace(holdout, schema=schema))
    assert [group.label for group in groups[:2]] == ["sex = F", "sex = M"]
    quarters = [group.members(holdout) for group in groups[2:6]]
    assert len(quarters) == 4
    assert (np.sum(quarters, axis=0) == 1).all()
    assert max(mine.mean() for mine in quarters) < 0.3
    blank = replace(holdout, patients=holdout.patients.assign(age=np.nan))
    assert groups_of(blank, "age") == ()


def test_a_missing_code_belongs_to_no_group(six_patients: Cohort):
    members = [group.members(six_patients) for group in groups_of(six_patients, "urgency")]
    assert np.sum(members, axis=0).tolist() == [1, 1, 1, 1, 0, 1]


def test_balancing_leaves_groups_of_equal_size(holdout: Cohort):
    cohort = balanced(holdout, "ward", np.random.default_rng(0))
    sizes = np.bincount(cohort.codes("ward"))
    assert len(set(sizes)) == 1
    assert sizes[0] == np.bincount(holdout.codes("ward")).min()
    assert len(set(cohort.ids)) == len(cohort)


def test_the_effect_of_balancing_is_shown_group_by_group(holdout: Cohort):
    train = simulate(1200, seed=53)
    findings = balance_effect(train, holdout, train, "sex")
    judged_ones = [finding for finding in findings if finding.verdict is Verdict.MEASURED]
    assert {finding.subject for finding in judged_ones} == {"sex = F", "sex = M"}
    for finding in judged_ones:
        assert finding.test.endswith(", balanced")
        assert finding.others[0].name == "gap, trained on balanced"
        assert finding.others[1].name == "gap, trained on unbalanced"
        one, two = finding.others[0].value, finding.others[1].value
        assert one is not None
        assert two is not None
        assert value_of(finding) == pytest.approx(one - two)


def test_a_schema_without_subgroups_says_so(holdout: Cohort):
    schema: Schema = holdout.schema.model_copy(update={"subgroups": ()})
    bare = replace(holdout, schema=schema)
    findings = fairness_findings(bare, bare, bare, ())
    assert [finding.reason for finding in findings] == ["the schema names no subgroup"]


def test_calls_are_the_highest_scores():
    assert calls(np.array([0.1, 0.9, 0.5, 0.5]), 2).tolist() == [0, 1, 1, 0]
    assert calls(np.array([0.1]), 0).tolist() == [0]


def test_a_hit_that_stands_alone_is_lost_among_many_trials(holdout: Cohort):
    truth = (np.random.default_rng(1).random(len(holdout)) < 0.3).astype(float)
    women = np.flatnonzero(WOMEN.members(holdout) & (truth == 1))
    transfer = judged(holdout, missed_in(truth, women[:40]), missed_in(truth, women[:47]), truth)
    hit = by_test(group_gaps(WOMEN, transfer, holdout))["equal opportunity"]
    quiet = replace(hit, headline=replace(hit.headline, value=0.0))
    assert flagged([hit])[0].reason == CLEAR
    assert {finding.reason for finding in flagged([hit, *[quiet] * 500])} == {""}


def test_a_doubled_cohort_changes_no_share(holdout: Cohort):
    twice = joined(holdout, holdout)
    assert value_of(representation(WOMEN, holdout, holdout, twice)) == 0


def test_named_columns_are_crossed_two_at_a_time(holdout: Cohort):
    crossed = crossings_of(holdout)
    assert 0 < len(crossed) <= MOST_CROSSINGS
    assert subgroups_of(holdout)[-len(crossed) :] == crossed
    for one in crossed:
        assert one.first.column != one.second.column
        both = one.first.members(holdout) & one.second.members(holdout)
        assert np.array_equal(one.members(holdout), both)
        assert one.label == f"{one.first.label}, {one.second.label}"
    assert len({one.label for one in crossed}) == len(crossed)


def test_a_crossing_that_is_thinned_out_is_seen(holdout: Cohort):
    """Half of a crossing is missing: its own line says so."""
    crossed = crossings_of(holdout)[0]
    inside, outside = crossed.members(holdout), crossed.second.members(holdout) & ~crossed.first.members(holdout)
    keep = np.ones(len(holdout), dtype=np.bool_)
    keep[np.flatnonzero(inside)[: inside.sum() // 2]] = False
    thinner = holdout.take(np.flatnonzero(keep))
    assert outside.sum() > 0
    found = representation(crossed, holdout, holdout, thinner)
    assert value_of(found) < 0
    assert found.headline.interval is not None
    assert not found.headline.interval.holds(0.0)
    assert found.subject == crossed.label


def test_one_named_column_has_nothing_to_cross(six_patients: Cohort):
    assert crossings_of(six_patients) == ()
