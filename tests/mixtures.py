"""Cohorts spoilt by a known amount, for measures that must notice more of it as more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from privacy.cohort import Cohort, Records


def joined(one: Cohort, two: Cohort) -> Cohort:
    """The patients of both, the identifiers of the second marked."""
    other = two.patients.assign(patient_id="x" + two.patients["patient_id"].astype(str))
    patients = pd.concat([one.patients, other], ignore_index=True)
    for name in one.patients.columns:
        if isinstance(one.patients[name].dtype, pd.CategoricalDtype):
            patients[name] = patients[name].astype(one.patients[name].dtype)
    first, second = one.records, two.records
    return Cohort(
        schema=one.schema,
        patients=patients,
        records=Records.sorted(
            owner=np.concatenate([first.owner, second.owner + len(one)]),
            time=np.concatenate([first.time, second.time]),
            test=np.concatenate([first.test, second.test]),
            value=np.concatenate([first.value, second.value]),
        ),
    )


def spoilt(cohort: Cohort, null: Cohort, share: float) -> Cohort:
    """The first patients of `cohort`, and the `share` of `null`'s patients in place of the rest."""
    border = round(len(cohort) * (1 - share))
    return joined(cohort.take(np.arange(border)), null.take(np.arange(border, len(cohort))))


def with_column(cohort: Cohort, name: str, values: object) -> Cohort:
    """The same cohort with one column replaced."""
    return replace(cohort, patients=cohort.patients.assign(**{name: values}))


def with_records(cohort: Cohort, field: str, values: np.ndarray) -> Cohort:
    """The same cohort with one column of its records replaced."""
    columns = {name: getattr(cohort.records, name) for name in ("owner", "time", "test", "value")}
    return replace(cohort, records=Records(**(columns | {field: values})))


def with_codes(cohort: Cohort, name: str, codes: np.ndarray) -> Cohort:
    """The same cohort with a category column set to these places of its levels."""
    levels = cohort.patients[name].cat.categories
    ordered = cohort.patients[name].cat.ordered
    return with_column(cohort, name, pd.Categorical.from_codes(codes, categories=levels, ordered=ordered))
