"""The released sum has the claimed sensitivity, every rounding included, and noise at its scale on the lattice."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import EXTREMES, noise_fits

from privacy import lattice
from privacy.lattice import MOST_ROWS, clip_factors, clip_rows, lattice_step, private_sum, safe_norm

SIZE = 5
NUMBERS = st.one_of(st.sampled_from(EXTREMES), st.floats(allow_nan=True, allow_infinity=True))
ROWS = st.lists(st.lists(NUMBERS, min_size=SIZE, max_size=SIZE), min_size=1, max_size=8)


def no_noise(size: int, sigma: float) -> np.ndarray:
    return np.zeros(size) * sigma


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lattice, "secret_whole_gaussian", no_noise)


def exact_square(numbers: np.ndarray) -> Fraction:
    """The squared L2 norm without any rounding."""
    return sum((Fraction(float(x)) ** 2 for x in numbers.ravel()), Fraction(0))


@settings(max_examples=200, deadline=None)
@given(ROWS, st.floats(1e-6, 1e6))
def test_clipped_rows_are_finite_and_no_longer_than_the_norm(rows: list[list[float]], norm: float):
    clipped = clip_rows(np.array(rows), norm)
    assert np.isfinite(clipped).all()
    for row in clipped:
        assert exact_square(row) <= (Fraction(norm) * (1 + Fraction(1, 2**40))) ** 2


@settings(max_examples=100, deadline=None)
@given(ROWS, st.data())
def test_each_row_is_clipped_as_if_it_were_alone(rows: list[list[float]], data: st.DataObject):
    i = data.draw(st.integers(0, len(rows) - 1))
    assert clip_rows(np.array(rows), 1.0)[i].tolist() == clip_rows(np.array([rows[i]]), 1.0)[0].tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_with_a_non_finite_number_becomes_zero(bad: float):
    clipped = clip_rows(np.array([[0.1, bad], [0.3, 0.4]]), 1.0)
    assert clipped[0].tolist() == [0.0, 0.0]
    assert clipped[1] == pytest.approx([0.3, 0.4], rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_leaves_its_input_alone_and_answers_in_float64(dtype: type):
    rows = np.array([[3.0, 4.0], [np.nan, 1.0]], dtype=dtype)
    before = rows.copy()
    clipped = clip_rows(rows, 1.0)
    assert np.array_equal(rows, before, equal_nan=True)
    assert clipped.dtype == np.float64
    assert clipped[0] == pytest.approx([0.6, 0.8], rel=1e-12)


def test_an_endless_norm_clips_nothing_but_what_is_not_finite():
    rows = np.array([[3.0, -4e5], [1e-300, 0.0]])
    assert clip_rows(rows, math.inf) == pytest.approx(rows, rel=1e-15)


@pytest.mark.usefixtures("silent")
@settings(max_examples=150, deadline=None)
@given(ROWS, st.floats(1e-3, 1e3), st.data())
def test_two_sums_that_differ_by_a_patient_end_within_the_norm(
    rows: list[list[float]], norm: float, data: st.DataObject
):
    out = data.draw(st.integers(0, len(rows) - 1))
    clipped = clip_rows(np.array(rows), safe_norm(norm, SIZE))
    here = private_sum(clipped.sum(axis=0), max_norm=norm, noise_multiplier=1.0)
    there = private_sum(np.delete(clipped, out, axis=0).sum(axis=0), max_norm=norm, noise_multiplier=1.0)
    apart = sum(
        ((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(here.tolist(), there.tolist(), strict=True)), Fraction(0)
    )
    assert apart <= Fraction(norm) ** 2


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("size", [1, 100, 50_000])
@pytest.mark.parametrize("order", ["as is", "backwards", "shuffled"])
def test_many_rows_in_any_order_stay_within_the_norm(size: int, order: str):
    # the worst direction for rounding: every coordinate of the new patient pushes the same way
    rng = np.random.default_rng(2)
    rows = clip_rows(rng.normal(size=(40, size)), safe_norm(1.0, size))
    new = clip_rows(np.ones((1, size)), safe_norm(1.0, size))
    place = {"as is": np.arange(41), "backwards": np.arange(41)[::-1], "shuffled": rng.permutation(41)}[order]
    total = np.zeros(size)
    for row in np.concatenate([rows, new])[place]:
        total += row
    here = private_sum(total, max_norm=1.0, noise_multiplier=1.0)
    there = private_sum(rows.sum(axis=0), max_norm=1.0, noise_multiplier=1.0)
    assert exact_square(here - there) <= 1


@pytest.mark.parametrize("size", [1, 2_000, 50_000, 1_000_000])
def test_the_price_of_the_lattice_is_below_one_percent(size: int):
    assert 0.99 < safe_norm(1.0, size) < 1.0


@given(st.floats(1e-9, 1e9), st.integers(1, 10**7))
def test_the_terms_of_the_proof_add_up_to_the_norm(norm: float, size: int):
    clip, step = safe_norm(norm, size), lattice_step(norm, size)
    assert math.frexp(step)[0] == 0.5
    wobble = 2 * MOST_ROWS * (lattice.ROW_ERROR + MOST_ROWS * 2.0**-53)
    assert clip * (1 + wobble) + math.sqrt(size) * step <= norm * (1 - 2.0**-17)


def test_coarse_rows_cost_more_and_too_coarse_ones_are_refused():
    fine, single = safe_norm(1.0, 100), safe_norm(1.0, 100, most_rows=10_000, row_error=2.0**-20)
    assert single < fine
    assert single > 0.95
    with pytest.raises(ValueError, match="compute rows in float64"):
        safe_norm(1.0, 100, row_error=2.0**-20)


def test_noise_has_its_scale_and_lies_on_the_lattice():
    drawn = private_sum(np.zeros(400_000), max_norm=0.3, noise_multiplier=1.5)
    assert noise_fits(drawn, 0.45)
    assert not noise_fits(drawn, 0.45 * 0.98)
    assert not noise_fits(drawn, 0.45 * 1.02)
    step = lattice_step(0.3, 400_000)
    assert np.array_equal(drawn, np.rint(drawn / step) * step)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
def test_the_lattice_does_not_depend_on_the_sum(total: list[float]):
    released = private_sum(np.array(total), max_norm=1.0, noise_multiplier=1.0)
    steps = released / lattice_step(1.0, 3)
    assert np.array_equal(steps, np.rint(steps))


def test_noise_differs_from_step_to_step_and_between_coordinates():
    first, second = (private_sum(np.zeros(20_000), max_norm=1.0, noise_multiplier=1.0) for _ in range(2))
    for a, b in ((first, second), (first[:-1], first[1:])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5.5 / math.sqrt(20_000)


@pytest.mark.usefixtures("silent")
def test_without_noise_the_sum_comes_back_to_half_a_step():
    total = np.random.default_rng(0).normal(size=(20, 30))
    released = private_sum(total, max_norm=1.0, noise_multiplier=1.0)
    assert released.shape == (20, 30)
    assert np.abs(released - total).max() <= lattice_step(1.0, 600) / 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sum_of_rows_that_were_not_clipped_is_refused(bad: float):
    with pytest.raises(ValueError, match="clip the rows"):
        private_sum(np.array([bad, 1.0]), max_norm=1.0, noise_multiplier=1.0)


@given(st.integers(-(2**40), 2**40), st.floats(-1e6, 1e6))
def test_rounding_the_noise_is_rounding_the_release(whole: int, noise: float):
    # the step of the proof that makes rounding post-processing, in exact arithmetic
    assert whole + round(Fraction(noise)) == round(whole + Fraction(noise)) or (
        Fraction(noise) % 1 == Fraction(1, 2)  # a tie, which goes to the even side and has no chance
    )


LENGTHS = st.lists(st.one_of(st.sampled_from(EXTREMES), st.floats(0, 1e308)), min_size=1, max_size=8)


@given(LENGTHS, st.floats(1e-6, 1e6))
def test_factors_bring_every_length_down_to_the_norm(lengths: list[float], norm: float):
    factors = clip_factors(np.abs(np.array(lengths)), norm)
    for length, factor in zip(np.abs(lengths), factors, strict=True):
        if not math.isfinite(length):
            assert factor == 0.0
        elif length <= norm:
            assert factor == 1.0
        else:
            most = Fraction(norm) * (1 + Fraction(1, 2**50)) + Fraction(float(length)) / 2**1074
            assert Fraction(float(factor)) * Fraction(float(length)) <= most
            assert factor > 0.0
