"""The figures of laboratory records by which engines are compared: distances to the training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from evaluation.fidelity.draws import Draws, scaled_values
from evaluation.fidelity.grids import column_cells
from evaluation.fidelity.histograms import (
    Floats,
    Ints,
    counts,
    mean_known,
    place_within,
    quantile_edges,
    total_variation,
)
from privacy.cohort import Cohort
from privacy.schema import Category, Number, Schema

VALUE_BINS, JOINT_BINS, ATTRIBUTE_CLASSES, RECORD_CLASS, RECORD_CAP = 12, 8, 6, 5, 150
# The attributes of the published table of the ICU stays; another schema's are chosen by rule.
ICU_ATTRIBUTES = ("age", "icu_type", "saps1", "in_hospital_death")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFigures:
    """Seven distances of labs, smaller is nearer, NaN where there is nothing to measure.

    `value`: mean over tests of the distance of values in 12 quantile classes. `presence`: mean over
    tests of the difference in the share of draws that hold the test. `pairs`: mean over pairs of
    tests of the joint of (8 classes or absent) x the same, over draws. `lag1`: mean over tests of
    the joint of a value and the patient's next. `records`: records a patient in classes of five.
    `attribute_value`: mean over attributes and tests of the joint of both. `spread`: mean over
    tests of the difference in within-patient over total standard deviation.
    """

    value: float
    presence: float
    pairs: float
    lag1: float
    records: float
    attribute_value: float
    spread: float


def lab_figures(train: Cohort, synthetic: Cohort) -> LabFigures:
    """The seven figures of labs; edges are quantiles of the training data, for judging only.

    Privacy: internal only.
    """
    real, other = Draws.of(train), Draws.of(synthetic)
    both = (real, other)
    measured = np.bincount(real.test, minlength=real.tests) > 0
    values = [real.value[real.test == test] for test in range(real.tests)]
    fine = [quantile_edges(mine, VALUE_BINS) for mine in values]
    coarse = [quantile_edges(mine, JOINT_BINS) for mine in values]
    codes = [place_within(draws.value, draws.test, coarse) for draws in both]
    tables = [counts(d.test, place_within(d.value, d.test, fine), (d.tests, VALUE_BINS)) for d in both]
    shares = [np.bincount(d.test, minlength=d.tests) / max(len(d.draw_owner), 1) for d in both]
    joint = [pair_counts(draws, code) for draws, code in zip(both, codes, strict=True)]
    lags = [lag_counts(draws, code) for draws, code in zip(both, codes, strict=True)]
    crossed = [
        attribute_counts(cohort, d, code) for cohort, d, code in zip((train, synthetic), both, codes, strict=True)
    ]
    spreads = [within_patient_spread(cohort, d) for cohort, d in zip((train, synthetic), both, strict=True)]
    return LabFigures(
        value=mean_known(total_variation(tables[0], tables[1])[measured]),
        presence=mean_known(np.abs(shares[0] - shares[1])[measured]),
        pairs=mean_known(total_variation(joint[0], joint[1])[np.triu(np.outer(measured, measured), 1)]),
        lag1=mean_known(total_variation(lags[0], lags[1])[measured]),
        records=float(total_variation(record_classes(real), record_classes(other))) if real.tests else float("nan"),
        attribute_value=mean_known(total_variation(crossed[0], crossed[1])[:, measured].ravel()),
        spread=mean_known(np.abs(spreads[0] - spreads[1])[measured]),
    )


def pair_counts(draws: Draws, code: Ints) -> Floats:
    """For each pair of tests, draws by (class or absent) x (class or absent), shape [tests, tests, 81].

    Only records that are there are multiplied; the cells of absence follow from the margins.
    """
    tests, bins = draws.tests, JOINT_BINS
    total = len(draws.draw_owner)
    held = sp.csr_matrix((np.ones(len(code)), (draws.draw, draws.test * bins + code)), shape=(total, tests * bins))
    both = (held.T @ held).toarray().reshape(tests, bins, tests, bins).transpose(0, 2, 1, 3)
    alone = counts(draws.test, code, (tests, bins))
    result = np.zeros((tests, tests, bins + 1, bins + 1))
    result[:, :, :bins, :bins] = both
    result[:, :, :bins, bins] = alone[:, None, :] - both.sum(axis=3)
    result[:, :, bins, :bins] = alone[None, :, :] - both.sum(axis=2)
    result[:, :, bins, bins] = total - result.sum(axis=(2, 3))
    return result.reshape(tests, tests, (bins + 1) ** 2)


def lag_counts(draws: Draws, code: Ints) -> Floats:
    """For each test, pairs of (class, class of the next record of that test and patient), shape [tests, 64]."""
    now, later = draws.followers()
    return counts(draws.test[now], code[now] * JOINT_BINS + code[later], (draws.tests, JOINT_BINS**2))


def record_classes(draws: Draws) -> Floats:
    """Patients by their number of records in classes of five, the last open, shape [31]."""
    classes = np.minimum(draws.records_per_patient(), RECORD_CAP) // RECORD_CLASS
    return np.bincount(classes, minlength=RECORD_CAP // RECORD_CLASS + 1).astype(np.float64)


def attribute_counts(cohort: Cohort, draws: Draws, code: Ints) -> Floats:
    """For each attribute and test, records by (class of the attribute) x (class of the value), [a, tests, cells].

    A number is cut in six equal classes between its bounds; missing is a class.
    """
    attributes = benchmark_attributes(cohort.schema)
    cells = [column_cells(cohort, name, ATTRIBUTE_CLASSES) for name in attributes]
    width = max((size for _, size in cells), default=1) * JOINT_BINS
    tables = [counts(draws.test, cell[draws.owner] * JOINT_BINS + code, (draws.tests, width)) for cell, _ in cells]
    return np.stack(tables) if tables else np.empty((0, draws.tests, width))


def within_patient_spread(cohort: Cohort, draws: Draws) -> Floats:
    """For each test, the mean standard deviation within patients over that of all records, shape [tests].

    Patients with two records and more count; a test with a logarithmic scale is taken by its logarithm.
    """
    value = scaled_values(cohort, draws)
    size = draws.patients * draws.tests
    key = draws.owner * draws.tests + draws.test
    number = np.bincount(key, minlength=size)
    mean = np.bincount(key, value, minlength=size) / np.maximum(number, 1)
    squares = np.bincount(key, (value - mean[key]) ** 2, minlength=size)
    several = number > 1
    inner = np.where(several, np.sqrt(squares / np.maximum(number - 1, 1)), 0.0).reshape(draws.patients, draws.tests)
    people = several.reshape(draws.patients, draws.tests).sum(axis=0)
    whole = np.array(
        [value[draws.test == test].std() if (draws.test == test).any() else 0.0 for test in range(draws.tests)]
    )
    usable = (people > 0) & (whole > 0)
    return np.where(usable, inner.sum(axis=0) / np.maximum(people, 1) / np.where(usable, whole, 1.0), 0.0)


def benchmark_attributes(schema: Schema) -> tuple[str, ...]:
    """The attributes crossed with values: subgroups and outcomes, categories, and up to four numbers."""
    if set(ICU_ATTRIBUTES) <= set(schema.columns):
        return ICU_ATTRIBUTES
    named = [name for name in (*schema.subgroups, *schema.outcomes) if name in schema.free_columns]
    categories = [name for name, kind in schema.free_columns.items() if isinstance(kind, Category)]
    numbers = [name for name, kind in schema.free_columns.items() if isinstance(kind, Number)][:4]
    return tuple(dict.fromkeys((*named, *categories, *numbers)))
