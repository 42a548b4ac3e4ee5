"""The first looks: what they are charged for is what they read, and each patient adds only to its own cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.events import DiscreteGaussian
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.mechanisms import NoisyTable, Query
from privacy.plan import Plan
from synthhealth.encoding.layout import Layout
from synthhealth.generators.first_looks import FirstLooks, first_charges, first_looks
from synthhealth.generators.looks import ExactLooks, PaidLooks

WIDE = Budget(epsilon=1e6, delta=1e-6)


@pytest.fixture(scope="module")
def layout(simulated_small: Cohort) -> Layout:
    return Layout.of(simulated_small.schema)


def paid(cohort: Cohort, layout: Layout, *, scale: float) -> tuple[FirstLooks, Ledger]:
    charges = first_charges(layout, grids=0.3, digits=0.1, values=0.4, one_way=0.3, scale=scale)
    ledger = Ledger(Plan(budget=WIDE, charges=charges, cohort_size=300))
    return first_looks(PaidLooks(gate=Gate(cohort, ledger)), layout), ledger


class Watched:
    """Looks that are exact and remember each query."""

    def __init__(self, rows: Cohort) -> None:
        self.exact = ExactLooks(rows=rows)
        self.queries: dict[str, Query] = {}

    def histograms(self, name: str, query: Query) -> NoisyTable:
        self.queries[name] = query
        return self.exact.histograms(name, query)

    def sums(self, name: str, query: Query, *, max_norm: float) -> NoisyTable:
        self.queries[name] = query
        return self.exact.sums(name, query, max_norm=max_norm)


@pytest.fixture(scope="module")
def queries(simulated_small: Cohort, layout: Layout) -> dict[str, Query]:
    """What the looks ask of rows, with the bins that the small cohort gave them."""
    looks = Watched(simulated_small)
    first_looks(looks, layout)
    return looks.queries


def test_each_charge_is_spent_in_its_order(simulated_small: Cohort, layout: Layout):
    _, ledger = paid(simulated_small, layout, scale=0.3)
    assert [entry.charge.name for entry in ledger.entries] == ["grids", "values", "digits", "value digits", "one-way"]


def test_a_patient_is_in_as_many_cells_as_the_charge_says(
    simulated_small: Cohort, layout: Layout, queries: dict[str, Query]
):
    """The count of a charge's event is the number of tables, and each patient stands in one cell of each."""
    for charge in first_charges(layout, grids=0.3, digits=0.1, values=0.4, one_way=0.3, scale=1.0):
        if isinstance(charge.event, DiscreteGaussian):
            cells = np.asarray((queries[charge.name](simulated_small) != 0).sum(axis=1)).ravel()
            assert (cells == charge.event.count).all(), charge.name


def test_a_row_is_built_from_its_own_patient(simulated_small: Cohort, queries: dict[str, Query]):
    """Coupling: the rows of the others stay as they are without a patient."""
    for name, query in queries.items():
        whole = query(simulated_small)
        for gone in (0, 100, 299):
            stay = np.delete(np.arange(300), gone)
            assert (query(simulated_small.take(stay)) != whole[stay]).nnz == 0, name


def test_little_noise_tells_the_truth(simulated_small: Cohort, layout: Layout):
    exact = first_looks(ExactLooks(rows=simulated_small), layout)
    noisy, _ = paid(simulated_small, layout, scale=0.3)
    assert noisy.patients == pytest.approx(300, abs=10)
    assert exact.patients == pytest.approx(300, abs=1e-6)
    for one, other in zip(noisy.shares, exact.shares, strict=True):
        assert len(one) == len(other)
    assert 0 < noisy.share_sigma < 0.02
    assert exact.share_sigma == exact.record_sigma == 0.0


def test_shares_are_shares_under_any_noise(simulated_small: Cohort, layout: Layout):
    loud, _ = paid(simulated_small, layout, scale=30.0)
    for share, column in zip(loud.shares, loud.book.columns, strict=True):
        assert len(share) == column.levels
        assert share.min() > 0
        assert share.sum() == pytest.approx(1.0)
    assert (loud.frequency > 0).all()
    assert loud.patients >= 1


def test_exact_looks_are_sums_over_all_blocks(simulated_small: Cohort):
    def query(block: Cohort) -> csr_matrix:
        return csr_matrix(block.records_per_patient()[:, None].astype(np.float64))

    table = ExactLooks(rows=simulated_small).sums("any", query, max_norm=1.0)
    assert table.values.tolist() == [len(simulated_small.records)]
    assert table.sigma == 0.0
