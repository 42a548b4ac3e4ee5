"""The curve of collapse on generations that are spoilt more and more."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from mixtures import spoilt, with_codes

from evaluation.fidelity.nulls import shuffled
from evaluation.generations import collapse
from privacy.cohort import Cohort
from privacy.errors import CheckError
from synthhealth.generators.simulator import simulate


@pytest.fixture(scope="module")
def worlds() -> tuple[Cohort, Cohort, list[Cohort]]:
    train, holdout = simulate(450, seed=71), simulate(450, seed=72)
    null = shuffled(train, np.random.default_rng(0))
    flipped = with_codes(null, "died", 1 - null.codes("died"))
    return train, holdout, [spoilt(train, flipped, share) for share in (0.0, 0.95)]


def test_collapse_shows_in_the_curves_and_in_the_headline(worlds: tuple[Cohort, Cohort, list[Cohort]]):
    finding = collapse(*worlds)
    curves = {curve.name: curve for curve in finding.curves}
    assert curves["lag1"].x == (0, 1, 2)
    for name in ("lag1", "two_way", "attribute_value"):
        assert all(low < high for low, high in pairwise(curves[name].y[1:])), name
    assert finding.headline.value is not None
    assert finding.headline.interval is not None
    assert finding.headline.interval.high < 0


def test_one_generation_lost_nothing_against_itself(worlds: tuple[Cohort, Cohort, list[Cohort]]):
    train, holdout, generations = worlds
    assert collapse(train, holdout, generations[:1]).headline.value == 0


def test_without_an_outcome_the_headline_is_the_distance_of_pairs(worlds: tuple[Cohort, Cohort, list[Cohort]]):
    schema = worlds[0].schema.model_copy(update={"outcomes": ()})
    train, holdout, last = (replace(cohort, schema=schema) for cohort in (worlds[0], worlds[1], worlds[2][-1]))
    finding = collapse(train, holdout, [last])
    assert finding.floor is not None
    assert finding.headline.value is not None
    assert finding.floor.value is not None
    assert finding.headline.value > finding.floor.value


def test_no_generation_is_refused(worlds: tuple[Cohort, Cohort, list[Cohort]]):
    with pytest.raises(CheckError, match="generations must hold at least one cohort"):
        collapse(worlds[0], worlds[1], [])
