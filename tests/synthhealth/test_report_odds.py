from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from privacy.accounting import epsilon_of, epsilon_rdp, profile_of
from privacy.errors import CheckError
from privacy.events import DiscreteGaussian, DiscreteLaplace, Event, Gaussian, SampledGaussian, Selection, Thresholded
from synthhealth.report.account import EPSILONS
from synthhealth.report.odds import advantage, family_epsilon, posterior, right_in_100, tpr_ceiling
from synthhealth.report.prv import epsilon_prv

FPRS = (0.001, 0.01, 0.1, 0.5)


def gaussian_delta(mu: float, epsilon: float) -> float:
    """Dong, Roth, Su 2022, corollary 2.13."""
    return float(norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2))


def gaussian_profile(mu: float) -> tuple[tuple[float, float], ...]:
    epsilons = np.array(EPSILONS)
    deltas = norm.cdf(-epsilons / mu + mu / 2) - np.exp(epsilons) * norm.cdf(-epsilons / mu - mu / 2)
    return tuple(zip(EPSILONS, np.maximum(0.0, deltas).tolist(), strict=True))


@pytest.mark.parametrize("mu", [0.1, 0.27, 0.5, 1.0, 1.67, 3.0])
def test_advantage_is_the_closed_form_of_the_gaussian(mu: float):
    assert advantage(gaussian_profile(mu)) == pytest.approx(2 * norm.cdf(mu / 2) - 1, abs=1e-12)


@pytest.mark.parametrize("mu", [0.1, 0.27, 0.5, 1.0, 1.67, 3.0])
@pytest.mark.parametrize("fpr", FPRS)
def test_ceiling_is_the_closed_form_of_the_gaussian_and_never_below(mu: float, fpr: float):
    exact = float(norm.cdf(norm.ppf(fpr) + mu))
    ceiling = tpr_ceiling(gaussian_profile(mu), fpr)
    assert exact - 1e-12 <= ceiling <= exact * 1.004 + 1e-4


def test_figures_of_the_design_at_epsilon_one():
    mu = float(brentq(lambda m: gaussian_delta(m, 1.0) - 1e-5, 1e-3, 5))
    assert advantage(((1.0, 1e-5),)) == pytest.approx(0.46, abs=0.005)
    assert advantage(gaussian_profile(mu)) == pytest.approx(0.107, abs=0.001)
    assert right_in_100(gaussian_profile(mu)) == 56
    assert tpr_ceiling(gaussian_profile(mu), 0.001) == pytest.approx(0.0024, abs=2e-4)


def test_accounted_gaussian_gives_the_closed_form():
    profile = profile_of((Gaussian(noise_multiplier=2.0),), EPSILONS)
    assert advantage(profile) == pytest.approx(2 * norm.cdf(0.25) - 1, abs=2e-4)
    assert tpr_ceiling(profile, 0.01) == pytest.approx(float(norm.cdf(norm.ppf(0.01) + 0.5)), rel=5e-3)


def test_posterior_is_bayes_at_the_ceiling():
    profile = gaussian_profile(1.0)
    tpr = tpr_ceiling(profile, 0.01)
    assert posterior(profile, prior=0.5, fpr=0.01) == pytest.approx(tpr / (tpr + 0.01))
    assert posterior(profile, prior=0.01, fpr=0.01) == pytest.approx(tpr / (tpr + 0.99))


def test_no_privacy_cost_means_a_coin():
    nothing = ((0.0, 0.0), (1.0, 0.0))
    assert right_in_100(nothing) == 50
    assert tpr_ceiling(nothing, 0.1) == pytest.approx(0.1)
    assert posterior(nothing, prior=0.5, fpr=0.1) == pytest.approx(0.5)


def test_no_guarantee_has_no_odds():
    with pytest.raises(CheckError, match="privacy profile"):
        advantage(())


def test_linked_patients_share_the_price():
    assert family_epsilon(1.5, 4) == pytest.approx(6.0)


@settings(max_examples=25, deadline=None)
@given(mu=st.floats(0.05, 4.0), more=st.floats(0.0, 1.0), fpr=st.floats(0.0005, 0.5))
def test_weaker_guarantees_allow_more(mu: float, more: float, fpr: float):
    less, worse = gaussian_profile(mu), gaussian_profile(mu + more)
    assert tpr_ceiling(worse, fpr) >= tpr_ceiling(less, fpr) - 1e-12
    assert advantage(worse) >= advantage(less) - 1e-12
    assert fpr <= tpr_ceiling(less, fpr) <= 1.0


@settings(max_examples=25, deadline=None)
@given(mu=st.floats(0.05, 4.0), drop=st.integers(0, len(EPSILONS) - 2))
def test_fewer_points_of_the_profile_never_promise_more(mu: float, drop: int):
    whole = gaussian_profile(mu)
    part = whole[:drop] + whole[drop + 1 :]
    assert tpr_ceiling(part, 0.01) >= tpr_ceiling(whole, 0.01)


EVENTS: tuple[tuple[Event, ...], ...] = (
    (Gaussian(noise_multiplier=2.0),),
    (SampledGaussian(noise_multiplier=1.1, sample_rate=0.02, steps=400),),
    (DiscreteGaussian(sigma=30.0, count=20), SampledGaussian(noise_multiplier=0.9, sample_rate=0.03, steps=300)),
    (Selection(epsilon=0.2, count=30), Gaussian(noise_multiplier=3.0)),
    (DiscreteLaplace(scale=2.0), Gaussian(noise_multiplier=2.0)),
    (Thresholded(noise_multiplier=20.0, delta=1e-7), Gaussian(noise_multiplier=4.0)),
    (SampledGaussian(noise_multiplier=5.0, sample_rate=1.0, steps=3),),
)


@pytest.mark.parametrize("events", EVENTS, ids=lambda events: "+".join(type(e).__name__ for e in events))
def test_the_second_accountant_agrees_within_a_hundredth(events: tuple[Event, ...]):
    assert epsilon_prv(events, 1e-6) == pytest.approx(epsilon_of(events, 1e-6), rel=0.01)


def test_the_second_accountant_sees_less_noise():
    loud, quiet = Gaussian(noise_multiplier=2.0), Gaussian(noise_multiplier=1.0)
    assert epsilon_prv((quiet,), 1e-6) > 1.8 * epsilon_prv((loud,), 1e-6)
    assert epsilon_rdp((quiet,), 1e-6) > epsilon_prv((quiet,), 1e-6)


def test_the_second_accountant_reaches_large_epsilons():
    events = (SampledGaussian(noise_multiplier=0.4, sample_rate=0.05, steps=50),)
    assert epsilon_prv(events, 1e-6) == pytest.approx(epsilon_of(events, 1e-6), rel=0.01)


def test_thresholds_that_use_up_delta_have_no_price():
    assert epsilon_prv((Thresholded(noise_multiplier=20.0, delta=1e-6),), 1e-6) == math.inf
