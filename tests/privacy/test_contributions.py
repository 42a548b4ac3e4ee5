"""Whatever a query returns, one patient moves a table by no more than was charged: in whole-number arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from small_world import EXTREMES

from privacy.contributions import LATTICE, code_weight, drawn_codes, in_cells, in_groups, on_lattice

CELLS = 7
NUMBERS = st.one_of(st.sampled_from(EXTREMES), st.floats(allow_nan=True, allow_infinity=True, width=64))
ROWS = st.lists(st.lists(NUMBERS, min_size=CELLS, max_size=CELLS), min_size=1, max_size=6)


def table(rows: list[list[float]]) -> csr_matrix:
    return csr_matrix(np.array(rows, dtype=np.float64))


def exact(rows: csr_matrix) -> list[list[int]]:
    return [[int(x) for x in row] for row in rows.toarray()]


def column_sums(rows: csr_matrix) -> list[int]:
    return [sum(column) for column in zip(*exact(rows), strict=True)]


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(1, 3), st.data())
def test_a_patient_moves_at_most_count_cells_by_one(rows: list[list[float]], most: int, data: st.DataObject):
    out = data.draw(st.integers(0, len(rows) - 1))
    here = column_sums(in_cells(table(rows), most))
    rest = rows[:out] + rows[out + 1 :]
    there = column_sums(in_cells(table(rest), most)) if rest else [0] * CELLS
    moved = [a - b for a, b in zip(here, there, strict=True)]
    assert set(moved) <= {0, 1}
    assert sum(moved) <= most
    assert sum(x * x for x in moved) <= most


@settings(max_examples=150, deadline=None)
@given(ROWS, st.floats(1e-6, 1e6), st.data())
def test_a_patients_vector_has_a_norm_of_at_most_one_lattice(rows: list[list[float]], norm: float, data: st.DataObject):
    out = data.draw(st.integers(0, len(rows) - 1))
    here = column_sums(on_lattice(table(rows), norm))
    rest = rows[:out] + rows[out + 1 :]
    there = column_sums(on_lattice(table(rest), norm)) if rest else [0] * CELLS
    assert sum((a - b) ** 2 for a, b in zip(here, there, strict=True)) <= LATTICE**2


@settings(max_examples=100, deadline=None)
@given(ROWS, st.data())
def test_each_row_is_bounded_as_if_it_were_alone(rows: list[list[float]], data: st.DataObject):
    row = data.draw(st.integers(0, len(rows) - 1))
    groups = np.array([0, 0, 1, 1, 1, 2, 3])
    for bound in (
        lambda part: in_cells(part, 2),
        lambda part: on_lattice(part, 1.5),
        lambda part: in_groups(part, groups),
    ):
        assert exact(bound(table(rows)))[row] == exact(bound(table([rows[row]])))[0]


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_a_patient_counts_once_in_a_group(rows: list[list[float]]):
    groups = np.array([0, 0, 1, 1, 1, 2, 3])
    bounded = in_groups(table(rows), groups).toarray()
    per_group = np.stack([bounded[:, groups == g].sum(axis=1) for g in range(4)])
    assert set(np.unique(per_group)) <= {0, 1}
    assert set(np.unique(bounded)) <= {0, 1}
    occupied = np.isfinite(np.array(rows)) & (np.array(rows) != 0)
    expected = np.stack([occupied[:, groups == g].any(axis=1) for g in range(4)])
    assert (per_group == expected).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_non_finite_number_empties_the_whole_vector(bad: float):
    assert exact(on_lattice(table([[0.5, bad, 0.1]]), 1.0)) == [[0, 0, 0]]
    assert exact(in_cells(table([[1.0, bad, 1.0]]), 3)) == [[1, 0, 1]]


def test_a_short_vector_is_kept_to_the_lattice():
    step = 1.0 / LATTICE
    kept = on_lattice(table([[0.3, -0.4, 0.0]]), 1.0).toarray()[0] * step
    assert kept == pytest.approx([0.3, -0.4, 0.0], abs=2 * step)


def test_a_long_vector_keeps_its_direction_and_its_whole_norm():
    for size in (10.0, 1e30, 1e300):
        kept = on_lattice(table([[3 * size, -4 * size]]), 2.0).toarray()[0] / LATTICE
        assert kept == pytest.approx([0.6, -0.8], abs=1e-5)


def test_entries_stored_twice_count_together():
    twice = csr_matrix((np.array([1.0, 1.0]), np.array([2, 2]), np.array([0, 2])), shape=(1, 4))
    assert exact(in_cells(twice, 5)) == [[0, 0, 1, 0]]
    assert on_lattice(twice, 1.0).toarray()[0, 2] <= LATTICE


def test_bounding_leaves_the_query_result_alone():
    rows = table([[5.0, float("nan"), 2.0]])
    before = rows.toarray()
    in_cells(rows, 1)
    on_lattice(rows, 1.0)
    in_groups(rows, np.array([0, 0, 1]))
    assert np.array_equal(rows.toarray(), before, equal_nan=True)


def test_rows_without_entries_and_tables_without_rows():
    assert in_cells(csr_matrix((3, 5)), 2).sum() == 0
    assert on_lattice(csr_matrix((0, 5)), 2.0).shape == (0, 5)
    assert in_groups(csr_matrix((0, 5)), np.zeros(5, dtype=np.int64)).shape == (0, 5)


@given(st.integers(1, 10_000))
def test_code_weights_make_a_vector_of_norm_one(count: int):
    assert count * code_weight(count) ** 2 <= LATTICE**2
    assert code_weight(count) <= LATTICE / np.sqrt(count)


@given(st.lists(st.text(max_size=3), max_size=12), st.integers(1, 5))
def test_drawn_codes_are_few_and_depend_on_key_patient_and_codes_alone(codes: list[str], most: int):
    kept = drawn_codes(b"k", "p", codes, most)
    assert len(kept) == min(most, len(set(codes)))
    assert set(kept) <= set(codes)
    assert kept == drawn_codes(b"k", "p", codes[::-1] + codes, most)


def test_drawn_codes_differ_between_patients_and_keys():
    codes = [str(i) for i in range(30)]
    drawn = {drawn_codes(key, patient, codes, 3) for key in (b"a", b"b") for patient in ("p", "q")}
    assert len(drawn) == 4
