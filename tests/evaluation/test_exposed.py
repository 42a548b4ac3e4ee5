"""The patients most exposed are those who stand alone, whatever was released."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lab_cohorts import lab_cohort

from evaluation.attacks.exposed import MOST, most_exposed
from evaluation.attacks.planted import renamed
from evaluation.exhibit import Exhibit
from privacy.cohort import Cohort

N = 300


def _alone() -> Cohort:
    """Patients of whom the seventh has an age and a weight that nobody else has."""
    cohort = lab_cohort(N, 20)
    age, weight = cohort.numbers("age").copy(), cohort.numbers("weight").copy()
    age[7], weight[7] = 0.0, 200.0
    return replace(cohort, patients=cohort.patients.assign(age=age, weight=weight))


def _exhibit(synthetic: Cohort) -> Exhibit:
    return Exhibit(train=_alone(), holdout=lab_cohort(N, 21), reference=lab_cohort(N, 22), synthetic=synthetic)


def test_who_stands_alone_is_named_first_whatever_was_released():
    train = _alone()
    lists = [most_exposed(_exhibit(renamed(made))) for made in (train, lab_cohort(N, 23))]
    for one in lists:
        assert one["patient_id"].iloc[0] == train.ids[7]
        assert len(one) == MOST
        assert one["remoteness"].is_monotonic_decreasing
    assert lists[0]["patient_id"].tolist() == lists[1]["patient_id"].tolist()


def test_a_copy_comes_closer_than_to_any_stranger_and_fresh_patients_do_not():
    copied = most_exposed(_exhibit(renamed(_alone())))
    fresh = most_exposed(_exhibit(renamed(lab_cohort(N, 23))))
    assert (copied["nearest_synthetic"] == 0).all()
    assert copied["as_close"].iloc[0] == pytest.approx(1 / (N + 1))
    assert 0.2 < float(np.median(fresh["as_close"])) < 0.8


def test_the_list_is_as_long_as_asked():
    assert len(most_exposed(_exhibit(renamed(lab_cohort(N, 23))), most=3)) == 3
