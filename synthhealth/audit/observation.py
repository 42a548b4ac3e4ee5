"""One run from raw tables to synthetic patients, and everything that leaves it: events, and numbers read off it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan
from privacy.schema import Category
from synthhealth.audit.tiny_tables import SCHEMA, SEED, Tables
from synthhealth.generators.protocol import Engine, Model

DRAWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that left one fit: `events` that happened, and `numbers` that were read off it, by name."""

    events: frozenset[str]
    numbers: tuple[tuple[str, float], ...]


def observe(engine: Engine, plan: Plan, tables: Tables) -> Observation:
    """One run from raw tables to synthetic patients, and everything that it shows.

    Privacy: free; there is no real row.
    """
    told: list[str] = []
    with _overheard(told):
        try:
            ledger = Ledger(plan)
            cohort = Cohort.of(SCHEMA, tables.patients, tables.labs)
            model = engine.fit(Gate(cohort, ledger), lambda *line: told.append(f"line {line}"))
            drawn = model.sample(DRAWN, SEED)
        except Exception as error:  # noqa: BLE001  # that a run fails, and with which words, is itself an observation
            return Observation(events=frozenset([*told, f"failed with {type(error).__name__}: {error}"]), numbers=())
    account = {key: value for key, value in ledger.to_json().items() if key != "run_id"}
    return Observation(
        events=frozenset([*told, f"ledger {account}", *_of_model(model), *_of_drawn(drawn)]),
        numbers=tuple(sorted(_numbers(model, drawn))),
    )


@contextlib.contextmanager
def _overheard(told: list[str]) -> Iterator[None]:
    """Warnings, log lines and prints go to `told`."""
    log, printed = logging.StreamHandler(io.StringIO()), io.StringIO()
    logging.getLogger().addHandler(log)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                yield
            told.extend(f"warning {one.category.__name__}: {one.message}" for one in warned)
    finally:
        logging.getLogger().removeHandler(log)
        told.extend(f"log {line}" for line in log.stream.getvalue().splitlines())
        told.extend(f"printed {line}" for line in printed.getvalue().splitlines())


def _of_model(model: Model) -> Iterator[str]:
    state = model.state()
    yield f"meta {state.meta}"
    for name, array in state.arrays.items():
        yield f"array {name}: {array.dtype} {array.shape}"
        yield f"array {name}: {'all finite' if np.isfinite(array).all() else 'not finite'}"


def _of_drawn(drawn: Cohort) -> Iterator[str]:
    yield f"drawn {len(drawn)} patients in schema {drawn.schema.sha256}"
    for name, column in drawn.schema.free_columns.items():
        values = drawn.patients[name]
        yield f"column {name}: {values.dtype}"
        yield f"column {name}: {'some' if values.isna().any() else 'none'} missing"
        if isinstance(column, Category):
            yield f"column {name}: levels {list(values.cat.categories)}"
            yield from (f"column {name}: level {level}" for level in values.dropna().unique())
        else:
            yield f"column {name}: {'within' if _within(values, column.low, column.high) else 'beyond'} its bounds"
    for place, (name, test) in enumerate(drawn.schema.tests.items()):
        mine = drawn.records.value[drawn.records.test == place]
        yield f"test {name}: {'some' if len(mine) else 'no'} records"
        yield f"test {name}: {'within' if _within(pd.Series(mine), *test.bounds) else 'beyond'} its bounds"
    yield f"at most {drawn.records_per_patient().max()} records"


def _within(values: pd.Series, low: float, high: float) -> bool:
    known = values.dropna()
    return bool(((known >= low) & (known <= high)).all())


def _numbers(model: Model, drawn: Cohort) -> Iterator[tuple[str, float]]:
    for name, array in model.state().arrays.items():
        flat = np.nan_to_num(np.asarray(array, dtype=np.float64), posinf=0.0, neginf=0.0)
        yield f"array {name}: sum", float(flat.sum())
        yield f"array {name}: largest", float(flat.max()) if flat.size else 0.0
    for name, column in drawn.schema.free_columns.items():
        yield f"column {name}: share missing", float(drawn.patients[name].isna().mean())
        if isinstance(column, Category):
            codes = drawn.codes(name)
            yield from ((f"column {name}: share of {k}", float((codes == k).mean())) for k in range(len(column.levels)))
        else:
            yield f"column {name}: mean", float(np.nan_to_num(np.nanmean(np.append(drawn.numbers(name), column.low))))
    yield "records", float(len(drawn.records))
