"""What the six patients' records amount to, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from mixtures import with_records

from evaluation.features import attribute_features, lab_features, patient_features, summarise
from evaluation.fidelity.draws import Draws, bounded_values, scaled_values
from privacy.cohort import Cohort


def test_a_draw_is_one_patient_and_step_and_keeps_the_first_of_a_tie(six_patients: Cohort):
    draws = Draws.of(six_patients)
    # patient c has K 6.0 and 6.2 at hour 0: the first stays
    assert len(draws.owner) == len(six_patients.records) - 1
    potassium = draws.value[(draws.owner == 2) & (draws.test == 0)]
    assert potassium.tolist() == [6.0, 5.5, 5.0]
    assert draws.draw_owner.tolist() == [0, 0, 1, 1, 2, 2, 2, 3, 4]
    assert draws.draw_time.tolist() == [0, 6, 1, 13, 0, 12, 24, 2, 5]
    assert draws.draws_per_patient().tolist() == [2, 2, 3, 1, 1, 0]
    assert draws.records_per_patient().tolist() == [3, 2, 5, 1, 1, 0]


def test_followers_are_the_next_record_of_the_same_test(six_patients: Cohort):
    draws = Draws.of(six_patients)
    now, later = draws.followers()
    pairs = sorted(
        (int(draws.owner[a]), float(draws.value[a]), float(draws.value[b])) for a, b in zip(now, later, strict=True)
    )
    assert pairs == [(0, 4.0, 4.4), (2, 5.5, 5.0), (2, 6.0, 5.5)]


def test_times_are_cut_down_to_steps(six_patients: Cohort):
    late = with_records(six_patients, "time", six_patients.records.time + 0.75)
    assert Draws.of(late).draw_time.tolist() == Draws.of(six_patients).draw_time.tolist()


def test_values_are_held_to_the_bounds_and_logs_follow_the_schema(six_patients: Cohort):
    wild = with_records(six_patients, "value", six_patients.records.value + 1e6)
    assert bounded_values(wild).max() == 1500
    draws = Draws.of(six_patients)
    scaled = scaled_values(six_patients, draws)
    glucose = draws.test == 1
    assert scaled[glucose] == pytest.approx(np.log(draws.value[glucose]))
    assert scaled[~glucose].tolist() == draws.value[~glucose].tolist()


def test_summaries_by_hand(six_patients: Cohort):
    count, mean, last, low, high, slope = (
        table[:, 0] for table in summarise(Draws.of(six_patients), ("count", "mean", "last", "low", "high", "slope"))
    )
    nan = np.nan
    np.testing.assert_allclose(count, [2, 1, 3, nan, nan, nan])
    np.testing.assert_allclose(mean, [4.2, 5.0, 5.5, nan, nan, nan])
    np.testing.assert_allclose(last, [4.4, 5.0, 5.0, nan, nan, nan])
    np.testing.assert_allclose(low, [4.0, 5.0, 5.0, nan, nan, nan])
    np.testing.assert_allclose(high, [4.4, 5.0, 6.0, nan, nan, nan])
    # one time has no slope; a rises by 0.4 in 6 hours, c falls by 1 in 24
    np.testing.assert_allclose(slope, [0.4 / 6, nan, -1 / 24, nan, nan, nan])


def test_attributes_as_numbers(six_patients: Cohort):
    table = attribute_features(six_patients, ("sex", "urgency", "weight")).values
    np.testing.assert_allclose(table[:, 0], [0, 1, 0, 1, 0, 1])
    np.testing.assert_allclose(table[:, 1], [0, 1, 2, 2, np.nan, 0])
    assert np.isnan(table[4, 2])


def test_features_know_their_source(six_patients: Cohort):
    features = patient_features(six_patients)
    assert features.values.shape == (6, len(features.names)) == (6, len(features.sources))
    assert "bmi" not in features.sources
    less = features.without(("K", "age"))
    assert not {"K", "age"} & set(less.sources)
    assert less.values.shape[1] == len(features.names) - 7
    one = lab_features(six_patients, ("mean",), tests=(2,))
    assert one.names == ("Dipstick mean",)
    np.testing.assert_allclose(one.values[:, 0], [np.nan, np.nan, 3, 0, np.nan, np.nan])
