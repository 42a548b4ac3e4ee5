"""The questions that the schema's outcomes pose, and the table each is answered from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.features import Features, attribute_features, column_numbers, lab_features
from evaluation.fidelity.histograms import Floats, Ints
from privacy.cohort import Cohort
from privacy.schema import Category, Schema

Kind = Literal["class", "number"]
MOST_LEVELS, TWO, MOST_TESTS = 4, 2, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Predict `outcome`: its value, or whether it is the code at place `level`."""

    outcome: str
    kind: Kind
    level: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Patients whose outcome is known: predictors `x`, outcome `y` [n] (0 or 1 for a class), `patient` rows [n]."""

    x: Features
    y: Floats
    patient: Ints


def tasks_of(train: Cohort) -> tuple[Task, ...]:
    """One task a two-valued or numeric outcome; one a code (the four most frequent) of any other.

    Privacy: internal only.
    """
    tasks: list[Task] = []
    for name in train.schema.outcomes:
        kind = train.schema.columns[name]
        if isinstance(kind, Category) and len(kind.levels) > 1:
            number = np.bincount(np.maximum(train.codes(name), 0), minlength=len(kind.levels))
            frequent = np.sort(np.argsort(-number, kind="stable")[:MOST_LEVELS])
            levels = [1] if len(kind.levels) == TWO else frequent.tolist()
            tasks += [
                Task(outcome=name, kind="class", level=place, title=f"{name} = {kind.levels[place]}")
                for place in levels
            ]
        elif not isinstance(kind, Category):
            tasks.append(Task(outcome=name, kind="number", title=name))
    return tuple(tasks)


def predictors(schema: Schema) -> tuple[str, ...]:
    """Free columns that are neither an outcome nor the end of follow-up."""
    barred = (*schema.outcomes, schema.end_of_followup)
    return tuple(name for name in schema.free_columns if name not in barred)


def frequent_tests(train: Cohort) -> tuple[int, ...]:
    """The places of the forty tests with most records.

    Privacy: internal only.
    """
    number = np.bincount(train.records.test, minlength=len(train.schema.tests))
    order = np.argsort(-number, kind="stable")[:MOST_TESTS]
    return tuple(sorted(int(place) for place in order if number[place] > 0))


def table_of(cohort: Cohort, tests: tuple[int, ...]) -> Features:
    """Predictors of every patient: attributes (codes without an order one column each) and mean, last, count of tests.

    Privacy: internal only.
    """
    return attributes_of(cohort).beside(lab_features(cohort, ("mean", "last", "count"), tests=tests))


def attributes_of(cohort: Cohort, *, reference: bool = False) -> Features:
    """Predictors among the columns; with `reference` the first code of each unordered column is left out.

    Privacy: internal only.
    """
    names = predictors(cohort.schema)
    plain = tuple(name for name in names if not is_nominal(cohort.schema, name))
    table = attribute_features(cohort, plain)
    for name in names:
        if is_nominal(cohort.schema, name):
            codes = one_hot(cohort, name)
            table = table.beside(codes.at(range(1, len(codes.names))) if reference else codes)
    return table


def rows_of(task: Task, cohort: Cohort, table: Features) -> Rows:
    """The patients of `cohort` with a known outcome, with their rows of `table`.

    Privacy: internal only.
    """
    value = column_numbers(cohort, task.outcome)
    patient = np.flatnonzero(np.isfinite(value))
    y = (value[patient] == task.level).astype(np.float64) if task.kind == "class" else value[patient]
    x = Features(names=table.names, sources=table.sources, values=table.values[patient])
    return Rows(x=x, y=y, patient=patient)


def is_nominal(schema: Schema, name: str) -> bool:
    """Whether a column has more than two codes without an order."""
    kind = schema.columns[name]
    return isinstance(kind, Category) and kind.kind == "categorical" and len(kind.levels) > TWO


def one_hot(cohort: Cohort, name: str) -> Features:
    """One column a code, 1 where the patient has it, shape [n, codes].

    Privacy: internal only.
    """
    kind = cohort.schema.columns[name]
    assert isinstance(kind, Category)  # noqa: S101  # `is_nominal` has looked
    codes = cohort.codes(name)
    values = (codes[:, None] == np.arange(len(kind.levels))).astype(np.float64)
    names = tuple(f"{name} = {level}" for level in kind.levels)
    return Features(names=names, sources=(name,) * len(names), values=values)
