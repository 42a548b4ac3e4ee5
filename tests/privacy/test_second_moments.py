"""Noisy second moments: a patient moves them by at most the norm whatever the row; noise has its scale pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_world import EXTREMES, cohort_of, gate_of, noise_fits, without

from privacy import lattice, mechanisms
from privacy.cohort import Cohort
from privacy.errors import ConfigError
from privacy.events import DiscreteGaussian, Event, Gaussian
from privacy.lattice import lattice_step
from privacy.mechanisms import NoisyMoments, noisy_second_moments

Floats = NDArray[np.float64]
EVENT = {"moments": Gaussian(noise_multiplier=2.0)}
WEIGHTS = np.array([[0.0, 1.0, 0.5, 0.0], [1.0, 0.0, 2.0, 1e-3], [0.5, 2.0, 0.0, 3.0], [0.0, 1e-3, 3.0, 0.0]])


def no_noise(size: int, scale: float) -> Floats:
    del scale
    return np.zeros(size)


@pytest.fixture
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lattice, "secret_whole_gaussian", no_noise)


def people(n: int) -> Cohort:
    return cohort_of([(str(i), 0, 30.0, 0) for i in range(n)])


def moments(cohort: Cohort, table: Floats, *, norm: float = 5.0, weights: Floats = WEIGHTS) -> NoisyMoments:
    """The look at rows of `table` [patients, 4], looked up by the patient's own identifier."""

    def query(block: Cohort) -> Floats:
        return table[[int(one) for one in block.ids]].reshape(len(block), weights.shape[0])

    return noisy_second_moments(gate_of(cohort, EVENT), "moments", query, weights=weights, max_norm=norm)


@settings(max_examples=80)
@given(st.data(), st.sampled_from([1e-3, 1.0, 40.0]))
def test_a_patient_moves_the_weighted_moments_by_at_most_the_norm(data: st.DataObject, norm: float):
    n = data.draw(st.integers(1, 5))
    numbers = st.one_of(st.sampled_from(EXTREMES), st.floats(-10, 10))
    table = np.array(data.draw(st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=n, max_size=n)))
    gone = data.draw(st.integers(0, n - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lattice, "secret_whole_gaussian", no_noise)
        here = moments(people(n), table, norm=norm).values
        there = moments(without(people(n), gone), table, norm=norm).values
    # in whole steps of the lattice, so that no error of a float counts for or against
    step = lattice_step(norm, np.count_nonzero(np.triu(WEIGHTS, 1)))
    moved = np.rint(np.triu(WEIGHTS, 1) * (here - there) / step)
    assert float((moved**2).sum()) * step**2 <= norm**2


@pytest.mark.usefixtures("_silent")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 3])
def test_a_row_that_is_not_finite_counts_for_nothing(bad: float, place: int):
    table = np.random.default_rng(0).normal(size=(6, 4))
    broken = table.copy()
    broken[2, place] = bad
    found, wanted = moments(people(6), broken), moments(without(people(6), 2), table)
    assert np.array_equal(found.values, wanted.values)


@pytest.mark.usefixtures("_silent")
@pytest.mark.parametrize("huge", [1e30, -1e30, 1.7e308])
def test_a_huge_row_counts_no_more_than_the_norm_and_hides_nobody(huge: float):
    table = np.random.default_rng(0).normal(size=(6, 4))
    loud = table.copy()
    loud[2] = huge
    moved = moments(people(6), loud).values - moments(without(people(6), 2), table).values
    length = np.linalg.norm(np.triu(WEIGHTS * moved, 1))
    assert 0.9 * 5.0 < length <= 5.0
    assert np.isfinite(moved).all()


@pytest.mark.usefixtures("_silent")
def test_pairs_without_a_weight_are_not_measured():
    found = moments(people(6), np.random.default_rng(0).normal(size=(6, 4)))
    left_out = WEIGHTS == 0
    assert (found.values[left_out] == 0).all()
    assert np.isinf(found.sigma[left_out]).all()
    assert np.isfinite(found.sigma[~left_out]).all()


@pytest.mark.usefixtures("_silent")
@pytest.mark.parametrize("size", [1, 4, 8192])
def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch, size: int):
    table = np.random.default_rng(0).normal(size=(9, 4))
    whole = moments(people(9), table).values
    monkeypatch.setattr(mechanisms, "blocks", lambda rows, real=mechanisms.blocks: real(rows, size))
    assert np.array_equal(moments(people(9), table).values, whole)


def test_noise_has_the_scale_that_each_pair_is_told():
    size = 350  # 61,075 pairs tell 3 % with a chance of 1e-7 to miss it
    rng = np.random.default_rng(1)
    weights = np.triu(rng.uniform(0.5, 4.0, (size, size)), 1)
    weights += weights.T
    found = noisy_second_moments(
        gate_of(people(0), EVENT), "moments", lambda block: np.zeros((len(block), size)), weights=weights, max_norm=3.0
    )
    upper = np.triu_indices(size, 1)
    drawn, sigma = found.values[upper], found.sigma[upper]
    assert np.allclose(sigma, 2.0 * 3.0 / weights[upper])
    assert noise_fits(drawn / sigma, 1.0)
    assert not noise_fits(drawn / sigma, 0.97)
    assert not noise_fits(drawn / sigma, 1.03)
    assert np.array_equal(found.values, found.values.T)


@pytest.mark.parametrize(
    "event", [DiscreteGaussian(sigma=2.0), Gaussian(noise_multiplier=2.0, count=2)], ids=["another", "twice"]
)
def test_another_event_is_refused_before_it_is_paid(event: Event):
    gate = gate_of(people(3), {"moments": event})
    with pytest.raises(ConfigError, match="be a Gaussian with count 1"):
        noisy_second_moments(gate, "moments", lambda block: np.zeros((len(block), 4)), weights=WEIGHTS, max_norm=1.0)
    assert gate.ledger.entries == ()


@pytest.mark.parametrize("shape", [(4, 4), (3, 3), (3,)])
def test_scores_that_are_not_one_row_a_patient_are_refused(shape: tuple[int, ...]):
    with pytest.raises(TypeError, match=r"\[patients, 4\]"):
        noisy_second_moments(
            gate_of(people(3), EVENT), "moments", lambda _: np.ones(shape), weights=WEIGHTS, max_norm=1.0
        )


@pytest.mark.usefixtures("_silent")
def test_what_a_query_returns_stays_as_it_is():
    """A query may hand out numbers that it keeps; they are not written to."""
    table = np.array([[np.nan, 1.0, 2.0, 3.0], [1.0, 1e9, 2.0, 3.0]])
    kept = table.copy()
    noisy_second_moments(gate_of(people(2), EVENT), "moments", lambda _: table, weights=WEIGHTS, max_norm=1.0)
    assert np.array_equal(table, kept, equal_nan=True)
