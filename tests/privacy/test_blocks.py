"""Blocks are the cohort cut in pieces: nobody lost, nobody twice, and nothing about the rows decides their size."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import SCHEMA, cohort_of, patients

from privacy.blocks import PATIENTS_A_BLOCK, blocks, blocks_of, nobody
from privacy.cohort import Cohort


@settings(max_examples=40, deadline=None)
@given(patients(), st.integers(1, 15))
def test_blocks_put_together_are_the_cohort(cohort: Cohort, size: int):
    parts = list(blocks(cohort, size))
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert np.concatenate([part.ids for part in parts]).tolist() == cohort.ids.tolist()
    together = pd.concat([part.labs for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(together, cohort.labs, check_dtype=False)
    counts = np.concatenate([part.records_per_patient() for part in parts])
    assert counts.tolist() == cohort.records_per_patient().tolist()


@settings(max_examples=20, deadline=None)
@given(patients(), st.integers(1, 5))
def test_a_block_is_what_take_would_give(cohort: Cohort, size: int):
    first = next(blocks(cohort, size))
    taken = cohort.take(np.arange(min(size, len(cohort))))
    pd.testing.assert_frame_equal(first.patients, taken.patients)
    pd.testing.assert_frame_equal(first.labs, taken.labs, check_dtype=False)


@settings(max_examples=20, deadline=None)
@given(patients(), st.integers(1, 5), st.data())
def test_blocks_of_some_are_those_of_the_cohort_of_them(cohort: Cohort, size: int, data: st.DataObject):
    rows = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=len(cohort), max_size=len(cohort))))
    for found, wanted in zip(blocks_of(cohort, rows, size), blocks(cohort.take(rows), size), strict=True):
        pd.testing.assert_frame_equal(found.patients, wanted.patients)
        pd.testing.assert_frame_equal(found.labs, wanted.labs, check_dtype=False)


def test_an_empty_cohort_has_no_block_and_nobody_has_the_schema():
    empty = cohort_of([])
    assert list(blocks(empty)) == []
    for cohort in (empty, cohort_of([("a", 0, 1.0, 3)])):
        none = nobody(cohort)
        assert (len(none), len(none.records)) == (0, 0)
        assert none.schema is SCHEMA
        assert none.codes("sex").shape == (0,)


def test_the_size_of_a_block_is_a_constant():
    sizes = {len(next(blocks(cohort_of([(str(i), 0, 1.0, k) for i in range(9_000)])))) for k in (0, 1)}
    assert sizes == {PATIENTS_A_BLOCK}


@pytest.mark.parametrize("size", [0, -1])
def test_a_block_holds_somebody(size: int):
    with pytest.raises(ValueError, match="at least 1"):
        next(blocks(cohort_of([("a", 0, 1.0, 0)]), size))
