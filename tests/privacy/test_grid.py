"""Values live on the decimal numbers that a person would write."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import STEPS

from privacy.grid import Grid, decimals_of

TENTHS = Grid(low=0.05, high=2.0, step=0.1)


@pytest.mark.parametrize(
    ("step", "decimals"), [(1.0, 0), (0.1, 1), (0.25, 2), (10.0, 0), (0.05, 2), (1e-5, 5), (2.5, 1), (1e6, 0)]
)
def test_decimals_are_those_the_multiples_need(step: float, decimals: int):
    assert decimals_of(step) == decimals


def test_a_grid_holds_only_multiples_between_its_bounds():
    assert (TENTHS.first, TENTHS.last, TENTHS.size) == (1, 20, 20)
    assert Grid(low=0.4, high=0.6, step=1.0).size == 0
    # 0.15 / 0.05 is 2.9999999999999996 in floating point and three steps to a person
    assert Grid(low=0.15, high=0.3, step=0.05).first == 3


@pytest.mark.parametrize(
    ("value", "snapped"),
    [(0.73, 0.7), (7.3, 2.0), (-1e30, 0.1), (math.inf, 2.0), (-math.inf, 0.1), (0.0, 0.1), (0.7000000001, 0.7)],
)
def test_snap_goes_to_the_nearest_value_inside(value: float, snapped: float):
    assert TENTHS.snap(np.array([value])).item() == snapped


def test_missing_stays_missing():
    cells = np.array([np.nan, 1.0])
    for through in (TENTHS.snap, TENTHS.cut, TENTHS.raise_to):
        assert np.isnan(through(cells)).tolist() == [True, False]


@pytest.mark.parametrize(("time", "cut"), [(0.3, 0.3), (0.39, 0.3), (-0.05, -0.1), (5.999, 5.9), (100.0, 100.0)])
def test_cut_goes_down_and_leaves_multiples_where_they_are(time: float, cut: float):
    assert TENTHS.cut(np.array([time])).item() == cut


def test_raise_to_never_falls_below():
    assert TENTHS.raise_to(np.array([0.31, 0.3, 9.0])).tolist() == [0.4, 0.3, 2.0]


def test_there_is_no_negative_zero():
    zero = Grid(low=-1, high=1, step=0.5).snap(np.array([-0.1]))
    assert math.copysign(1, zero.item()) == 1


@given(st.sampled_from(STEPS), st.integers(-1000, 1000), st.floats(-0.45, 0.45))
def test_snap_finds_the_decimal_number_exactly(step: float, place: int, off: float):
    grid = Grid(low=-2000 * step, high=2000 * step, step=step)
    expected = float(Decimal(repr(step)) * place)
    assert grid.snap(np.array([(place + off) * step])).item() == expected
    assert grid.snap(np.array([expected])).item() == expected
    assert grid.cut(np.array([expected])).item() == expected
