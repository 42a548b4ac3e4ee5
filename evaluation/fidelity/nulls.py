"""The worst that counts: real data with columns and values shuffled, and data that know only the schema."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from evaluation.features import column_numbers
from evaluation.fidelity.histograms import Floats
from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.schema import Category, Number, Test


def shuffled(cohort: Cohort, chance: np.random.Generator) -> Cohort:
    """Each column permuted over patients and each test's values over records: margins stay, ties between them go.

    Privacy: internal only.
    """
    schema = cohort.schema
    cells = {name: _cells(cohort, name)[chance.permutation(len(cohort))] for name in schema.free_columns}
    records, value = cohort.records, cohort.records.value.copy()
    order = np.argsort(records.test, kind="stable")
    borders = np.searchsorted(records.test[order], np.arange(len(schema.tests) + 1))
    for low, high in pairwise(borders):
        value[order[low:high]] = value[chance.permutation(order[low:high])]
    return Cohort(
        schema=schema,
        patients=patient_frame(schema, list(cohort.ids), cells),
        records=Records(owner=records.owner, time=records.time, test=records.test, value=value),
    )


def scattered(cohort: Cohort, chance: np.random.Generator) -> Cohort:
    """As many patients and records, everything drawn evenly from what the schema allows.

    Privacy: internal only; the numbers of patients and of records are taken over.
    """
    schema, size = cohort.schema, len(cohort)
    number = len(cohort.records) if schema.tests and size else 0
    cells = {name: _even_column(column, size, chance) for name, column in schema.free_columns.items()}
    test = chance.integers(0, max(len(schema.tests), 1), number)
    value = np.zeros(number)
    for place, kind in enumerate(schema.tests.values()):
        mine = test == place
        value[mine] = _even_values(kind, int(mine.sum()), chance)
    start, end = schema.privacy_unit.window
    time = schema.times.cut(start + chance.random(number) * (end - start))
    owner = chance.integers(0, max(size, 1), number)
    return Cohort(
        schema=schema,
        patients=patient_frame(schema, list(cohort.ids), cells),
        records=Records.sorted(owner=owner, time=time, test=test, value=value),
    )


def _cells(cohort: Cohort, name: str) -> Floats:
    """A free column as `patient_frame` takes it: places of codes with -1, or numbers with NaN."""
    if isinstance(cohort.schema.columns[name], Category):
        return cohort.codes(name).astype(np.float64)
    return column_numbers(cohort, name)


def _even_column(kind: Category | Number, size: int, chance: np.random.Generator) -> Floats:
    absent = chance.random(size) < (0.5 if kind.missing else 0.0)
    if isinstance(kind, Category):
        return np.where(absent, -1, chance.integers(0, len(kind.levels), size)).astype(np.float64)
    return np.where(absent, np.nan, _even_values(kind, size, chance))


def _even_values(kind: Number | Test, size: int, chance: np.random.Generator) -> Floats:
    """Values drawn evenly on the declared scale and rounded to the declared step, shape [size]."""
    if isinstance(kind, Test) and kind.codes:
        return chance.choice(np.array(kind.codes, dtype=np.float64), size)
    low, high = kind.bounds if isinstance(kind, Test) else (kind.low, kind.high)
    if kind.scale == "log":
        values = np.exp(chance.uniform(np.log(max(low, kind.step)), np.log(high), size))
    else:
        values = chance.uniform(low, high, size)
    return kind.grid.snap(values)
