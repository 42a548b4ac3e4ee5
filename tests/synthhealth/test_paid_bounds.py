"""Bounds that are bought: one charge, one cell a patient and column, a narrower grid, and nothing else of the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from audit.tape import fitted, small_engine
from lab_cohorts import SCHEMA, lab_cohort
from numpy.typing import NDArray
from small_world import without

from privacy.choices import outer_cells
from privacy.cohort import Cohort
from privacy.errors import SchemaError
from privacy.events import DiscreteGaussian
from privacy.mechanisms import NoisyTable, Query
from privacy.schema import Schema
from synthhealth.encoding.layout import Layout
from synthhealth.engines import restore_model
from synthhealth.generators.first_looks import first_charges
from synthhealth.generators.looks import ExactLooks
from synthhealth.generators.paid_bounds import NAME, bought, ends_of, narrowed

Floats = NDArray[np.float64]
PAY = {"low": -4_000.0, "high": 6_000.0, "bounds": "pay"}
PAID = SCHEMA.model_copy(
    update={
        "columns": {
            name: column.model_copy(update=PAY) if name in ("age", "weight") else column
            for name, column in SCHEMA.columns.items()
        }
    }
)


def under(schema: Schema, cohort: Cohort) -> Cohort:
    return replace(cohort, schema=schema)


@dataclass(frozen=True, slots=True)
class Told:
    """Looks that keep the contributions of every patient."""

    rows: Cohort
    seen: list[Floats]

    def histograms(self, name: str, query: Query) -> NoisyTable:
        assert name == NAME
        self.seen.append(query(self.rows).toarray())
        return ExactLooks(rows=self.rows).histograms(name, query)

    def sums(self, name: str, query: Query, *, max_norm: float) -> NoisyTable:
        raise AssertionError(f"{name} {query} {max_norm}")


def seen(cohort: Cohort) -> Floats:
    told: list[Floats] = []
    bought(Told(cohort, told), Layout.of(cohort.schema))
    (table,) = told
    return table


def test_bought_bounds_are_one_charge_before_all_others_and_public_ones_are_none():
    def names(schema: Schema) -> list[str]:
        terms = {"grids": 0.3, "digits": 0.2, "values": 0.4, "one_way": 0.3, "scale": 2.0}
        return [charge.name for charge in first_charges(Layout.of(schema), **terms)]

    assert names(SCHEMA) == ["grids", "values", "digits", "value digits", "one-way"]
    assert names(PAID) == ["bounds", "grids", "values", "value digits", "one-way"]
    charge = first_charges(Layout.of(PAID), grids=0.3, digits=0.2, values=0.4, one_way=0.3, scale=2.0)[0]
    assert charge.event == DiscreteGaussian(sigma=2.0 * np.sqrt(2 / (2 * 0.15)), count=2)


def test_a_patient_is_in_one_cell_of_each_column_whatever_the_values():
    cohort = under(PAID, lab_cohort(20, 0))
    age = np.array([np.nan, -4_000, 6_000, 0, 1e-9, *cohort.numbers("age")[5:]])
    wild = replace(cohort, patients=cohort.patients.assign(age=age))
    table = seen(wild)
    assert set(np.unique(table)) == {0.0, 1.0}
    assert (table.sum(axis=1) == 2).all()
    for gone in range(5):
        assert np.array_equal(np.delete(table, gone, axis=0), seen(without(wild, gone)))


def test_exact_bounds_hold_nearly_everybody_and_little_else():
    cohort = under(PAID, lab_cohort(2_000, 0))
    layout = bought(ExactLooks(rows=cohort), Layout.of(PAID))
    for place, (low, high) in ends_of(layout).items():
        values = cohort.numbers(layout.attributes[place].name)
        known = values[np.isfinite(values)]
        assert np.mean((known < low) | (known > high)) < 0.01
        assert high - low < 0.13 * 10_000
    assert layout.schema is PAID
    public = Layout.of(SCHEMA)
    assert bought(ExactLooks(rows=cohort), public) is public


def test_a_narrowed_layout_is_known_by_its_ends():
    layout = Layout.of(PAID)
    assert ends_of(layout) == {0: (-4_000.0, 6_000.0), 1: (-4_000.0, 6_000.0)}
    again = narrowed(layout, {0: (10.0, 99.0), 1: (30.0, 200.1)})
    assert ends_of(again) == {0: (10.0, 99.0), 1: (30.0, pytest.approx(200.1))}


@pytest.mark.parametrize("name", ["marginal", "vae", "vae-dpsgd"])
def test_engines_buy_bounds_once_and_keep_them_in_the_model(name):  # noqa: ANN001
    """A whole fit with its noise; the saved model draws the same patients, in the schema that was asked for."""
    torch.set_num_threads(1)
    cohort = under(PAID, lab_cohort(1_500, 0))
    fit = fitted(small_engine(name, PAID), cohort)
    assert fit.spent[0] == "bounds"
    drawn = fit.model.sample(200, 1)
    assert drawn.schema == PAID
    assert np.percentile(drawn.numbers("age"), [1, 99]).tolist() == pytest.approx([50, 50], abs=900)
    again = restore_model(name, PAID, fit.model.state()).sample(200, 1)
    assert again.patients.equals(drawn.patients)


def test_a_fit_with_bought_bounds_is_made_of_its_releases_alone():
    """The bounds come from the noisy release on the tape, never from the rows."""
    torch.set_num_threads(1)
    engine = small_engine("marginal", PAID)
    first = fitted(engine, under(PAID, lab_cohort(1_000, 1)))
    other = fitted(engine, under(PAID, lab_cohort(31, 3, shift=-2.5)), given=first.tape)
    ours, theirs = first.leaves(), other.leaves()
    assert [part for part, told in ours.items() if theirs[part] != told] == []


@pytest.mark.parametrize("cells", [1, 2, 32])
def test_where_nothing_stands_out_all_cells_are_kept(cells: int):
    assert outer_cells(np.zeros(cells), 5.0, share=0.01) == (0, cells - 1)
    assert outer_cells(-np.ones(cells), 5.0, share=0.01) == (0, cells - 1)


def test_cells_are_kept_from_where_counts_stand_out_of_the_noise():
    counts = np.array([0, 3, -4, 500, 800, 300, 2, 0, 0], dtype=float)
    assert outer_cells(counts, 5.0, share=0.01) == (3, 5)
    assert outer_cells(counts, 200.0, share=0.01) == (4, 4)
    assert outer_cells(counts, 0.0, share=0.5) == (4, 4)


@pytest.mark.parametrize(
    ("line", "wrong", "word"),
    [
        ("[columns.age]", 'bounds = "guess"', "bounds"),
        ("[columns.ward]", 'bounds = "pay"', "bounds"),
        ("[tests.na]", 'bounds = "pay"', "bounds"),
        ("[columns.ward]", 'codes = "pay"', "codes"),
    ],
)
def test_what_cannot_be_bought_is_refused(line: str, wrong: str, word: str):
    text = """
name = "x"
cohort_size = 100
[privacy_unit]
max_records = 5
window = [0, 24]
[columns.age]
kind = "integer"
low = 0
high = 100
[columns.ward]
kind = "categorical"
{codes}
[tests.na]
low = 100
high = 180
precision = 1
""".replace("{codes}", "" if "codes" in wrong else 'codes = ["A"]')
    assert Schema.parse(text.replace("[columns.ward]\nkind", '[columns.ward]\ncodes = ["A"]\nkind', "codes" in wrong))
    with pytest.raises(SchemaError, match=word):
        Schema.parse(text.replace(line, f"{line}\n{wrong}"))
