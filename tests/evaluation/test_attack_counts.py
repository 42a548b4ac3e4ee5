"""Counts give patients away even where no patient is copied: the attacks on marginals and by a classifier's odds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from lab_cohorts import lab_cohort
from numpy.typing import NDArray

from evaluation.attacks import density_ratio, marginals
from evaluation.attacks.duplicates import exact
from evaluation.attacks.ground import ground_of
from evaluation.attacks.planted import renamed
from evaluation.attacks.reading import NotMeasurableError, Reading
from evaluation.attacks.stage import Stage
from evaluation.exhibit import Exhibit
from evaluation.fingerprints import occurrences
from evaluation.patient_table import PatientTable
from privacy.cohort import Cohort

FEW, MANY, MADE = 120, 900, 2_000
BOTH = (*marginals.ATTACKS, *density_ratio.ATTACKS)


def _redrawn(cohort: Cohort, n: int) -> Cohort:
    """`n` patients whose every attribute is drawn by itself from the cohort's: its histograms and nothing else."""
    rng = np.random.default_rng(5)
    stood_in = lab_cohort(n, 77)
    columns = [name for name in cohort.patients if name != "patient_id"]
    drawn = {
        name: cohort.patients[name].take(rng.integers(0, len(cohort), n)).reset_index(drop=True) for name in columns
    }
    return replace(stood_in, patients=stood_in.patients.assign(**drawn))


def _stage(train: Cohort, synthetic: Cohort) -> Stage:
    exhibit = Exhibit(train=train, holdout=lab_cohort(MANY, 61), reference=lab_cohort(MANY, 62), synthetic=synthetic)
    return ground_of(exhibit, quick=True, seed=0).stage("release", synthetic)


@pytest.fixture(scope="module")
def fresh() -> Stage:
    return _stage(lab_cohort(FEW, 60), renamed(lab_cohort(MADE, 63)))


@cache
def _readings(name: str) -> dict[str, Reading]:
    train = lab_cohort(FEW, 60)
    stage = _stage(train, _redrawn(train, MADE) if name == "histograms" else renamed(lab_cohort(MADE, 63)))
    return {one.attack.test: one for one in (*marginals.measure(stage), *density_ratio.measure(stage))}


@pytest.mark.parametrize("test", [one.test for one in BOTH])
def test_exact_histograms_of_few_patients_give_them_away(test: str):
    reading = _readings("histograms")[test]
    assert reading.p_value < 1e-3
    assert reading.headline.value is not None
    assert reading.headline.value > 0.55


def test_no_patient_stands_in_those_histograms():
    train = lab_cohort(FEW, 60)
    assert exact(_stage(train, _redrawn(train, MADE))).headline.value == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("test", [one.test for one in BOTH])
def test_fresh_patients_give_nobody_away(test: str):
    reading = _readings("fresh")[test]
    assert reading.p_value > 0.01
    assert reading.headline.interval is not None
    assert reading.headline.interval.low < 0.55


def test_the_evidence_by_hand(fresh: Stage):
    codes: NDArray[np.int64] = fresh.targets.cohort.codes("died")
    table = _only(fresh, "died")
    here, there = (np.bincount(side.cohort.codes("died"), minlength=2) for side in (table.synthetic, table.reference))
    expected = (np.log(here + 1) - np.log(there + 1))[codes]
    scores = marginals.measure(table)[0].scores
    assert scores is not None
    assert scores == pytest.approx(expected)


def test_without_attributes_there_is_nothing_to_count(fresh: Stage):
    with pytest.raises(NotMeasurableError, match="no attributes"):
        marginals.measure(_only(fresh, ""))


def test_occurrences_are_counted():
    assert occurrences(np.array([1, 5, 2]), np.array([2, 2, 1])).tolist() == [1, 0, 2]


def _only(stage: Stage, name: str) -> Stage:
    """The stage with one attribute alone in the table of each side."""
    place = [at for at, one in enumerate(stage.targets.table.features) if one.name == name]
    sides = {
        side: replace(
            getattr(stage, side),
            table=PatientTable(
                features=tuple(getattr(stage, side).table.features[at] for at in place),
                values=getattr(stage, side).table.values[:, place],
            ),
        )
        for side in ("targets", "synthetic", "reference")
    }
    return replace(stage, **sides)
