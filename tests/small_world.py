"""A cohort small enough to solve by hand, its neighbours, and plans over it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from numpy.typing import NDArray

from privacy.budget import Budget
from privacy.cohort import Cohort, Records
from privacy.events import Event
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Charge, Plan
from privacy.schema import Schema

SEXES = ("F", "M")
TESTS = ("na", "k")
CAP = 5
SCHEMA = Schema.parse(
    f"""
name = "small"
cohort_size = 100000
[privacy_unit]
max_records = {CAP}
window = [0, 48]
[columns.sex]
kind = "categorical"
codes = ["F", "M"]
missing = true
[columns.age]
kind = "integer"
low = 0
high = 120
missing = true
[tests.na]
unit = "mmol/L"
low = 100
high = 180
precision = 1
[tests.k]
unit = "mmol/L"
low = 1
high = 10
precision = 0.1
"""
)
EXTREMES = (0.0, 1.0, -1.0, 0.5, 1e30, -1e30, 1e-300, float("nan"), float("inf"), -float("inf"), 3.4e38, 1e308)


def cohort_of(rows: list[tuple[str, int, float, int]]) -> Cohort:
    """A cohort from (identifier, sex code or -1, age, number of records) a patient."""
    counts = np.array([row[3] for row in rows], dtype=np.int64)
    owner = np.repeat(np.arange(len(rows)), counts)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    sexes = np.array([row[1] for row in rows], dtype=np.int64)
    return Cohort(
        schema=SCHEMA,
        patients=pd.DataFrame(
            {
                "patient_id": np.array([row[0] for row in rows], dtype=object),
                "sex": pd.Categorical.from_codes(sexes, categories=pd.Index(SEXES, dtype=object)),
                "age": np.array([row[2] for row in rows], dtype=np.float64),
            }
        ),
        records=Records.sorted(
            owner=owner,
            time=(place % 48).astype(np.float64),
            test=place % 2,
            value=np.where(place % 2 == 0, 140.0, 4.0) + place % 3,
        ),
    )


def without(cohort: Cohort, row: int) -> Cohort:
    """The neighbour that lacks the patient at `row`."""
    return cohort.take(np.delete(np.arange(len(cohort)), row))


@st.composite
def patients(draw: st.DrawFn, *, most: int = 12) -> Cohort:
    """Cohorts of 1 to `most` patients, some far above the cap of records, some with nothing known."""
    n = draw(st.integers(1, most))
    return cohort_of(
        [
            (
                f"p{i}",
                draw(st.integers(-1, 1)),
                draw(st.sampled_from([0.0, 37.0, 120.0, float("nan")])),
                draw(st.sampled_from([0, 1, CAP, 40])),
            )
            for i in range(n)
        ]
    )


def charge(name: str, event: Event) -> Charge:
    """A charge whose words do not matter."""
    return Charge(name=name, event=event, reads="all", mechanism="some", sensitivity="1")


def plan_of(events: dict[str, Event], *, epsilon: float = 1e4, delta: float = 1e-6) -> Plan:
    """A plan of named events under a budget that is large unless it is told otherwise."""
    charges = tuple(charge(name, event) for name, event in events.items())
    return Plan(budget=Budget(epsilon=epsilon, delta=delta), charges=charges, cohort_size=1000)


def gate_of(cohort: Cohort, events: dict[str, Event]) -> Gate:
    """A gate before `cohort` with a ledger over `events`."""
    return Gate(cohort, Ledger(plan_of(events)))


def chi2_interval(variance: float, count: int, *, alpha: float = 1e-6) -> tuple[float, float]:
    """Where the empirical variance of `count` draws of mean 0 lies with chance 1 - alpha."""
    from scipy.stats import chi2

    return variance * chi2.ppf(alpha / 2, count) / count, variance * chi2.isf(alpha / 2, count) / count


def noise_fits(draws: NDArray[np.float64], sigma: float, *, alpha: float = 1e-6) -> bool:
    """Whether draws look like N(0, sigma^2): variance by chi2, shape by Kolmogorov and Smirnov, mean by z."""
    from scipy.stats import kstest, norm

    low, high = chi2_interval(sigma**2, len(draws), alpha=alpha)
    centred = abs(draws.mean()) <= norm.isf(alpha / 2) * sigma / np.sqrt(len(draws))
    shaped = kstest(draws / sigma, "norm").pvalue > alpha
    return bool(low <= float(np.mean(draws**2)) <= high and centred and shaped)
