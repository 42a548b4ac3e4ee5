from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lab_cohorts import lab_cohort

from evaluation.portrait import LEAST, Portrait, portrait
from privacy.cohort import Cohort
from synthhealth.generators.simulator import simulate

REAL = simulate(400, seed=1)


def changed(cohort: Cohort, *, scale: float = 1.0) -> Cohort:
    records = cohort.records
    return replace(cohort, records=replace(records, value=records.value * scale))


@pytest.fixture(scope="module")
def alike() -> Portrait:
    return portrait(REAL, REAL)


def test_a_cohort_beside_itself_is_drawn_twice_the_same(alike: Portrait):
    assert len(alike.tests) >= 10
    for one in alike.tests:
        assert one.values.real == one.values.synthetic
        assert one.course is None or one.course.real == one.course.synthetic
        assert one.gaps is None or one.gaps.real == one.gaps.synthetic
    assert alike.correlations is not None
    assert alike.correlations.real == alike.correlations.synthetic


def test_shares_add_up_and_no_class_lies_between_two_steps(alike: Portrait):
    for one in alike.tests:
        for shown in (one.values, *(() if one.gaps is None else (one.gaps,))):
            assert sum(shown.real) == pytest.approx(1.0, abs=1e-4)
            assert len(shown.edges) == len(shown.real) + 1 == len(shown.synthetic) + 1
            assert list(shown.edges) == sorted(set(shown.edges))
            assert not shown.labels or len(shown.labels) == len(shown.real)
        # whole numbers on a grid finer than they are would leave every second class empty
        assert sum(share == 0 for share in one.values.real) <= len(one.values.real) / 4


def test_quantiles_over_time_are_those_of_the_records():
    cohort = lab_cohort(300, 1)
    drawn = next(one for one in portrait(cohort, cohort).tests if one.test == "Na")
    assert drawn.course is not None
    low, middle, high = (np.array(row, dtype=float) for row in drawn.course.real)
    known = ~np.isnan(middle)
    assert known.any()
    assert (low[known] <= middle[known]).all()
    assert (middle[known] <= high[known]).all()
    values = cohort.records.value[cohort.records.test == 0]
    assert np.quantile(values, 0.05) < np.nanmedian(middle) < np.quantile(values, 0.95)


def test_what_is_shifted_is_drawn_shifted():
    other = portrait(REAL, changed(REAL, scale=0.8))
    sodium = next(one for one in other.tests if one.test == "Na")
    assert sum(abs(a - b) for a, b in zip(sodium.values.real, sodium.values.synthetic, strict=True)) / 2 > 0.9
    assert sodium.course is not None
    for a, b in zip(sodium.course.real[1], sodium.course.synthetic[1], strict=True):
        assert (a is None) == (b is None)
        assert a is None or b is None or b < a


def test_the_variables_that_differ_most_are_chosen():
    shuffled = REAL.patients.copy()
    shuffled["age"] = np.random.default_rng(1).permutation(shuffled["age"].to_numpy())
    drawn = portrait(REAL, replace(REAL, patients=shuffled)).correlations
    assert drawn is not None
    assert "age" in drawn.names
    for rows in (drawn.real, drawn.synthetic):
        assert all(rows[place][place] == 1.0 for place in range(len(drawn.names)))


def test_few_records_give_no_quantile_and_no_gap():
    few = REAL.take(np.arange(3))
    for one in portrait(few, few).tests:
        assert one.gaps is None or len(few.records) >= LEAST
        assert one.course is None or any(value is None for row in one.course.real for value in row)


def test_codes_are_drawn_by_code(alike: Portrait):
    codes = [one for one in alike.tests if one.values.labels]
    assert len(codes) >= 1
    assert all(one.course is None for one in codes)
