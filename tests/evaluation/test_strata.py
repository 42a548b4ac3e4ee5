"""The tests behind every verdict: exact at the null, and blind to how many labs a patient has."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom, kstest, mannwhitneyu

from evaluation.strata import (
    hits_test,
    membership_ranks,
    pooled_ranks,
    rank_test,
    record_strata,
    stratified_auc,
    top_hits,
)

ONE = np.zeros(300, dtype=np.int64)
MEMBER = np.arange(300) < 180


def test_rank_test_agrees_with_scipy_in_one_stratum():
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=300), 1)
    expected = mannwhitneyu(scores[MEMBER], scores[~MEMBER], method="asymptotic", use_continuity=False).pvalue
    assert rank_test(scores, MEMBER, ONE) == pytest.approx(expected)


def test_rank_test_sees_members_that_are_kept_away_from():
    scores = np.where(MEMBER, -1.0, 1.0)
    assert rank_test(scores, MEMBER, ONE) < 1e-20


def test_rank_test_of_one_score_for_all_is_one():
    assert rank_test(np.ones(300), MEMBER, ONE) == 1


def test_hits_test_is_fishers_in_one_stratum():
    hit = np.zeros(300, dtype=bool)
    hit[:20] = True
    hit[200:205] = True
    assert hits_test(hit, MEMBER, ONE) == pytest.approx(hypergeom.sf(19, 300, 180, 25))


def test_hits_test_is_exact_over_strata():
    rng = np.random.default_rng(1)
    stratum = rng.integers(3, size=300)
    hit = rng.random(300) < 0.1 * (1 + stratum)
    seen = np.count_nonzero(hit & MEMBER)
    shuffled = np.empty(20_000)
    member = MEMBER.copy()
    for place in range(len(shuffled)):
        for one in range(3):
            here = np.flatnonzero(stratum == one)
            member[here] = rng.permutation(member[here])
        shuffled[place] = np.count_nonzero(hit & member)
    assert hits_test(hit, MEMBER, stratum) == pytest.approx((shuffled >= seen).mean(), abs=0.015)


def test_p_values_are_uniform_when_membership_plays_no_part():
    rng = np.random.default_rng(2)
    stratum = np.repeat([0, 1, 2], 100)
    found = []
    for _ in range(400):
        member = rng.random(300) < 0.4
        found.append(rank_test(rng.normal(size=300) + stratum, member, stratum))
    assert kstest(found, "uniform").pvalue > 1e-3


def test_a_score_of_utilisation_says_nothing_within_strata():
    rng = np.random.default_rng(3)
    records = rng.poisson(20, size=4000)
    member = rng.random(4000) < 0.2 + 0.6 * (records > 20)
    scores = records + 0.1 * rng.normal(size=4000)
    raw = stratified_auc(scores, member, np.zeros(4000, dtype=np.int64))[0]
    within = stratified_auc(scores, member, record_strata(records, member))[0]
    assert raw > 0.75
    assert within - 0.5 < 0.5 * (raw - 0.5)


def test_strata_have_both_sides_and_enough_non_members():
    rng = np.random.default_rng(4)
    records = rng.poisson(8, size=2000)
    member = np.arange(2000) < 1000
    stratum = record_strata(records, member)
    assert 3 <= stratum.max() + 1 <= 5
    for one in np.unique(stratum):
        assert np.count_nonzero(~member & (stratum == one)) > 100
    assert record_strata(records[:300], member[:300] & (np.arange(300) < 150)).max() == 0


def test_strata_without_one_side_become_one():
    records = np.repeat([0, 50], 500)
    assert record_strata(records, records == 0).max() == 0


def test_thresholds_by_ranks_keep_their_false_positive_rate():
    rng = np.random.default_rng(5)
    rates = []
    for _ in range(200):
        scores = np.round(rng.normal(size=300), 2)
        ranks = membership_ranks(scores, MEMBER, ONE)
        rates.append([(ranks[MEMBER] <= 0.1).mean(), (ranks[~MEMBER] <= 0.1).mean()])
    assert np.mean(rates, axis=0) == pytest.approx([0.1, 0.1], abs=0.012)


def test_a_member_above_all_others_has_the_least_rank():
    scores = np.where(MEMBER, 2.0, 1.0)
    assert membership_ranks(scores, MEMBER, ONE)[0] == pytest.approx(1 / 121)


def test_top_hits_take_the_share_in_each_stratum_and_break_ties_by_lot():
    stratum = np.repeat([0, 1], 150)
    top = top_hits(np.zeros(300), stratum, 0.1, np.random.default_rng(6))
    assert np.bincount(stratum[top]).tolist() == [15, 15]
    assert not (top == top_hits(np.zeros(300), stratum, 0.1, np.random.default_rng(7))).all()


def test_pooled_ranks_lie_in_the_open_unit_interval_and_favour_the_top():
    ranks = pooled_ranks(np.arange(300.0), np.repeat([0, 1, 2], 100))
    assert ranks.min() > 0
    assert ranks.max() < 1
    assert ranks[99] < ranks[0]
