"""The worst that counts: real data with columns and values shuffled, and data that know only the schema."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from evaluation.fidelity.histograms import Floats
from privacy.cohort import Cohort, Records
from privacy.schema import Category, Derived, Number, Schema, Test


def shuffled(cohort: Cohort, chance: np.random.Generator) -> Cohort:
    """Each column permuted over patients and each test's values over records: margins stay, ties between them go.

    Privacy: internal only.
    """
    columns = {name: cohort.patients[name].iloc[chance.permutation(len(cohort))].array for name in _free(cohort.schema)}
    records, value = cohort.records, cohort.records.value.copy()
    order = np.argsort(records.test, kind="stable")
    borders = np.searchsorted(records.test[order], np.arange(len(cohort.schema.tests) + 1))
    for low, high in pairwise(borders):
        value[order[low:high]] = value[chance.permutation(order[low:high])]
    mixed = Records(owner=records.owner, time=records.time, test=records.test, value=value)
    return _built(cohort, columns, mixed)


def scattered(cohort: Cohort, chance: np.random.Generator) -> Cohort:
    """As many patients and records, everything drawn evenly from what the schema allows.

    Privacy: internal only; the numbers of patients and of records are taken over.
    """
    schema, size = cohort.schema, len(cohort)
    number = len(cohort.records) if schema.tests and size else 0
    start, end = schema.privacy_unit.window
    columns = {name: _even_column(schema, name, size, chance) for name in _free(schema)}
    test = chance.integers(0, max(len(schema.tests), 1), number)
    value = np.zeros(number)
    for place, kind in enumerate(schema.tests.values()):
        mine = test == place
        value[mine] = _even_values(kind, int(mine.sum()), chance)
    time = start + np.floor(chance.random(number) * (end - start) / schema.time_precision) * schema.time_precision
    owner = chance.integers(0, max(size, 1), number)
    return _built(cohort, columns, Records.sorted(owner=owner, time=time, test=test, value=value))


def _free(schema: Schema) -> tuple[str, ...]:
    return tuple(schema.free_columns)


def _built(cohort: Cohort, columns: dict[str, object], records: Records) -> Cohort:
    """A cohort with these free columns, its derived columns computed anew."""
    schema = cohort.schema
    table = pd.DataFrame({"patient_id": cohort.patients["patient_id"], **columns})
    numbers = {name: table[name].to_numpy(dtype=np.float64) for name in schema.free_columns if _is_number(schema, name)}
    for name, column in schema.derived_columns.items():
        table[name] = column.parsed.evaluate(numbers)
    return Cohort(schema=schema, patients=table[["patient_id", *schema.columns]], records=records)


def _is_number(schema: Schema, name: str) -> bool:
    return isinstance(schema.columns[name], Number)


def _even_column(schema: Schema, name: str, size: int, chance: np.random.Generator) -> object:
    kind = schema.columns[name]
    absent = chance.random(size) < (0.5 if not isinstance(kind, Derived) and kind.missing else 0.0)
    if isinstance(kind, Category):
        codes = np.where(absent, -1, chance.integers(0, len(kind.levels), size))
        return pd.Categorical.from_codes(codes, categories=pd.Index(list(kind.levels), dtype=object))
    if isinstance(kind, Number):
        return np.where(absent, np.nan, _even_values(kind, size, chance))
    raise TypeError(f"{name} is no free column")


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
