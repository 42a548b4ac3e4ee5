"""Small cohorts for the tests of attacks: patients with a few attributes and a few labs, drawn from a seed."""

from __future__ import annotations

import numpy as np

from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.schema import Schema

SCHEMA = Schema.parse(
    """
name = "labs"
cohort_size = 2000
time_unit = "hours"
time_precision = 1
outcomes = ["died"]
[privacy_unit]
max_records = 40
window = [0, 96]
[columns.age]
kind = "integer"
low = 0
high = 100
[columns.weight]
kind = "continuous"
low = 30
high = 200
precision = 0.1
missing = true
[columns.ward]
kind = "categorical"
codes = ["A", "B", "C", "D"]
[columns.died]
kind = "categorical"
codes = [0, 1]
[tests.Na]
low = 100
high = 180
precision = 1
[tests.CRP]
low = 0.1
high = 500
precision = 0.1
scale = "log"
"""
)


def lab_cohort(n: int, seed: int, *, records: float = 5.0, shift: float = 0.0) -> Cohort:
    """`n` patients; `shift` moves age, weight and labs by so many standard deviations."""
    rng = np.random.default_rng(seed)
    illness = rng.normal(size=n) + shift
    weight = np.where(rng.random(n) < 0.1, np.nan, 75 + 15 * (rng.normal(size=n) + shift))
    frame = patient_frame(
        SCHEMA,
        [f"{seed}-{place}" for place in range(n)],
        {
            "age": 60 + 15 * (0.6 * illness + 0.8 * rng.normal(size=n)),
            "weight": weight,
            "ward": rng.choice(4, size=n, p=[0.5, 0.3, 0.17, 0.03]),
            "died": (rng.random(n) < 1 / (1 + np.exp(2 - illness))).astype(np.int64),
        },
    )
    count = rng.poisson(records, size=n)
    owner = np.repeat(np.arange(n), count)
    test = rng.integers(2, size=len(owner))
    z = 0.7 * illness[owner] + 0.7 * rng.normal(size=len(owner))
    value = np.where(test == 0, np.round(138 + 5 * z), np.round(np.exp(2.5 + z), 1))
    low, high = np.array([100, 0.1])[test], np.array([180, 500])[test]
    return Cohort(
        schema=SCHEMA,
        patients=frame,
        records=Records.sorted(
            owner=owner,
            time=np.floor(rng.random(len(owner)) * 96),
            test=test,
            value=np.clip(value, low, high),
        ),
    )
