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
    assert not any(broken(schema, order, numbers).any() for order in schema.orders)
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
    assert broken(chain(b_missing=True), order, numbers).tolist() == [True, False, False, False]


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


DERIVED = Schema.parse(
    """
name = "derived"
cohort_size = 100
[privacy_unit]
max_records = 1
window = [0, 1]
[columns.age]
kind = "integer"
low = 18
high = 90
[columns.female]
kind = "integer"
low = 0
high = 1
[columns.creatinine]
kind = "continuous"
low = 0.1
high = 20
precision = 0.1
unit = "mg/dL"
missing = true
[columns.egfr]
kind = "derived"
formula = "142 * min(creatinine / (0.9 - 0.2 * female), 1) ** (-0.302 + 0.061 * female) \
* max(creatinine / (0.9 - 0.2 * female), 1) ** -1.2 * 0.9938 ** age * (1 + 0.012 * female)"
precision = 1
[columns.sodium]
kind = "integer"
low = 100
high = 180
[columns.chloride]
kind = "integer"
low = 60
high = 140
[columns.bicarbonate]
kind = "integer"
low = 2
high = 60
[columns.anion_gap]
kind = "derived"
formula = "sodium - chloride - bicarbonate"
precision = 1
"""
)


def ckd_epi_2021(creatinine: float, age: float, *, female: bool) -> float:
    """Inker et al., N Engl J Med 2021;385:1737-1749, written out once more."""
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    value = 142 * (ratio**alpha if ratio < 1 else ratio**-1.2) * 0.9938**age
    return value * 1.012 if female else value


@pytest.mark.parametrize(
    ("creatinine", "age", "female", "published"),
    [(1.2, 55, False, 71), (1.2, 55, True, 53), (0.6, 30, True, 124), (5.0, 80, False, 11), (0.9, 40, False, 111)],
)
def test_egfr_is_the_published_equation(creatinine: float, age: int, female: bool, published: int) -> None:  # noqa: FBT001
    cells = {"age": [age], "female": [int(female)], "creatinine": [creatinine]}
    rest = {"sodium": [140], "chloride": [104], "bicarbonate": [24]}
    frame = patient_frame(DERIVED, ["a"], {name: np.array(values) for name, values in (cells | rest).items()})
    assert frame["egfr"].tolist() == [round(ckd_epi_2021(creatinine, age, female=female))]
    assert abs(frame["egfr"].item() - published) <= 1
    assert frame["anion_gap"].tolist() == [12]


@given(
    creatinine=st.floats(0.1, 20),
    age=st.integers(18, 90),
    female=st.integers(0, 1),
    salts=st.tuples(*[st.integers(2, 180)] * 3),
)
def test_derived_columns_agree_with_their_parents_in_every_row(
    creatinine: float,
    age: int,
    female: int,
    salts: tuple[int, int, int],
) -> None:
    sodium, chloride, bicarbonate = salts
    cells = {"age": age, "female": female, "creatinine": creatinine, "sodium": sodium, "chloride": chloride}
    cells["bicarbonate"] = bicarbonate
    row = patient_frame(DERIVED, ["a"], {name: np.array([value]) for name, value in cells.items()}).iloc[0]
    assert row["anion_gap"] == row["sodium"] - row["chloride"] - row["bicarbonate"]
    assert abs(row["egfr"] - ckd_epi_2021(row["creatinine"], row["age"], female=row["female"] == 1)) <= 0.5 + 1e-6


def test_what_is_missing_stays_missing_in_what_is_derived() -> None:
    cells = {"age": 50, "female": 1, "creatinine": np.nan, "sodium": 140, "chloride": 100, "bicarbonate": 24}
    frame = patient_frame(DERIVED, ["a"], {name: np.array([value]) for name, value in cells.items()})
    assert frame["egfr"].isna().all()
