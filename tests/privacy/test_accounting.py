"""The price of events: closed forms, golden values, brute force, a second accountant, and what must never go down."""

import math
from itertools import pairwise

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from privacy.accounting import (
    PROFILE_EPSILONS,
    delta_of,
    epsilon_of,
    epsilon_rdp,
    gaussian_size,
    profile_of,
    tpr_ceiling,
    tpr_ceiling_of,
)
from privacy.events import (
    DiscreteGaussian,
    DiscreteLaplace,
    Event,
    Gaussian,
    SampledGaussian,
    Selection,
    Thresholded,
)

TRAINING = SampledGaussian(noise_multiplier=1.0, sample_rate=0.02, steps=1000)
MIXED: tuple[Event, ...] = (
    Gaussian(noise_multiplier=10.0, count=4),
    TRAINING,
    Selection(epsilon=0.05, count=10),
    DiscreteLaplace(scale=40.0),
    DiscreteGaussian(sigma=40.0, count=20),
    Thresholded(noise_multiplier=20.0, delta=1e-8),
)


def gaussian_delta(size: float, epsilon: float) -> float:
    """Balle and Wang (2018), in closed form."""
    return float(norm.cdf(size / 2 - epsilon / size) - math.exp(epsilon) * norm.cdf(-size / 2 - epsilon / size))


def selection_delta(epsilon: float, x: float, grid: int = 20_001) -> float:
    """The supremum over t of the two-point laws with losses t and t - epsilon, by brute force."""
    t = np.linspace(0.0, epsilon, grid)
    high = (math.exp(epsilon) - np.exp(t)) / math.expm1(epsilon)
    low = 1.0 - high
    two_points = high * np.maximum(0.0, -np.expm1(x - t)) + low * np.maximum(0.0, -np.expm1(x - t + epsilon))
    return float(two_points.max())


@pytest.mark.parametrize("size", [0.05, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.2, 1.0, 4.0])
def test_gaussian_meets_its_closed_form(size: float, epsilon: float):
    exact = gaussian_delta(size, epsilon)
    found = delta_of((Gaussian(noise_multiplier=1 / size),), epsilon)
    assert exact <= found + 1e-13
    assert found == pytest.approx(exact, rel=2e-3, abs=1e-12)


def test_gaussians_add_up_in_squares():
    apart = (Gaussian(noise_multiplier=6.0), Gaussian(noise_multiplier=8.0, count=3))
    size = math.sqrt(1 / 36 + 3 / 64)
    assert gaussian_size(apart) == pytest.approx(size)
    assert epsilon_of(apart, 1e-6) == pytest.approx(epsilon_of((Gaussian(noise_multiplier=1 / size),), 1e-6))


@pytest.mark.parametrize(
    ("event", "epsilon", "replace_one"),
    [
        (Gaussian(noise_multiplier=8.0, count=4), 1.0607, 2.2541),
        (DiscreteGaussian(sigma=10.0), 0.39679, None),
        (TRAINING, 4.4452, 6.9513),
        (SampledGaussian(noise_multiplier=2.0, sample_rate=0.1, steps=1000), 9.1820, 19.2462),
    ],
)
def test_golden_values(event: Event, epsilon: float, replace_one: float | None):
    assert epsilon_of((event,), 1e-6) == pytest.approx(epsilon, abs=2e-4)
    if replace_one is not None:
        assert epsilon_of((event,), 1e-6, neighbours="replace_one") == pytest.approx(replace_one, abs=2e-4)


def test_renyi_is_looser_and_not_by_much():
    for events in ((TRAINING,), MIXED, (Gaussian(noise_multiplier=2.0),), (DiscreteGaussian(sigma=5.0, count=3),)):
        tight, loose = epsilon_of(events, 1e-6), epsilon_rdp(events, 1e-6)
        assert tight < loose < 1.25 * tight


def test_renyi_needs_delta_for_thresholds():
    assert epsilon_rdp((Thresholded(noise_multiplier=1.0, delta=1e-5),), 1e-6) == math.inf
    assert epsilon_of((Thresholded(noise_multiplier=1.0, delta=1e-5),), 1e-6) == math.inf


@pytest.mark.parametrize(("sigma", "count"), [(0.7, 1), (1.5, 3), (10.0, 1), (10.0, 40)])
def test_discrete_gaussian_agrees_with_the_library(sigma: float, count: int):
    library = pld.from_discrete_gaussian_mechanism(sigma).self_compose(count)
    mine = epsilon_of((DiscreteGaussian(sigma=sigma, count=count),), 1e-6)
    assert mine == pytest.approx(library.get_epsilon_for_delta(1e-6), rel=1e-3)


@pytest.mark.parametrize(("sigma", "count"), [(1.0, 1), (1.5, 3), (3.0, 8)])
def test_discrete_gaussian_meets_brute_force(sigma: float, count: int):
    reach = int(14 * sigma)
    k = np.arange(-reach, reach + 1)
    one = np.exp(-0.5 * (k / sigma) ** 2)
    law = np.array([1.0])
    for _ in range(count):
        law = np.convolve(law, one / one.sum())
    loss = (2.0 * (np.arange(len(law)) - count * reach) + count) / (2 * sigma**2)
    for epsilon in (0.0, 0.5, 2.0):
        exact = float((law * np.maximum(0.0, -np.expm1(epsilon - loss))).sum())
        found = delta_of((DiscreteGaussian(sigma=sigma, count=count),), epsilon)
        assert exact - 1e-12 <= found <= exact * 1.001 + 1e-12


def test_a_replaced_patient_moves_two_cells_of_a_table():
    twice = epsilon_of((DiscreteGaussian(sigma=20.0, count=6),), 1e-6)
    assert epsilon_of((DiscreteGaussian(sigma=20.0, count=3),), 1e-6, neighbours="replace_one") == pytest.approx(twice)


@pytest.mark.parametrize("epsilon", [0.05, 0.5, 2.0, 6.0])
def test_one_pick_meets_brute_force_over_all_laws_of_its_range(epsilon: float):
    for x in np.linspace(0.0, epsilon * 1.2, 13):
        exact = selection_delta(epsilon, float(x))
        found = delta_of((Selection(epsilon=epsilon),), float(x))
        assert exact - 1e-9 <= found <= exact + 2e-4 * max(epsilon, 1.0)


def test_one_pick_covers_real_exponential_mechanisms():
    rng = np.random.default_rng(5)
    epsilon = 1.3
    for _ in range(200):
        scores = rng.normal(0, 3, 8)
        moved = scores + rng.uniform(-1, 1, 8)
        p, q = (np.exp(epsilon * (s - s.max()) / 2) for s in (scores, moved))
        p, q = p / p.sum(), q / q.sum()
        for x in (0.0, 0.2, 0.6, 1.0):
            assert np.maximum(p - math.exp(x) * q, 0).sum() <= delta_of((Selection(epsilon=epsilon),), x) + 1e-12


def test_picks_cost_less_than_their_pure_epsilon():
    for count in (1, 5, 50):
        pure = pld.from_privacy_parameters(pld.common.DifferentialPrivacyParameters(0.2, 0.0)).self_compose(count)
        assert epsilon_of((Selection(epsilon=0.2, count=count),), 1e-6) < pure.get_epsilon_for_delta(1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.0, 0.4), min_size=4, max_size=4))
def test_picks_after_picks_keep_within_the_composed_price(moves: list[float]):
    # two picks, the second one's range laws chosen after the outcome of the first
    epsilon = 0.4
    first, second_high, second_low = moves[0], moves[1], moves[2]

    def law(t: float) -> list[tuple[float, float]]:
        high = (math.exp(epsilon) - math.exp(t)) / math.expm1(epsilon)
        return [(t, high), (t - epsilon, 1 - high)]

    for x in (0.0, 0.1, 0.3, 0.5):
        total = 0.0
        for (loss, mass), following in zip(law(first), (second_high, second_low), strict=True):
            for further, chance in law(following):
                total += mass * chance * max(0.0, -math.expm1(x - loss - further))
        assert total <= delta_of((Selection(epsilon=epsilon, count=2),), x) + 1e-12


def test_threshold_adds_its_delta():
    noise = Gaussian(noise_multiplier=5.0)
    for x in (0.0, 0.5, 1.0):
        apart = delta_of((noise,), x)
        assert delta_of((Thresholded(noise_multiplier=5.0, delta=1e-4),), x) == pytest.approx(
            1e-4 + (1 - 1e-4) * apart, rel=1e-6
        )


def test_geometric_noise_costs_its_inverse_scale():
    assert epsilon_of((DiscreteLaplace(scale=4.0),), 1e-12) == pytest.approx(0.25, abs=2e-4)
    assert delta_of((DiscreteLaplace(scale=4.0),), 0.0) == pytest.approx(math.tanh(1 / 8), abs=1e-4)


@settings(max_examples=5, deadline=None)
@given(
    st.floats(1.0, 5.0),
    st.floats(0.001, 0.2),
    st.integers(1, 60),
    st.floats(1.02, 2.0),
)
def test_more_noise_fewer_steps_and_a_lower_rate_cost_less(noise: float, rate: float, steps: int, factor: float):
    here = delta_of((SampledGaussian(noise_multiplier=noise, sample_rate=rate, steps=steps),), 0.5)
    for other in (
        SampledGaussian(noise_multiplier=noise * factor, sample_rate=rate, steps=steps),
        SampledGaussian(noise_multiplier=noise, sample_rate=rate / factor, steps=steps),
        SampledGaussian(noise_multiplier=noise, sample_rate=rate, steps=max(1, steps // 2)),
    ):
        assert delta_of((other,), 0.5) <= here + 1e-11


def test_a_full_batch_is_a_gaussian():
    sampled = SampledGaussian(noise_multiplier=6.0, sample_rate=1.0, steps=4)
    assert epsilon_of((sampled,), 1e-6) == pytest.approx(epsilon_of((Gaussian(noise_multiplier=3.0),), 1e-6), rel=1e-3)


def test_order_does_not_matter_and_nothing_costs_nothing():
    assert epsilon_of(MIXED, 1e-6) == pytest.approx(epsilon_of(MIXED[::-1], 1e-6), rel=1e-6)
    assert epsilon_of((), 1e-6) == 0.0
    assert delta_of((), 0.0) == 0.0


def test_composition_costs_more_than_its_parts_and_less_than_their_sum():
    parts = [epsilon_of((event,), 1e-6) for event in MIXED]
    assert max(parts) < epsilon_of(MIXED, 1e-6) < sum(parts)


def test_replacing_costs_more_than_removing():
    for event in MIXED:
        assert epsilon_of((event,), 1e-6, neighbours="replace_one") > epsilon_of((event,), 1e-6)


def test_profile_falls_and_agrees_with_both_readings():
    profile = profile_of(MIXED)
    assert tuple(x for x, _ in profile) == PROFILE_EPSILONS
    assert all(0 <= later <= earlier <= 1 for (_, earlier), (_, later) in pairwise(profile))
    for epsilon, delta in profile[::12]:
        assert delta_of(MIXED, epsilon) == pytest.approx(delta, rel=1e-6)
        if delta > 2e-8:  # below lies the threshold's own delta
            assert epsilon_of(MIXED, delta) == pytest.approx(epsilon, abs=1e-3)


@pytest.mark.parametrize("size", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("fpr", [0.001, 0.01, 0.1, 0.5])
def test_ceiling_is_the_best_test_against_a_gaussian(size: float, fpr: float):
    best = norm.cdf(size + norm.ppf(fpr))
    found = tpr_ceiling((Gaussian(noise_multiplier=1 / size),), fpr)
    assert best <= found + 1e-9
    assert found == pytest.approx(best, abs=4e-3)


def test_ceiling_at_its_ends():
    assert tpr_ceiling((), 0.2) == pytest.approx(0.2)
    assert tpr_ceiling(MIXED, 1.0) == 1.0
    assert tpr_ceiling_of(((0.0, 1.0),), 0.01) == 1.0
    with pytest.raises(ValueError, match="fpr"):
        tpr_ceiling(MIXED, 1.5)


@pytest.mark.parametrize(("sigma", "count"), [(300.0, 40), (3_000.0, 8)])
def test_a_wide_discrete_gaussian_is_bounded_from_above_and_closely(sigma: float, count: int):
    # at this width the whole-number law and the continuous one agree to about 1e-7
    exact = gaussian_delta(math.sqrt(count) / sigma, 0.02)
    found = delta_of((DiscreteGaussian(sigma=sigma, count=count),), 0.02)
    assert exact * (1 - 1e-6) <= found
    assert found == pytest.approx(exact, rel=2e-2, abs=1e-9)


def test_a_long_loss_is_priced_in_little_memory():
    hard = (Gaussian(noise_multiplier=0.01), SampledGaussian(noise_multiplier=0.05, sample_rate=0.01, steps=10))
    assert epsilon_of(hard, 1e-6) > 4_000


def test_many_thresholds_lose_everything_and_say_so():
    rare = Thresholded(noise_multiplier=50.0, delta=0.05)
    assert delta_of((rare,) * 2, 30.0) == pytest.approx(1 - 0.95**2, abs=1e-9)
    assert epsilon_of((rare,) * 2_000, 0.5) == math.inf


def test_equal_events_are_composed_together():
    pick = Selection(epsilon=0.1, count=3)
    assert epsilon_of((pick,) * 40, 1e-6) == pytest.approx(epsilon_of((Selection(epsilon=0.1, count=120),), 1e-6))
