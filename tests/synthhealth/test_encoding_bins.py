"""Bins of a noisy histogram: never empty, of about equal mass, monotone, and every value stays in its bin."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from synthhealth.encoding.bins import Bins, denoise, project
from synthhealth.encoding.cell_grid import CellGrid

Floats = NDArray[np.float64]
SIGMAS = st.sampled_from([0.0, 1e-6, 0.3, 4.0, 250.0])


@st.composite
def histograms(draw: st.DrawFn, *, most: int = 100) -> Floats:
    """Noisy counts: smooth, spiked, empty, all negative, tiny and huge."""
    cells = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "spike", "smooth", "nothing", "negative", "huge"]))
    noise = rng.normal(scale=draw(st.sampled_from([0.0, 3.0, 100.0])), size=cells)
    place = (np.arange(cells) + 0.5) / cells
    base = {
        "noise": np.zeros(cells),
        "spike": np.where(np.arange(cells) == rng.integers(cells), 5_000.0, 0.0),
        "smooth": 3_000 * np.exp(-8 * (place - 0.4) ** 2) / cells,
        "nothing": np.zeros(cells),
        "negative": np.full(cells, -40.0),
        "huge": rng.gamma(0.3, size=cells) * 1e9,
    }[kind]
    return np.asarray(base if kind == "nothing" else base + noise)


def nearest_by_trying(wanted: Floats) -> Floats:
    """The nearest point of the simplex, by trying every support: the quadratic programme by brute force."""
    size = len(wanted)
    best, found = np.inf, np.zeros(size)
    for count in range(1, size + 1):
        for support in combinations(range(size), count):
            point = np.zeros(size)
            chosen = list(support)
            point[chosen] = wanted[chosen] - (wanted[chosen].sum() - 1) / count
            if point.min() >= 0 and ((point - wanted) ** 2).sum() < best:
                best, found = float(((point - wanted) ** 2).sum()), point
    return found


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=7))
def test_projection_is_the_nearest_point_of_the_simplex(values: list[float]):
    counts = np.array(values)
    wanted = counts / max(counts.sum(), 1.0)
    assert np.allclose(project(counts), nearest_by_trying(wanted), atol=1e-9)


@given(histograms())
def test_projections_are_shares_and_stay_where_they_are(counts: Floats):
    shares = project(counts)
    assert shares.shape == counts.shape
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(1, abs=1e-9)
    assert np.allclose(project(shares), shares, atol=1e-12)


def test_projection_keeps_the_shape_of_a_table():
    table = np.array([[4.0, -1.0], [2.0, 2.0]])
    assert np.allclose(project(table), project(table.ravel()).reshape(2, 2))


@given(histograms(), SIGMAS)
def test_denoised_shares_are_positive_and_sum_to_one(counts: Floats, sigma: float):
    shares = denoise(counts, sigma)
    assert shares.shape == counts.shape
    assert np.isfinite(shares).all()
    assert shares.min() > 0
    assert shares.sum() == pytest.approx(1, abs=1e-9)


def test_without_noise_shares_are_the_counts():
    counts = np.random.default_rng(0).integers(0, 500, 100).astype(float)
    assert np.allclose(denoise(counts, 0.0), counts / counts.sum(), atol=1e-4)


def test_little_noise_is_hardly_felt():
    place = (np.arange(100) + 0.5) / 100
    truth = np.exp(-30 * (place - 0.4) ** 2)
    counts = 1e5 * truth / truth.sum() + np.random.default_rng(1).normal(scale=3.0, size=100)
    assert np.abs(denoise(counts, 3.0) - truth / truth.sum()).sum() / 2 < 0.02


def test_denoising_brings_a_smooth_histogram_nearer_to_the_truth():
    rng = np.random.default_rng(2)
    place = (np.arange(100) + 0.5) / 100
    truth = np.exp(-30 * (place - 0.4) ** 2)
    truth /= truth.sum()
    before, after = [], []
    for _ in range(5):
        counts = 2_000 * truth + rng.normal(scale=15.0, size=100)
        before.append(np.abs(project(counts) - truth).sum() / 2)
        after.append(np.abs(denoise(counts, 15.0) - truth).sum() / 2)
    assert np.mean(after) < 0.6 * np.mean(before)


@given(histograms(), SIGMAS, st.integers(1, 12))
def test_bins_cut_the_cells_up_and_none_is_empty(counts: Floats, sigma: float, wanted: int):
    bins = Bins.of(counts, sigma, bins=wanted)
    assert bins.count == min(wanted, len(counts))
    assert bins.edges[0] == 0
    assert bins.edges[-1] == len(counts)
    assert (np.diff(bins.edges) >= 1).all()
    assert bins.mass.sum() == pytest.approx(1, abs=1e-9)
    assert bins.mass.min() > 0


@given(histograms(), SIGMAS, st.integers(1, 12))
def test_bins_have_equal_mass_as_far_as_their_cells_allow(counts: Floats, sigma: float, wanted: int):
    bins = Bins.of(counts, sigma, bins=wanted)
    below = np.append(0.0, np.cumsum(bins.density))[bins.edges]
    # an edge lies within half a cell of its quantile, unless an earlier or a later bin needs a cell of its own
    largest = bins.density.max()
    aims = np.arange(bins.count + 1) / bins.count
    crowded = np.zeros(bins.count + 1, dtype=bool)
    crowded[1:] |= np.diff(bins.edges) == 1
    crowded[:-1] |= np.diff(bins.edges) == 1
    assert (np.abs(below - aims)[~crowded] <= largest / 2 + 1e-9).all()


@given(histograms(), SIGMAS, st.integers(1, 12))
def test_every_cell_is_in_its_bin_and_bins_rise_with_the_cells(counts: Floats, sigma: float, wanted: int):
    bins = Bins.of(counts, sigma, bins=wanted)
    cells = np.arange(len(counts))
    found = bins.of_cell(cells)
    assert (np.diff(found) >= 0).all()
    assert np.array_equal(np.bincount(found, minlength=bins.count), np.diff(bins.edges))
    assert (bins.edges[found] <= cells).all()
    assert (cells < bins.edges[found + 1]).all()


@given(histograms(), SIGMAS, st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_a_value_stays_in_its_bin(counts: Floats, sigma: float, wanted: int, seed: int):
    grid = CellGrid.of(0, len(counts) * 3 - 1, step=1, cells=len(counts))
    bins = Bins.of(counts, sigma, bins=wanted)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, bins.count, 60)
    place = np.where(rng.random(60) < 0.3, rng.choice([0.0, 1.0 - 1e-15], 60), rng.random(60))
    values = bins.value(grid, chosen, place)
    assert np.array_equal(bins.of_cell(grid.cell(values)), chosen)


def test_values_follow_the_density_inside_their_bin():
    density = np.array([0.1, 0.3, 0.0001, 0.2, 0.3999])
    bins = Bins(edges=np.array([0, 3, 5]), density=density)
    grid = CellGrid.of(0, 9, step=1, cells=5)
    place = (np.arange(40_000) + 0.5) / 40_000
    for b, inside in ((0, slice(0, 3)), (1, slice(3, 5))):
        values = bins.value(grid, np.full(len(place), b), place)
        assert (np.diff(values) >= 0).all()
        shares = np.bincount(values.astype(int) // 2, minlength=5)[inside] / len(place)
        assert np.allclose(shares, density[inside] / density[inside].sum(), atol=1e-3)
        # both lattice points of a cell come out equally often
        points = np.bincount(values.astype(int), minlength=10).reshape(5, 2)[inside]
        assert np.allclose(points[:, 0], points[:, 1], atol=2)


@pytest.mark.parametrize("seed", range(4))
def test_a_tail_of_noise_thins_out_and_what_is_seen_stays(seed: int):
    rng = np.random.default_rng(seed)
    true = 2_000 * np.exp(-np.arange(200) / 6)
    noisy = true + rng.normal(scale=60, size=200)
    plain, thin = (denoise(noisy, 60.0, thin=choice) for choice in (False, True))
    wanted = true / true.sum()
    assert thin[60:].sum() <= max(plain[60:].sum(), 1e-3)
    assert thin[80:].sum() < 0.01
    assert np.abs(thin[:25] - wanted[:25]).sum() < 0.08
    # a second group far out that stands out of the noise is no tail
    noisy[150:160] += 600
    assert denoise(noisy, 60.0, thin=True)[150:160].sum() > 0.2


@pytest.mark.parametrize(("sigma", "allowed"), [(20.0, 0.25), (40.0, 0.4), (60.0, 0.7)])
def test_a_rare_test_keeps_its_mean_though_noise_outweighs_its_tail(sigma: float, allowed: float):
    """2,000 values whose far half of the grid holds 9, under noise that adds up to 140, 280 and 420 there."""
    place = np.arange(100)
    true = np.exp(-np.maximum(place - 8, 0) / 8 - np.maximum(8 - place, 0) / 2)
    true *= 2_000 / true.sum()
    mean = true @ place / true.sum()
    spread = np.sqrt(true @ (place - mean) ** 2 / true.sum())
    noise = [np.random.default_rng(seed).normal(scale=sigma, size=100) for seed in range(20)]
    errors = np.array([denoise(true + some, sigma) @ place - mean for some in noise]) / spread
    assert np.sqrt(np.mean(errors**2)) < allowed


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_group_that_no_cell_shows_keeps_its_place_and_width(seed: int):
    rng = np.random.default_rng(seed)
    place = np.arange(100)
    true = np.exp(-((place - 55) ** 2) / (2 * 15**2))
    true *= 3_000 / true.sum()
    found = denoise(true + rng.normal(scale=40, size=100), 40.0)
    mean = found @ place
    assert abs(mean - 55) < 7
    assert 9 < np.sqrt(found @ (place - mean) ** 2) < 21


def test_where_nobody_can_be_seen_shares_fall_off_and_none_is_nothing():
    histogram = np.zeros(100)
    histogram[10:20] = 5_000
    found = denoise(histogram, 1.0)
    assert (found > 0).all()
    assert (np.diff(found[30:]) < 0).all()
    assert found[99] < found[30] / 1_000
