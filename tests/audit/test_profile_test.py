"""The test of a profile: it lets a true claim stand, finds a false one out, and its bounds are the ones by hand."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, norm

from privacy.events import Gaussian, SampledGaussian
from synthhealth.audit.profile_test import Claim, ProfileTest, profile_test

DELTA = 1e-6


@cache
def claim(noise: float = 1.5) -> Claim:
    return Claim.of((Gaussian(noise_multiplier=noise),), DELTA)


def scores(n: int, mu: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihood ratios of a Gaussian mechanism of size mu, of members and of others."""
    chance = np.random.default_rng(seed)
    return chance.normal(mu**2 / 2, mu, n), chance.normal(-(mu**2) / 2, mu, n)


def tried(n: int, mu: float, seed: int, **terms: float) -> ProfileTest:
    return profile_test(*scores(n, mu, seed), claim(), **terms)


def test_a_true_claim_stands_and_a_false_one_falls():
    mu = 1 / 1.5
    assert sum(tried(1000, mu, seed).falsified for seed in range(60)) <= 1
    assert all(tried(1000, 2 * mu, seed).falsified for seed in range(20))


@given(st.sampled_from([0.5, 1.0, 2.0]), st.floats(0.0, 1.0))
def test_no_gaussian_test_exceeds_the_profile_of_its_own_mechanism(noise: float, fpr: float):
    """The best test of N(0, 1) against N(mu, 1) lies on the claim's border, never beyond."""
    fnr = float(norm.cdf(norm.isf(fpr) - 1 / noise))
    assert claim(noise).excess(np.array([fpr]), np.array([fnr]))[0] <= 1e-9
    if fnr > 0.05:
        assert claim(noise).excess(np.array([fpr]), np.array([fnr - 0.03]))[0] > 0


def test_a_claim_is_one_sided_in_neither_error():
    own = claim()
    both = own.excess(np.array([0.0, 0.9]), np.array([0.9, 0.0]))
    assert both[0] == pytest.approx(both[1])
    assert both[0] > 0


def test_the_headline_is_the_profile_at_its_delta():
    event = SampledGaussian(noise_multiplier=1.0, sample_rate=0.1, steps=20)
    own = Claim.of((event,), DELTA)
    assert np.interp(own.headline, own.epsilon, own.delta) == pytest.approx(DELTA, rel=0.3)
    assert own.delta[0] > own.delta[-1]
    assert own.delta[-1] <= 1.1e-9


def test_bounds_are_those_of_clopper_and_pearson():
    """Everybody is told apart on the second half: no error in 50 of each."""
    members, others = np.full(100, 1.0), np.full(100, -1.0)
    found = profile_test(members, others, claim(), alpha=0.01)
    assert (found.members, found.others, found.fpr, found.fnr) == (50, 50, 0.0, 0.0)
    upper = float(beta.ppf(1 - 0.005, 1, 50))
    assert found.proven == pytest.approx(math.log((1 - upper - DELTA) / upper))
    assert found.ceiling == pytest.approx(found.proven)
    assert found.falsified
    assert found.excess == pytest.approx(claim().excess(np.array([upper]), np.array([upper]))[0])


def test_the_estimate_is_near_the_truth_and_the_interval_holds_it():
    inside = 0
    for seed in range(30):
        found = tried(4000, 1 / 1.5, seed)
        assert found.low <= found.estimate <= found.high
        inside += found.low <= claim().headline <= found.high
    assert inside >= 28
    assert found.estimate == pytest.approx(claim().headline, rel=0.4)


def test_a_blind_score_proves_nothing():
    chance = np.random.default_rng(0)
    found = profile_test(chance.normal(size=500), chance.normal(size=500), claim())
    assert not found.falsified
    assert found.proven < 0.3
    assert found.low == 0.0


def test_scores_that_are_all_the_same_are_no_evidence():
    found = profile_test(np.zeros(200), np.zeros(200), claim())
    assert not found.falsified
    assert found.proven == 0.0


def test_endless_scores_are_scores():
    found = profile_test(np.full(400, np.inf), np.full(400, -1.0), claim())
    assert found.falsified


def test_less_alpha_asks_for_more():
    members, others = scores(300, 1.0, 1)
    strict, loose = (profile_test(members, others, claim(), alpha=alpha) for alpha in (1e-6, 0.1))
    assert strict.proven <= loose.proven
    assert strict.ceiling < loose.ceiling


def test_too_few_scores_are_refused():
    with pytest.raises(ValueError, match="at least 2 scores a side"):
        profile_test(np.zeros(1), np.zeros(5), claim())
