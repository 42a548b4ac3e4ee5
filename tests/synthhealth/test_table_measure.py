"""Rows of levels and the look at all their pairs: what one patient adds, and what is left without noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odd_worlds import cohort_in
from small_world import SCHEMA as SMALL
from small_world import gate_of, without
from strategies import cohorts, schemas

from privacy import lattice
from privacy.cohort import Cohort
from privacy.events import Gaussian
from privacy.lattice import lattice_step
from synthhealth.generators.table.features import LEAST_DEGREE, MOST_DEGREE, Scores
from synthhealth.generators.table.measure import (
    MOST_NOISE,
    Column,
    affordable_degree,
    lost_to_clipping,
    moment_norm,
    noisy_moments,
    one_hot_rows,
    pair_weights,
    score_table,
)

Floats = NDArray[np.float64]
COLUMNS = (
    Column(name="sex", levels=3, ordered=False, missing=True),
    Column(name="age", levels=4, ordered=True, missing=False),
    Column(name="died", levels=2, ordered=False, missing=False, outcome=True),
)


def no_noise(size: int, scale: float) -> Floats:
    del scale
    return np.zeros(size)


@pytest.fixture
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lattice, "secret_whole_gaussian", no_noise)


def scores() -> tuple[Scores, ...]:
    rng = np.random.default_rng(0)
    return score_table(tuple(rng.dirichlet(np.full(column.levels, 5.0)) for column in COLUMNS), COLUMNS)


def coded(cohort: Cohort) -> NDArray[np.int64]:
    """Levels of the three columns from a patient's own row alone."""
    sex = np.where(cohort.codes("sex") < 0, 2, cohort.codes("sex"))
    age = np.clip(np.nan_to_num(cohort.numbers("age")) // 30, 0, 3).astype(np.int64)
    return np.stack([sex, age, (age + sex) % 2], axis=1)


@settings(max_examples=30)
@given(st.data())
def test_a_patient_stands_in_one_cell_of_each_column(data: st.DataObject):
    levels = np.array(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    codes = rng.integers(0, levels, (data.draw(st.integers(0, 6)), len(levels)))
    rows = one_hot_rows(codes, levels).toarray()
    assert rows.shape == (len(codes), levels.sum())
    for j, piece in enumerate(np.split(rows, np.cumsum(levels)[:-1], axis=1)):
        assert (piece.sum(axis=1) == 1).all()
        assert np.array_equal(piece.argmax(axis=1), codes[:, j])


def test_outcomes_weigh_more_and_pairs_within_a_column_nothing():
    weights = pair_weights(scores(), COLUMNS)
    owner = np.repeat(np.arange(3), [score.count for score in scores()])
    assert np.array_equal(weights, weights.T)
    assert (weights[owner[:, None] == owner] == 0).all()
    died = (owner[:, None] == 2) != (owner == 2)
    assert (weights[died] > weights[0, owner == 1][0]).all()
    assert (weights[np.ix_(owner == 0, owner == 1)] == 1).all()


@pytest.mark.usefixtures("_silent")
def test_without_noise_the_moments_are_means_of_products_clipped_a_patient():
    cohort = cohort_in(SMALL, 60, seed=1)
    told, weights = scores(), pair_weights(scores(), COLUMNS)
    noisy = noisy_moments(
        gate_of(cohort, {"moments": Gaussian(noise_multiplier=2.0)}),
        "moments",
        coded,
        told,
        weights=weights,
        patients=60.0,
    )
    table = np.concatenate([score.table[coded(cohort)[:, j]] for j, score in enumerate(told)], axis=1)
    norm = np.sqrt((np.triu(weights, 1) ** 2).sum())
    wanted = np.zeros(weights.shape)
    for row in table:
        product = np.outer(row, row)
        length = np.linalg.norm(np.triu(weights * product, 1))
        wanted += product * min(1.0, norm / length) / 60
    apart = weights > 0
    # the clip norm leaves room for rounding to the lattice
    assert np.allclose(noisy.values[apart], wanted[apart], rtol=0.01, atol=2 * lattice_step(norm, int(apart.sum())))
    assert (noisy.values[~apart] == 0).all()
    assert np.isinf(noisy.sigma[~apart]).all()
    assert np.allclose(noisy.sigma[apart], 2.0 * norm / weights[apart] / 60)
    assert np.array_equal(noisy.values, noisy.values.T)


@settings(max_examples=25)
@given(st.data())
def test_a_patient_moves_the_weighted_moments_by_at_most_the_norm(data: st.DataObject):
    cohort = data.draw(cohorts(SMALL, max_records=0))
    gone = data.draw(st.integers(0, len(cohort) - 1))
    told, weights = scores(), pair_weights(scores(), COLUMNS)
    norm = np.sqrt((np.triu(weights, 1) ** 2).sum())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lattice, "secret_whole_gaussian", no_noise)
        here, there = (
            noisy_moments(
                gate_of(part, {"moments": Gaussian(noise_multiplier=2.0)}),
                "moments",
                coded,
                told,
                weights=weights,
                patients=1.0,
            ).values
            for part in (cohort, without(cohort, gone))
        )
    assert np.linalg.norm(np.triu(weights * (here - there), 1)) <= norm


@pytest.mark.parametrize("columns", [COLUMNS[:1], (Column(name="only", levels=1, ordered=True, missing=False),) * 2])
def test_a_table_without_pairs_is_paid_for_and_gives_nothing(columns: tuple[Column, ...]):
    told = score_table(tuple(np.full(column.levels, 1 / column.levels) for column in columns), columns)
    gate = gate_of(cohort_in(SMALL, 5), {"moments": Gaussian(noise_multiplier=2.0)})
    noisy = noisy_moments(
        gate,
        "moments",
        lambda block: np.zeros((len(block), len(columns)), dtype=np.int64),
        told,
        weights=pair_weights(told, columns),
        patients=5.0,
    )
    assert [entry.charge.name for entry in gate.ledger.entries] == ["moments"]
    assert (noisy.values == 0).all()
    assert np.isinf(noisy.sigma).all()


@settings(max_examples=15)
@given(st.data())
def test_scores_stand_for_every_column_of_any_schema(data: st.DataObject):
    schema = data.draw(schemas())
    columns = tuple(
        Column(name=name, levels=4 + column.missing, ordered=j % 2 == 0, missing=column.missing)
        for j, (name, column) in enumerate(schema.free_columns.items())
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    told = score_table(tuple(rng.dirichlet(np.ones(column.levels)) for column in columns), columns)
    assert [len(score.table) for score in told] == [column.levels for column in columns]
    assert pair_weights(told, columns).shape == (sum(score.count for score in told),) * 2


def test_what_clipping_takes_is_the_clipped_look_less_the_whole():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(400, 4)) * rng.gamma(1.0, 1.0, (400, 1))
    weights = np.triu(rng.uniform(0.5, 3.0, (4, 4)), 1)
    weights += weights.T
    clipped = np.zeros((4, 4))
    for row in rows:
        products = np.outer(row, row)
        length = np.sqrt((np.triu(weights * products, 1) ** 2).sum())
        clipped += products * min(1.0, moment_norm(weights) / length) / len(rows)
    lost = lost_to_clipping(rows, weights)
    assert np.allclose(lost, rows.T @ rows / len(rows) - clipped)
    assert np.abs(lost).max() > 0.1


def test_short_vectors_lose_nothing():
    rows = np.random.default_rng(1).uniform(-0.9, 0.9, (50, 4))
    weights = 1.0 - np.eye(4)
    assert not lost_to_clipping(rows, weights).any()
    assert lost_to_clipping(rows[:0], weights).shape == (4, 4)


@given(st.floats(0.1, 100.0), st.integers(100, 10**7))
def test_columns_are_told_as_finely_as_the_noise_in_their_products_allows(noise: float, patients: int):
    numbers = tuple(Column(name=str(j), levels=12, ordered=True, missing=False) for j in range(8))
    degree = affordable_degree(numbers, noise_multiplier=noise, cohort_size=patients)

    def told(scores: int) -> float:
        share = tuple(np.full(12, 1 / 12) for _ in numbers)
        return noise * moment_norm(pair_weights(score_table(share, numbers, scores), numbers)) / patients

    assert LEAST_DEGREE <= degree <= MOST_DEGREE
    assert degree == LEAST_DEGREE or told(degree) <= MOST_NOISE
    assert degree == MOST_DEGREE or told(degree + 1) > MOST_NOISE
    assert affordable_degree(numbers, noise_multiplier=noise, cohort_size=2 * patients) >= degree
