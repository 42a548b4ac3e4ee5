"""The raw tables of two tiny worlds that differ by one extreme patient, and the schema they are read by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from privacy.randomness import public
from privacy.schema import Schema

ORDINARY = 12
SEED = 0
SCHEMA = Schema.parse(
    """
name = "tiny"
cohort_size = 20
time_precision = 1
[privacy_unit]
max_records = 6
window = [0, 12]
[columns.age]
kind = "integer"
low = 0
high = 120
missing = true
[columns.sex]
kind = "categorical"
codes = ["F", "M"]
other = true
missing = true
[columns.weight]
kind = "continuous"
low = 30
high = 200
precision = 0.1
missing = true
[tests.Na]
unit = "mmol/L"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Raw tables of one world, as a hospital would send them."""

    patients: pd.DataFrame
    labs: pd.DataFrame


def worlds(patient: str) -> tuple[Tables, Tables]:
    """The world without and the world with one more patient, a key of EXTREMES."""
    chance = public(SEED, "tiny world")
    age = chance.integers(40, 60, ORDINARY)
    sex = chance.choice(["F", "M"], ORDINARY)
    frame = pd.DataFrame(
        {"patient_id": [f"p{i}" for i in range(ORDINARY)], "age": age, "sex": sex, "weight": 70 + age / 10}
    )
    owner = np.repeat(np.arange(ORDINARY), 2)
    tests = np.where(np.arange(len(owner)) % 2 == 0, "Na", "CRP")
    labs = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in owner],
            "time": chance.integers(0, 6, len(owner)),
            "test": tests,
            "value": np.where(tests == "Na", 140, 5),
        }
    )
    row, records = EXTREMES[patient]
    more = Tables(
        patients=pd.concat([frame, row.assign(patient_id="extreme")], ignore_index=True),
        labs=pd.concat([labs, records.assign(patient_id="extreme")], ignore_index=True),
    )
    return Tables(patients=frame, labs=labs), more


_BEYOND = (
    pd.DataFrame({"age": ["1e30"], "sex": ["unheard of"], "weight": ["-1e30"]}),
    pd.DataFrame(
        {
            "time": np.arange(30) % 12,
            "test": ["Na", "CRP", "unheard of"] * 10,
            "value": ["1e30", "-1e30", "7"] * 10,
        }
    ),
)
_UNKNOWN = (
    pd.DataFrame({"age": [""], "sex": [""], "weight": [""]}),
    pd.DataFrame({"time": [""], "test": [""], "value": [""]}),
)
EXTREMES = {"beyond all bounds": _BEYOND, "nothing known": _UNKNOWN}
