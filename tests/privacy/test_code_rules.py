"""Implications and combinations: what can be written, what is refused, and that every row keeps them afterwards."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.admission import admit
from privacy.constraints import agreed, broken
from privacy.errors import SchemaError
from privacy.patient_frame import patient_frame
from privacy.schema import Category, Schema

TEXT = """
name = "rules"
cohort_size = 100
[privacy_unit]
max_records = 1
window = [0, 1]
[columns]
sex = { kind = "categorical", codes = ["F", "M"], missing = true }
pregnant = { kind = "categorical", codes = [0, 1] }
diabetes = { kind = "categorical", codes = [0, 1, 2] }
insulin = { kind = "integer", low = 0, high = 99, missing = true }
site = { kind = "categorical", codes = ["north", "south"] }
ward = { kind = "categorical", codes = ["a", "b"], other = true, missing = true }
twice = { kind = "derived", formula = "2 * insulin" }
"""
RULES = """
[[constraints]]
kind = "implication"
when = { sex = "M" }
then = { pregnant = 0 }
[[constraints]]
kind = "implication"
when = { diabetes = 0 }
then_missing = ["insulin"]
[[constraints]]
kind = "combinations"
columns = ["ward", "site"]
allowed = [["a", "north"], ["b", "south"], ["OTHER", "north"], ["OTHER", "south"]]
"""
SCHEMA = Schema.parse(TEXT + RULES)
DISAGREES = "code that does not go with the columns before it"


def cells_of(schema: Schema, rows: list[dict[str, float]]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows]) for name in schema.free_columns}


@st.composite
def any_rows(draw: st.DrawFn) -> list[dict[str, float]]:
    def cell(column: object) -> float:
        if isinstance(column, Category):
            return draw(st.integers(-1 if column.missing else 0, len(column.levels) - 1))
        return draw(st.just(np.nan) | st.integers(0, 99).map(float))

    return [
        {name: cell(column) for name, column in SCHEMA.free_columns.items()} for _ in range(draw(st.integers(1, 8)))
    ]


@given(rows=any_rows())
def test_every_row_keeps_the_rules_afterwards_and_rows_that_kept_them_stay(rows: list[dict[str, float]]):
    cells = cells_of(SCHEMA, rows)
    wrong = np.any([broken(SCHEMA, rule, cells) for rule in SCHEMA.constraints], axis=0)
    settled = agreed(SCHEMA, cells)
    assert not any(broken(SCHEMA, rule, settled).any() for rule in SCHEMA.constraints)
    for name, column in cells.items():
        np.testing.assert_array_equal(settled[name][~wrong], column[~wrong])
    again = agreed(SCHEMA, settled)
    for name, column in settled.items():
        np.testing.assert_array_equal(again[name], column)
        kind = SCHEMA.columns[name]
        assert not isinstance(kind, Category) or kind.missing or (column >= 0).all()


GOOD = {"sex": 0, "pregnant": 1, "diabetes": 1, "insulin": 5.0, "site": 0, "ward": 0}


@pytest.mark.parametrize(
    ("change", "repaired"),
    [
        ({"sex": 1}, {"pregnant": 0}),  # it may not be missing, so the first code that goes
        ({"sex": -1}, {}),
        ({"diabetes": 0}, {"insulin": np.nan}),
        ({"site": 1}, {"ward": -1}),  # the site stands first in the schema, and is believed
        ({"ward": 2}, {}),
        ({"ward": -1, "site": 1}, {}),
    ],
)
def test_of_columns_that_disagree_the_earlier_is_believed(change: dict[str, float], repaired: dict[str, float]):
    row = GOOD | change
    settled = agreed(SCHEMA, cells_of(SCHEMA, [row]))
    np.testing.assert_array_equal([settled[name][0] for name in row], list((row | repaired).values()))


def test_what_is_derived_is_computed_afterwards():
    frame = patient_frame(SCHEMA, ["p", "q"], cells_of(SCHEMA, [GOOD, GOOD | {"diabetes": 0}]))
    np.testing.assert_array_equal(frame["twice"], [10.0, np.nan])


def test_admission_tells_what_it_changed():
    patients = pd.DataFrame(
        {
            "patient_id": ["p", "q", "r"],
            "sex": ["M", "M", "F"],
            "pregnant": [1, 0, 1],
            "diabetes": [0, 0, 1],
            "insulin": ["7", "", "8"],
            "site": ["north", "south", "south"],
            "ward": ["a", "a", "b"],
        }
    )
    admission = admit(SCHEMA, patients)
    assert [str(notice) for notice in admission.notices if notice.table == "patients"] == [
        f"patients.pregnant: {DISAGREES}: set to the first code that goes with them (1)",
        f"patients.insulin: {DISAGREES}: set to missing (1)",
        f"patients.ward: {DISAGREES}: set to missing (1)",
    ]
    assert admission.cohort.patients["pregnant"].tolist() == [0, 0, 1]


def test_rules_that_share_a_column_are_looked_at_together():
    """First a then b rules out c = 1 where a = 1, though no rule names a and c together."""
    schema = Schema.parse(
        TEXT.split("[columns]", maxsplit=1)[0]
        + "".join(f'[columns.{name}]\nkind = "categorical"\ncodes = [0, 1]\n' for name in "abc")
        + '[[constraints]]\nkind = "implication"\nwhen = { c = 1 }\nthen = { b = 0 }\n'
        + '[[constraints]]\nkind = "implication"\nwhen = { a = 1 }\nthen = { b = 1 }\n'
    )
    (linked,) = schema.linked
    assert linked.names == ("a", "b", "c")
    kept = [row for row in product((0, 1), repeat=3) if not (row[2] and row[1]) and not (row[0] and not row[1])]
    assert [row for row in product((0, 1), repeat=3) if linked.completes[-1][row]] == kept
    assert not linked.open([np.array([1]), np.array([1])])[0, 1]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            'kind = "implication"\nwhen = { sex = "X" }\nthen = { pregnant = 0 }',
            "'X' is no code of 'sex', which has F, M",
        ),
        (
            'kind = "implication"\nwhen = { age = 3 }\nthen = { pregnant = 0 }',
            "when names 'age', which is no categorical",
        ),
        ('kind = "implication"\nwhen = { sex = "M" }', "must have then or then_missing"),
        ('kind = "implication"\nwhen = { sex = "M" }\nthen = { sex = "F" }', "must name each column once"),
        ('kind = "implication"\nwhen = { sex = "M" }\nthen_missing = ["diabetes"]', "it needs missing = true"),
        ('kind = "implication"\nwhen = { sex = "M" }\nthen_missing = ["twice"]', "which is no column that is read"),
        (
            'kind = "implication"\nwhen = { sex = 1.5 }\nthen = { pregnant = 0 }',
            "must be a whole number or text in quotes",
        ),
        ('kind = "combinations"\ncolumns = ["sex", "site"]\nallowed = [["F"]]', "combinations of 2 codes"),
        ('kind = "combinations"\ncolumns = ["sex", "sex"]\nallowed = [["F", "F"]]', "columns must differ"),
        (
            'kind = "combinations"\ncolumns = ["sex", "insulin"]\nallowed = [["F", 1]]',
            "allowed names 'insulin', which is no",
        ),
        (
            'kind = "combinations"\ncolumns = ["sex", "site"]\nallowed = [["F", "north"], ["M", "north"]]',
            "the constraints leave the code 'south' of 'site' no place",
        ),
        ('kind = "implies"', "kind must be one of order, implication, combinations"),
        ('kind = "implication"\nwen = { sex = "M" }', "extra keys are not permitted: wen (did you mean when?)"),
    ],
)
def test_rules_that_cannot_be_are_refused_with_their_line(rule: str, words: str):
    with pytest.raises(SchemaError) as caught:
        Schema.parse(TEXT + "[[constraints]]\n" + rule, source="file.toml")
    assert words in str(caught.value)
    first = len(TEXT.splitlines()) + 1
    assert int(str(caught.value).split("line ")[1].split(":")[0]) in range(first, first + 4)


def test_too_many_columns_that_hang_together_are_refused():
    names = [f"c{place}" for place in range(12)]
    text = TEXT.split("[columns]", maxsplit=1)[0]
    text += "".join(f'[columns.{name}]\nkind = "categorical"\ncodes = [0, 1, 2, 3]\n' for name in names)
    text += "".join(
        f'[[constraints]]\nkind = "implication"\nwhen = {{ {one} = 0 }}\nthen = {{ {two} = 0 }}\n'
        for one, two in pairwise(names)
    )
    with pytest.raises(SchemaError, match="16,777,216 combinations of codes; at most 4,000,000"):
        Schema.parse(text)
