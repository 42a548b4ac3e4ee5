"""Favourite digits come back: last digits, inches in centimetres, and none where none are or noise covers them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from synthhealth.encoding.bins import Bins
from synthhealth.encoding.cell_grid import CellGrid
from synthhealth.encoding.digits import (
    LAST_DIGITS,
    inside_of_last_digits,
    is_wide,
    place_of,
    points_of,
    spread_of_points,
)

Floats = NDArray[np.float64]
HEIGHT = CellGrid.of(130, 210, step=0.1)
PRESSURE = CellGrid.of(60, 260, step=1)


def sums_to_one_in_each_cell(grid: CellGrid, inside: Floats) -> bool:
    return bool(np.allclose(np.add.reduceat(inside, np.cumsum(grid.width) - grid.width), 1.0))


def seen(grid: CellGrid, values: Floats) -> Floats:
    return np.bincount(place_of(grid, values), minlength=len(points_of(grid))).astype(np.float64)


def told(grid: CellGrid, values: Floats, sigma: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    counts = seen(grid, values)
    cells = np.add.reduceat(counts, np.cumsum(grid.width) - grid.width)
    smooth = np.convolve(np.pad(cells, 10, mode="edge"), np.ones(21) / 21, mode="valid")
    noisy = counts + rng.normal(scale=sigma, size=len(counts)) if sigma else counts
    return spread_of_points(grid, smooth / smooth.sum(), noisy, sigma)


def test_only_cells_of_several_points_are_looked_into():
    assert is_wide(HEIGHT)
    assert not is_wide(CellGrid.of(0, 50, step=1))
    assert not is_wide(CellGrid.of_codes((1, 5, 9)))
    assert not is_wide(CellGrid.of(0, 1000, step=0.001))


def test_every_number_has_its_place():
    values = np.round(np.arange(1300, 2101) * 0.1, 1)
    assert np.array_equal(place_of(HEIGHT, values), np.arange(801))
    assert np.array_equal(place_of(HEIGHT, np.array([3.0, 1e6])), [0, 800])


def test_inches_stand_out_of_centimetres():
    rng = np.random.default_rng(0)
    inches = np.clip(np.round(rng.normal(67, 4, 4_000)), 52, 82)
    values = np.where(rng.random(4_000) < 0.8, np.round(inches * 2.54, 1), np.round(rng.normal(170, 10, 4_000), 1))
    density, inside = told(HEIGHT, values, 10.0, rng)
    assert sums_to_one_in_each_cell(HEIGHT, inside)
    assert density.sum() == pytest.approx(1.0)
    shares = np.repeat(density, HEIGHT.width) * inside
    for height in (162.6, 170.2, 177.8):
        place = place_of(HEIGHT, np.array([height]))[0]
        true = np.mean(np.abs(values - height) < 0.01)
        assert shares[place] == pytest.approx(true, abs=0.2 * true + 0.01)


def test_even_last_digits_are_found_under_noise():
    rng = np.random.default_rng(1)
    values = np.clip(2 * np.round(rng.normal(130, 20, 5_000) / 2), 60, 260)
    _, inside = told(PRESSURE, values, 20.0, rng)
    even = points_of(PRESSURE) % 2 == 0
    assert inside[even].mean() > 5 * inside[~even].mean()


def test_last_digits_alone_tell_the_same():
    rng = np.random.default_rng(2)
    values = np.clip(2 * np.round(rng.normal(130, 20, 5_000) / 2), 60, 260)
    counts = np.bincount(values.astype(np.int64) % LAST_DIGITS, minlength=LAST_DIGITS) + rng.normal(scale=50.0, size=10)
    inside = inside_of_last_digits(PRESSURE, np.full(PRESSURE.cells, 1 / PRESSURE.cells), counts, 50.0)
    assert sums_to_one_in_each_cell(PRESSURE, inside)
    even = points_of(PRESSURE) % 2 == 0
    assert inside[even].mean() > 5 * inside[~even].mean()


def test_without_favourites_shares_stay_even():
    rng = np.random.default_rng(3)
    values = np.round(np.clip(rng.normal(170, 10, 5_000), 130, 210), 1)
    _, inside = told(HEIGHT, values, 15.0, rng)
    assert np.abs(inside * np.repeat(HEIGHT.width, HEIGHT.width) - 1).mean() < 0.1


def test_noise_alone_makes_no_favourites():
    rng = np.random.default_rng(4)
    even = np.full(HEIGHT.cells, 1 / HEIGHT.cells)
    _, inside = spread_of_points(HEIGHT, even, rng.normal(scale=100.0, size=801), 100.0)
    assert np.median(np.abs(inside * np.repeat(HEIGHT.width, HEIGHT.width) - 1)) < 0.25


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 1e3]), st.sampled_from([0.0, 1.0, 1e5]))
def test_any_counts_give_shares(seed: int, sigma: float, size: float):
    rng = np.random.default_rng(seed)
    counts = size * rng.gamma(0.1, 1.0, 801) + rng.normal(scale=sigma, size=801)
    density, inside = spread_of_points(HEIGHT, np.full(HEIGHT.cells, 1 / HEIGHT.cells), counts, sigma)
    assert sums_to_one_in_each_cell(HEIGHT, inside)
    assert (density > 0).all()
    assert density.sum() == pytest.approx(1.0)
    digits = inside_of_last_digits(HEIGHT, np.full(HEIGHT.cells, 1 / HEIGHT.cells), counts[:10], sigma)
    assert sums_to_one_in_each_cell(HEIGHT, digits)


def test_bins_draw_points_by_their_shares():
    grid = CellGrid.of(0, 7, step=1, cells=2)
    inside = np.array([0.7, 0.1, 0.1, 0.1, 0.0, 0.0, 1.0, 0.0])
    bins = Bins(edges=np.array([0, 1, 2]), density=np.array([0.5, 0.5]), inside=inside)
    place = (np.arange(1_000) + 0.5) / 1_000
    low = bins.value(grid, np.zeros(1_000, dtype=np.int64), place)
    assert [np.mean(low == point) for point in range(4)] == pytest.approx([0.7, 0.1, 0.1, 0.1], abs=0.002)
    assert (bins.value(grid, np.ones(1_000, dtype=np.int64), place) == 6).all()
