"""What must hold between columns is made to hold, for the real and for the synthetic alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.constraints import broken, derived, ordered
from privacy.patient_frame import patient_frame
from privacy.schema import Order, Schema

CHAIN = """
name = "chain"
cohort_size = 20

[privacy_unit]
max_records = 1
window = [0, 1]

[columns]
a = { kind = "integer", low = 0, high = 9 }
b = { kind = "continuous", low = 1, high = 9.5, precision = 0.5, missing = BMISSING }
c = { kind = "integer", low = 0, high = 10 }
code = { kind = "categorical", codes = ["x", "y"], other = true, missing = true }
twice = { kind = "derived", formula = "2 * b" }
ratio = { kind = "derived", formula = "a / b", precision = 0.01 }

[[constraints]]
before = "b"
after = "c"

[[constraints]]
before = "a"
after = "b"
"""
CELLS = st.lists(st.floats(-3, 14) | st.just(np.nan), min_size=4, max_size=4).map(np.array)


def chain(*, b_missing: bool) -> Schema:
    return Schema.parse(CHAIN.replace("BMISSING", str(b_missing).lower()))


@pytest.mark.parametrize("b_missing", [True, False])
@given(a=CELLS, b=CELLS, c=CELLS)
def test_a_chain_of_orders_holds_whatever_the_cells(b_missing: bool, a: np.ndarray, b: np.ndarray, c: np.ndarray):  # noqa: FBT001
    schema = chain(b_missing=b_missing)
    frame = patient_frame(schema, list("pqrs"), {"a": a, "b": b, "c": c, "code": np.array([0, 1, 2, -1])})
    numbers = {name: frame[name].to_numpy() for name in "abc"}
    assert not any(broken(order, numbers).any() for order in schema.constraints)
    for name in "abc":
        grid = schema.free_columns[name].grid
        known = numbers[name][~np.isnan(numbers[name])]
        np.testing.assert_array_equal(grid.snap(known), known)
    np.testing.assert_array_equal(frame["twice"], 2 * frame["b"])


def test_after_is_raised_to_its_grid_or_becomes_missing():
    numbers = {"a": np.array([7.0, 1.0, np.nan]), "b": np.array([3.0, 3.0, 3.0]), "c": np.array([9.0, 9.0, 2.0])}
    raised = ordered(chain(b_missing=False), numbers)
    assert raised["b"].tolist() == [7.0, 3.0, 3.0]
    assert raised["c"].tolist() == [9.0, 9.0, 3.0]
    missing = ordered(chain(b_missing=True), numbers)
    np.testing.assert_array_equal(missing["b"], [np.nan, 3.0, 3.0])
    assert numbers["b"].tolist() == [3.0, 3.0, 3.0]


def test_broken_is_where_both_are_known():
    order = Order(before="a", after="b")
    numbers = {"a": np.array([2.0, 1.0, np.nan, 2.0]), "b": np.array([1.0, 1.0, 1.0, np.nan])}
    assert broken(order, numbers).tolist() == [True, False, False, False]


def test_a_derived_column_has_its_precision():
    values = derived(chain(b_missing=True), {"a": np.array([1.0, 1.0]), "b": np.array([3.0, np.nan])})
    np.testing.assert_array_equal(values["ratio"], [0.33, np.nan])


def test_a_frame_has_the_types_of_its_schema():
    schema = chain(b_missing=True)
    cells = {"a": [20, 3], "b": [0.2, np.nan], "c": [3.4, 3.6], "code": [2, -1]}
    frame = patient_frame(schema, ["p", "q"], {name: np.array(column) for name, column in cells.items()})
    assert frame["a"].tolist() == [9.0, 3.0]
    assert frame["code"].tolist()[0] == "OTHER"
    assert pd.isna(frame["code"].tolist()[1])
    assert list(frame["code"].cat.categories) == ["x", "y", "OTHER"]
    assert list(frame) == ["patient_id", "a", "b", "c", "code", "twice", "ratio"]
