"""One row a patient for attacks: attributes as they are, labs as a few summaries of each test, in public units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from privacy.blocks import blocks
from privacy.cohort import Cohort
from privacy.schema import Category, Number, Schema, Test

Floats = NDArray[np.float64]
SUMMARIES = ("count", "mean", "lowest", "highest", "last", "slope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of a patient table: what it is of, how it is measured, and its public range.

    A `code` feature holds positions 0 .. levels - 1; a `number` lies in [low, high] in steps of `step`.
    """

    name: str
    source: str
    part: Literal["attribute", "lab"]
    kind: Literal["code", "number"]
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    scale: Literal["linear", "log"] = "linear"
    levels: int = 0
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientTable:
    """`values` [n, p] float64, one row a patient and one column a feature, NaN where missing.

    Privacy: internal only, when the rows are real.
    """

    features: tuple[Feature, ...]
    values: Floats

    @staticmethod
    def of(cohort: Cohort) -> PatientTable:
        """The table of a cohort: every column that is not derived, and six summaries of every test.

        Summaries: number of records, mean, lowest, highest, last value, least-squares slope
        over the observation window (on the public 0..1 scale). All are maps of one patient's
        own rows by public bounds.

        Privacy: internal only, when the rows are real.
        """
        schema = cohort.schema
        features = (*_attributes(schema), *_lab_summaries(schema))
        values, stop = np.empty((len(cohort), len(features))), 0
        for block in blocks(cohort):
            start, stop = stop, stop + len(block)
            values[start:stop] = np.concatenate([_attribute_values(block), _lab_values(block)], axis=1)
        return PatientTable(features=features, values=values)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> PatientTable:
        """The patients at `rows`."""
        return PatientTable(features=self.features, values=self.values[rows])

    def part(self, part: Literal["attribute", "lab"]) -> NDArray[np.int64]:
        """Positions of the features of one part."""
        return np.flatnonzero([feature.part == part for feature in self.features])


def _attributes(schema: Schema) -> list[Feature]:
    features = []
    for name, column in schema.free_columns.items():
        if isinstance(column, Category):
            features.append(Feature(name=name, source=name, part="attribute", kind="code", levels=len(column.levels)))
        else:
            features.append(
                Feature(
                    name=name,
                    source=name,
                    part="attribute",
                    kind="number",
                    low=column.low,
                    high=column.high,
                    step=column.step,
                    scale=column.scale,
                )
            )
    return features


def _lab_summaries(schema: Schema) -> list[Feature]:
    return [_lab_feature(schema, name, test, summary) for summary in SUMMARIES for name, test in schema.tests.items()]


def _lab_feature(schema: Schema, name: str, test: Test, summary: str) -> Feature:
    low, high = test.bounds
    step = test.step
    scale: Literal["linear", "log"] = "linear" if test.codes else test.scale
    if summary == "count":
        low, high, step, scale = 0.0, float(schema.privacy_unit.max_records), 1.0, "log"
    elif summary == "slope":
        low, high, step, scale = -1.0, 1.0, 1e-9, "linear"
    return Feature(
        name=f"{name} {summary}",
        source=name,
        part="lab",
        kind="number",
        low=low,
        high=high,
        step=step,
        scale=scale,
        summary=summary,
    )


def _attribute_values(cohort: Cohort) -> Floats:
    columns = []
    for name, column in cohort.schema.free_columns.items():
        if isinstance(column, Number):
            columns.append(cohort.numbers(name))
        else:
            codes = cohort.codes(name).astype(np.float64)
            columns.append(np.where(codes < 0, np.nan, codes))
    return np.stack(columns, axis=1)


def _lab_values(cohort: Cohort) -> Floats:
    """The six summaries of each test, [n, 6 * tests], in the order of `_lab_summaries`."""
    n, tests = len(cohort), len(cohort.schema.tests)
    if tests == 0:
        return np.empty((n, 0))
    records = cohort.records
    key = records.owner.astype(np.int64) * tests + records.test
    order = np.argsort(key, kind="stable")  # records are sorted by time within the patient, and stay so
    cells, starts = np.unique(key[order], return_index=True)
    grouped = _grouped(records.value[order], _clock(cohort)[order], starts, record_units(cohort)[order])
    table = np.full((len(SUMMARIES), n * tests), np.nan)
    table[0] = 0.0
    table[:, cells] = grouped
    return table.reshape(len(SUMMARIES), n, tests).transpose(1, 0, 2).reshape(n, -1)


def _clock(cohort: Cohort) -> Floats:
    """Record times on a 0..1 scale of the public window."""
    start, end = cohort.schema.privacy_unit.window
    return (cohort.records.time - start) / (end - start)


def record_units(cohort: Cohort) -> Floats:
    """Record values on the public 0..1 scale of their test, [records].

    Privacy: internal only, when the rows are real.
    """
    tests = [_lab_feature(cohort.schema, name, test, "last") for name, test in cohort.schema.tests.items()]
    result = np.zeros(len(cohort.records))
    for place, feature in enumerate(tests):
        mine = cohort.records.test == place
        result[mine] = unit_scale(cohort.records.value[mine], feature)
    return result


def _grouped(value: Floats, clock: Floats, starts: NDArray[np.integer], unit: Floats) -> Floats:
    """Count, mean, lowest, highest, last and slope of runs of records that begin at `starts`, [6, runs]."""
    if len(starts) == 0:
        return np.empty((len(SUMMARIES), 0))
    count = np.diff(np.append(starts, len(value))).astype(np.float64)
    mean = np.add.reduceat(value, starts) / count
    centred = clock - np.repeat(np.add.reduceat(clock, starts) / count, count.astype(np.int64))
    spread = np.add.reduceat(centred**2, starts)
    slope = np.add.reduceat(centred * unit, starts) / np.where(spread > 0, spread, 1.0)
    slope = slope / (1 + np.abs(slope))  # two records a minute apart can have any slope: bring it into (-1, 1)
    last = value[starts + count.astype(np.int64) - 1]
    return np.stack([count, mean, np.minimum.reduceat(value, starts), np.maximum.reduceat(value, starts), last, slope])


def unit_scale(values: Floats, feature: Feature) -> Floats:
    """`values` of a number feature on 0..1 by its public range, on a log scale where the schema says so.

    A log scale that begins at 0 begins at one step instead, with the values below it moved to 0.
    """
    if feature.scale == "linear":
        return (values - feature.low) / (feature.high - feature.low)
    start = np.log1p(feature.low / feature.step)
    scaled = (np.log1p(values / feature.step) - start) / (np.log1p(feature.high / feature.step) - start)
    return np.asarray(scaled, dtype=np.float64)
