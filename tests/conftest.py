"""Cohorts that many tests share: six patients to solve by hand, and a small simulated hospital."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from privacy.cohort import Cohort
from privacy.schema import Schema
from synthhealth.generators.simulator import simulate

# Other people's tests may share the processor, so no example has a deadline.
settings.register_profile("house", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

SIX_SCHEMA = """
name = "six"
cohort_size = 20
time_unit = "hours"
time_precision = 1
outcomes = ["died"]
subgroups = ["sex"]
end_of_followup = "stay_hours"

[privacy_unit]
max_records = 4
window = [0, 48]

[columns]
age = { kind = "integer", low = 18, high = 90 }
sex = { kind = "categorical", codes = ["F", "M"] }
height = { kind = "integer", low = 130, high = 210, missing = true }
weight = { kind = "continuous", low = 30, high = 200, precision = 0.1, missing = true }
bmi = { kind = "derived", formula = "weight / (height / 100) ** 2", precision = 0.1 }
ward = { kind = "categorical", codes = ["ICU", "Medical"], other = true }
urgency = { kind = "ordinal", codes = [1, 2, 3], missing = true }
stay_hours = { kind = "integer", low = 1, high = 47 }
died = { kind = "categorical", codes = [0, 1] }

[tests]
K = { unit = "mmol/L", low = 1.5, high = 10, precision = 0.1 }
Glucose = { unit = "mg/dL", low = 10, high = 1500, precision = 1, scale = "log", units = { "mmol/L" = 18 } }
Dipstick = { codes = [0, 1, 3] }
"""

SIX_PATIENTS = """
patient_id age sex height weight ward    urgency stay_hours died
a          30  F   160    64.0   Medical 1       10         0
b          40  M   180    81.0   Medical 2       20         0
c          50  F   150    45.0   ICU     3       47         1
d          60  M   .      70.0   ICU     3       47         0
e          70  F   170    .      Surgery .       5          1
f          80  M   190    72.2   Medical 1       30         0
"""

# f has no lab; c has a tie, and more records than the cap of four.
SIX_LABS = """
patient_id time test     value unit
a          0    K        4.0   mmol/L
a          0    Glucose  90    mg/dL
a          6    K        4.4   mmol/L
b          1    K        5.0   mmol/L
b          13   Glucose  180   mg/dL
c          0    K        6.0   mmol/L
c          0    K        6.2   mmol/L
c          0    Glucose  250   mg/dL
c          12   K        5.5   mmol/L
c          24   K        5.0   mmol/L
c          24   Dipstick 3     .
d          2    Dipstick 0     .
e          5    Glucose  60    mg/dL
"""


def table(text: str) -> pd.DataFrame:
    """A table of text cells from lines of words; a lone point is an empty cell."""
    header, *rows = [line.split() for line in text.strip().splitlines()]
    return pd.DataFrame([["" if cell == "." else cell for cell in row] for row in rows], columns=header, dtype=object)


@pytest.fixture(scope="session")
def six_schema() -> Schema:
    """The schema of the six patients."""
    return Schema.parse(SIX_SCHEMA)


@pytest.fixture
def six_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The six patients and their labs as text, as a reader of CSV hands them over."""
    return table(SIX_PATIENTS), table(SIX_LABS)


@pytest.fixture(scope="session")
def six_patients(six_schema: Schema) -> Cohort:
    """Six patients with 3, 2, 6, 1, 1 and 0 records, small enough to be solved by hand."""
    return Cohort.of(six_schema, table(SIX_PATIENTS), table(SIX_LABS))


@pytest.fixture(scope="session")
def simulated_small() -> Cohort:
    """Three hundred patients of the simulated hospital."""
    return simulate(300, seed=1, cohort_size=300)
