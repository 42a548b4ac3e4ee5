"""Public grids: they cover their range without gaps, and every lattice value goes into its cell and comes back out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import lab_tests, numbers

from privacy.schema import Number, Test
from synthhealth.encoding.cell_grid import FINE_CELLS, CellGrid


@st.composite
def log_tests(draw: st.DrawFn) -> Test:
    step = draw(st.sampled_from([0.001, 0.1, 0.25, 1.0, 5.0]))
    first = draw(st.integers(0, 30))
    last = first + draw(st.sampled_from([1, 2, 7, 99, 100, 101, 5_000, 2_000_000]))
    return Test(low=round(first * step, 6), high=round(last * step, 6), precision=step, scale="log")


@st.composite
def off_step(draw: st.DrawFn) -> Test:
    """Bounds that are no multiples of the step."""
    low, wide = draw(st.integers(-5_000, 5_000)), draw(st.integers(300, 9_000))
    return Test(low=low / 100, high=(low + wide) / 100, precision=draw(st.sampled_from([0.1, 0.25, 1.0])))


ANY = st.one_of(numbers(), lab_tests(), log_tests(), off_step())


def grid_of(column: Number | Test) -> CellGrid:
    return CellGrid.of_number(column) if isinstance(column, Number) else CellGrid.of_test(column)


@given(ANY)
def test_cells_are_neighbours_that_cover_the_range(column: Number | Test):
    grid = grid_of(column)
    assert (grid.width >= 1).all()
    assert grid.cells == len(grid.width)
    if isinstance(column, Test) and column.codes:
        assert grid.first.tolist() == sorted(column.codes)
        return
    assert grid.first[0] == column.grid.first
    assert np.array_equal(grid.first[1:], grid.first[:-1] + grid.width[:-1])
    assert grid.first[-1] + grid.width[-1] == column.grid.last + 1
    assert grid.cells <= min(FINE_CELLS, column.grid.size)


@given(ANY, st.integers(0, 2**32 - 1))
def test_every_value_of_the_schema_lies_in_the_cell_that_says_so(column: Number | Test, seed: int):
    grid = grid_of(column)
    rng = np.random.default_rng(seed)
    if isinstance(column, Test) and column.codes:
        points = rng.choice(np.array(column.codes), 20)
    else:
        ends = [column.grid.first, column.grid.last]
        points = np.append(rng.integers(column.grid.first, column.grid.last + 1, 60), ends)
    values = column.grid.snap(points * column.step)
    cells = grid.cell(values)
    assert (grid.first[cells] <= points).all()
    assert (points < grid.first[cells] + grid.width[cells]).all()


@given(ANY, st.integers(0, 2**32 - 1))
def test_what_comes_out_of_a_cell_goes_back_into_it_and_is_a_value_of_the_schema(column: Number | Test, seed: int):
    grid = grid_of(column)
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, grid.cells, 80)
    place = np.where(rng.random(80) < 0.3, rng.choice([0.0, 1.0 - 1e-12], 80), rng.random(80))
    values = grid.point(cells, place)
    assert np.array_equal(grid.cell(values), cells)
    if isinstance(column, Test) and column.codes:
        assert np.isin(values, column.codes).all()
    else:
        assert np.array_equal(values, column.grid.snap(values))
        assert values.min() >= column.low
        assert values.max() <= column.high


@given(ANY)
def test_every_lattice_point_of_a_cell_can_come_out(column: Number | Test):
    grid = grid_of(column)
    cell = int(np.argmax(np.where(grid.width < 1_000, grid.width, 0)))
    wide = int(grid.width[cell])
    if wide >= 1_000:
        return
    place = (np.arange(wide) + 0.5) / wide
    values = grid.point(np.full(wide, cell), place)
    assert np.array_equal(np.rint(values / grid.step), grid.first[cell] + np.arange(wide))


@given(ANY)
def test_values_beyond_the_bounds_fall_into_the_outermost_cells(column: Number | Test):
    grid = grid_of(column)
    low, high = (column.low, column.high) if isinstance(column, Number) else column.bounds
    far = np.array([low - 1e6, low - column.step, high + column.step, high + 1e6])
    assert grid.cell(far).tolist() == [0, 0, grid.cells - 1, grid.cells - 1]


@given(log_tests())
def test_cells_of_a_log_scale_widen(test: Test):
    grid = CellGrid.of_test(test)
    inner = grid.width[:-1]
    # edges are rounded to the lattice, which takes a cell a point at either end
    assert (np.diff(inner) >= -1).all()
    if grid.cells == FINE_CELLS and test.grid.size > 50 * FINE_CELLS:
        assert inner[-1] > 2 * inner[0]


def test_a_linear_grid_has_equal_cells():
    grid = CellGrid.of(0, 999, step=1)
    assert grid.cells == 100
    assert (grid.width == 10).all()


def test_few_values_have_a_cell_each():
    grid = CellGrid.of(-0.3, 0.3, step=0.1)
    assert grid.first.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert grid.cell(np.array([-0.3, 0.1 * 3, 0.30000000000000004, 0.0])).tolist() == [0, 6, 6, 3]


def test_codes_have_a_cell_each_in_their_order():
    grid = CellGrid.of_codes((9, -2, 5))
    assert grid.cell(np.array([-2.0, 5.0, 9.0])).tolist() == [0, 1, 2]
    assert grid.point(np.array([2, 0, 1]), np.array([0.0, 0.5, 0.999])).tolist() == [9.0, -2.0, 5.0]


def test_no_values_have_no_cells():
    grid = CellGrid.of(0, 10, step=1)
    assert grid.cell(np.zeros(0)).shape == (0,)
    assert grid.point(np.zeros(0, dtype=np.int64), np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_widest_grid_that_a_schema_allows(scale: str):
    test = Test(low=0, high=999_999_999, precision=1, scale=scale)
    grid = CellGrid.of_test(test)
    assert grid.first[0] == 0
    assert int(grid.width.sum()) == 1_000_000_000
    assert grid.cell(np.array([0.0, 999_999_999.0])).tolist() == [0, grid.cells - 1]
