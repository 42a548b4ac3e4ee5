"""The patient table holds what each patient's labs amount to; the embedding puts it on public scales."""

from __future__ import annotations

import numpy as np
import pytest
from lab_cohorts import SCHEMA, lab_cohort

from evaluation.embedding import Metric, embed, embed_table
from evaluation.patient_table import PatientTable, record_units
from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.schema import Schema


def _two_patients() -> Cohort:
    frame = patient_frame(
        SCHEMA,
        ["a", "b"],
        {
            "age": np.array([50, 100]),
            "weight": np.array([np.nan, 200.0]),
            "ward": np.array([0, 3]),
            "died": np.array([0, 1]),
        },
    )
    records = Records.sorted(
        owner=np.array([0, 0, 0, 0]),
        time=np.array([0.0, 48.0, 96.0, 5.0]),
        test=np.array([0, 0, 0, 1]),
        value=np.array([120.0, 160.0, 140.0, 0.1]),
    )
    return Cohort(schema=SCHEMA, patients=frame, records=records)


def _column(table: PatientTable, name: str) -> np.ndarray:
    return table.values[:, [feature.name for feature in table.features].index(name)]


def test_summaries_of_labs_by_hand():
    table = PatientTable.of(_two_patients())
    expected = {"count": 3, "mean": 140, "lowest": 120, "highest": 160, "last": 140}
    for summary, value in expected.items():
        assert _column(table, f"Na {summary}")[0] == pytest.approx(value)
    slope = 0.25  # scaled values .25, .75, .5 at clocks 0, .5, 1
    assert _column(table, "Na slope")[0] == pytest.approx(slope / (1 + slope))
    assert _column(table, "CRP count").tolist() == [1, 0]
    assert np.isnan(_column(table, "CRP last")[1])


def test_attributes_keep_codes_numbers_and_what_is_missing():
    table = PatientTable.of(_two_patients())
    assert _column(table, "ward").tolist() == [0, 3]
    assert np.isnan(_column(table, "weight")[0])
    assert _column(table, "age").tolist() == [50, 100]


def test_public_scales():
    cohort = _two_patients()
    points = embed(cohort).points
    assert points.min() >= -1
    assert points.max() <= 1
    assert record_units(cohort).tolist() == pytest.approx([0.25, 0.0, 0.75, 0.5])


def test_two_codes_lie_one_apart():
    table = PatientTable.of(_two_patients())
    embedding = embed_table(table)
    ward = [feature.name for feature in table.features].index("ward")
    axes = embedding.axes(np.array([ward]))
    assert axes.shape == (2, 4)
    assert np.linalg.norm(axes[0] - axes[1]) == pytest.approx(1)


def test_many_codes_take_few_axes():
    codes = ", ".join(f'"c{i}"' for i in range(200))
    schema = Schema.parse(
        f'name = "w"\ncohort_size = 100\n[privacy_unit]\nmax_records = 1\nwindow = [0, 1]\n'
        f'[columns.c]\nkind = "categorical"\ncodes = [{codes}]\n'
    )
    frame = patient_frame(schema, [str(i) for i in range(200)], {"c": np.arange(200)})
    empty = Records.sorted(owner=np.empty(0, int), time=np.empty(0), test=np.empty(0, int), value=np.empty(0))
    points = embed(Cohort(schema=schema, patients=frame, records=empty)).points
    assert points.shape == (200, 16)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(200, 1)]
    assert apart.min() > 0.2
    assert apart.mean() == pytest.approx(1, abs=0.1)


def test_the_map_knows_no_other_patient():
    cohort = lab_cohort(50, 3)
    alone = cohort.take(np.array([17]))
    assert (embed(alone).points[0] == embed(cohort).points[17]).all()


def test_the_metric_comes_from_the_reference_and_bounds_rare_axes():
    reference = embed(lab_cohort(400, 4))
    weighted = Metric.of(reference)(reference).points
    spread = weighted.std(axis=0)
    assert spread.max() == pytest.approx(1, abs=1e-3)
    assert Metric.of(reference).weights.max() <= 1 / 0.02 + 1e-3
