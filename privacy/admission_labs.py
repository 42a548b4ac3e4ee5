"""Turns a long table of labs into records in the schema's tests, units and grids, record by record."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.admission_patients import Admitted, extra_columns, key_column, moved, noticed, require_columns
from privacy.cells import Bools, Floats, Numbers, Places, Words, dates
from privacy.cohort import Records
from privacy.grid import on_step
from privacy.notice import Done, Notice, Rule
from privacy.record_rules import over_time
from privacy.record_sort import sorted_by_patient
from privacy.schema import LAB_COLUMNS, Schema
from privacy.table_blocks import Blocks

TABLE = "labs"
_MICROSECONDS = {"minutes": 60e6, "hours": 3600e6, "days": 86400e6, "weeks": 604800e6}
_ORPHAN = -2  # a row of no patient; -1 is one of a patient who was left out
_EMPTY = Records(
    owner=np.empty(0, dtype=np.int32),
    time=np.empty(0),
    test=np.empty(0, dtype=np.int16),
    value=np.empty(0),
)


@dataclass(slots=True)
class _Met:
    """How often each rule was met in the blocks so far, in the order in which rules are looked at."""

    counts: dict[tuple[str, int, Rule, Done], int] = field(default_factory=dict)

    def add(self, column: str, test: int, rule: Rule, done: Done, count: int) -> None:
        """So many more; `test` is a test's place, -1 where the column as a whole is meant."""
        key = (column, test, rule, done)
        self.counts[key] = self.counts.get(key, 0) + count

    def notices(self, schema: Schema) -> tuple[Notice, ...]:
        """One notice for each rule that was met."""
        names = [*schema.tests, ""]
        return tuple(
            Notice(table=TABLE, column=column, test=names[test], rule=rule, done=done, count=count)
            for (column, test, rule, done), count in self.counts.items()
            if count > 0
        )


@dataclass(slots=True)
class _Sieve:
    """Which rows of a block are still in, and what was met in them; the first broken rule counts."""

    keep: Bools
    met: _Met

    def drop(self, bad: Bools, column: str, rule: Rule) -> None:
        """Leave out the `bad` [r] rows."""
        bad = bad & self.keep
        self.met.add(column, -1, rule, Done.ROW_LEFT_OUT, int(bad.sum()))
        self.keep &= ~bad

    def drop_by_test(self, bad: Bools, column: str, rule: Rule, schema: Schema, test: Places) -> None:
        """Leave out the `bad` [r] rows, with a notice for each test."""
        bad = bad & self.keep
        self.note_by_test(bad, column, (rule, Done.ROW_LEFT_OUT), schema, test)
        self.keep &= ~bad

    def note_by_test(self, met: Bools, column: str, what: tuple[Rule, Done], schema: Schema, test: Places) -> None:
        """Note the rows [r] that were `met` and kept, test by test."""
        counts = np.bincount(test[met & self.keep], minlength=len(schema.tests))
        for place, count in enumerate(counts.tolist()):
            self.met.add(column, place, *what, count)


def admit_labs(
    schema: Schema, table: pd.DataFrame | Blocks | None, patients: Admitted, files: Path | None = None
) -> tuple[Records, tuple[Notice, ...]]:
    """Read `table`, whole or by blocks, by the schema's rules and attach its rows to the admitted `patients`.

    The records are in memory, or in `files` of that folder. Raises DataError when a column is missing,
    ConfigError where the folder has no room.

    Privacy: internal only; each repair is a per-record map, and a record meets its own patient only.
    """
    if table is None:
        return _EMPTY, noticed(TABLE, "", Rule.NO_TABLE, Done.READ_AS_IS, len(schema.tests))
    blocks = table if isinstance(table, Blocks) else Blocks.of(table)
    key = key_column(schema, blocks.names, TABLE)
    require_columns(blocks.names, TABLE, ("time", "test", "value"))
    extra = extra_columns(blocks.names, TABLE, (key, *LAB_COLUMNS))
    met, rows = _Met(), 0
    owners = {name: row for name, row in zip(patients.ids, patients.row.tolist(), strict=True) if name}

    def parts() -> Iterator[Records]:
        nonlocal rows
        for frame in blocks.frames:
            rows += len(frame)
            if schema.tests and len(frame) > 0:
                yield _part(schema, frame, key, patients, owners, met)

    if files is None:
        records = _settled(schema, Records.joined([_EMPTY, *parts()]), met)
    else:
        in_order = sorted_by_patient(parts(), len(patients.frame), files)
        records = Records.filed((_settled(schema, some, met) for some in in_order), files)
    if rows == 0:
        return _EMPTY, (*extra, *noticed(TABLE, "", Rule.NO_ROWS, Done.READ_AS_IS, 1))
    if not schema.tests:
        return _EMPTY, (*extra, *noticed(TABLE, "test", Rule.UNKNOWN_TEST, Done.ROW_LEFT_OUT, rows))
    return records, (*extra, *met.notices(schema))


def _settled(schema: Schema, records: Records, met: _Met) -> Records:
    """Whole patients' records with monotone tests in their order."""
    settled = over_time(schema, records)
    against = np.bincount(records.test[settled.value != records.value], minlength=len(schema.tests))
    for place, count in enumerate(against.tolist()):
        met.add("value", place, Rule.AGAINST, Done.REARRANGED, count)
    return settled


def _part(
    schema: Schema, frame: pd.DataFrame, key: str, patients: Admitted, owners: dict[str, int], met: _Met
) -> Records:
    """The records of one block, in its order."""
    # a derived test is computed anew, wherever it comes from
    derived = Words.of(frame["test"]).among(tuple(schema.derived_tests)) >= 0
    sieve = _Sieve(keep=~derived, met=met)
    owner = _owner(frame[key], key, owners, sieve)
    test = _test(schema, frame["test"], sieve)
    time = _time(schema, frame["time"], owner, patients, sieve)
    value = _value(schema, frame, test, sieve)
    keep = sieve.keep
    return Records(
        owner=owner[keep].astype(np.int32), time=time[keep], test=test[keep].astype(np.int16), value=value[keep]
    )


def _owner(cells: pd.Series, key: str, owners: dict[str, int], sieve: _Sieve) -> Places:
    """The patient's row of each record, shape [r]; anything for a record that is not kept."""
    words = Words.of(cells)
    row = words.told(owners, otherwise=_ORPHAN)
    sieve.drop(words.blank, key, Rule.MISSING_ID)
    sieve.drop(row == _ORPHAN, key, Rule.ORPHAN)
    sieve.drop(row < 0, key, Rule.PATIENT_LEFT_OUT)
    return np.maximum(row, 0)


def _test(schema: Schema, cells: pd.Series, sieve: _Sieve) -> Places:
    """The position of each record's test, shape [r]; 0 for a record that is not kept."""
    test = Words.of(cells).among(tuple(schema.tests))
    sieve.drop(test < 0, "test", Rule.UNKNOWN_TEST)
    return np.maximum(test, 0)


def _time(schema: Schema, cells: pd.Series, owner: Places, patients: Admitted, sieve: _Sieve) -> Floats:
    """Each record's offset from the index date on the grid of times, in the schema's unit, shape [r]."""
    numbers = Numbers.of(cells)
    time = numbers.number
    if patients.index is not None and np.isnan(time).any():
        span = dates(cells) - patients.index[owner]
        offset = np.where(np.isnat(span), np.nan, span.astype(np.float64)) / _MICROSECONDS[schema.time_unit]
        time = np.where(np.isnan(time), offset, time)
    time = schema.times.cut(time)
    start, end = schema.privacy_unit.window
    sieve.drop(numbers.blank, "time", Rule.MISSING)
    sieve.drop(np.isnan(time), "time", Rule.NOT_A_NUMBER if patients.index is None else Rule.NOT_A_DATE)
    sieve.drop((time < start) | (time >= end), "time", Rule.OUTSIDE_WINDOW)
    if schema.end_of_followup is not None:
        last = patients.frame[schema.end_of_followup].to_numpy(dtype=np.float64)
        sieve.drop(time > last[owner], "time", Rule.AFTER_END)
    return time


def _value(schema: Schema, table: pd.DataFrame, test: Places, sieve: _Sieve) -> Floats:
    """Each record's value in the test's unit and on its grid, shape [r]."""
    numbers = Numbers.of(table["value"])
    sieve.drop_by_test(numbers.blank, "value", Rule.MISSING, schema, test)
    sieve.drop_by_test(numbers.bad, "value", Rule.NOT_A_NUMBER, schema, test)
    value = numbers.number * _factor(schema, table, test, sieve)
    tests = tuple(schema.tests.values())
    coded = np.array([bool(of.codes) for of in tests])
    sieve.drop_by_test(coded[test] & ~_is_code(schema, test, value), "value", Rule.UNKNOWN_CODE, schema, test)
    grids = tuple(of.grid for of in tests)
    low, high, step, first, last = (
        np.array([getattr(grid, name) for grid in grids], dtype=np.float64)[test]
        for name in ("low", "high", "step", "first", "last")
    )
    decimals = np.array([grid.decimals for grid in grids], dtype=np.int64)[test]
    snapped = on_step(np.clip(np.rint(value / step), first, last), step=step, decimals=decimals)
    outside = (value < low) | (value > high)
    sieve.note_by_test(outside, "value", (Rule.OUT_OF_BOUNDS, Done.CLIPPED), schema, test)
    finer = ~outside & moved(value, snapped, step)
    sieve.note_by_test(finer, "value", (Rule.OFF_GRID, Done.ROUNDED), schema, test)
    return snapped


def _factor(schema: Schema, table: pd.DataFrame, test: Places, sieve: _Sieve) -> Floats:
    """What each value is multiplied with to be in the schema's unit, shape [r]; a blank unit is the schema's."""
    if "unit" not in table.columns:
        sieve.met.counts["unit", -1, Rule.NO_UNIT_COLUMN, Done.READ_AS_IS] = 1
        return np.ones(len(table))
    words = Words.of(table["unit"])
    listed = [{_plain(unit): f for unit, f in {**of.units, of.unit: 1.0}.items()} for of in schema.tests.values()]
    # one row a test, one column a word, and a last one for a null cell
    factors = np.array([[*(of.get(_plain(word), np.nan) for word in words.words), 1.0] for of in listed])
    factor = np.where(words.blank & np.isnan(factors[test, words.place]), 1.0, factors[test, words.place])
    sieve.drop_by_test(np.isnan(factor), "unit", Rule.UNKNOWN_UNIT, schema, test)
    sieve.note_by_test(factor != 1.0, "unit", (Rule.OTHER_UNIT, Done.CONVERTED), schema, test)
    return factor


def _plain(unit: str) -> str:
    """A unit as it is compared: the micro sign and the Greek letter mu look alike and mean the same."""
    return unicodedata.normalize("NFKC", unit)


def _is_code(schema: Schema, test: Places, value: Floats) -> NDArray[np.bool_]:
    """Whether a value is one of its test's codes, shape [r]; false for a test without codes."""
    found = np.zeros(len(value), dtype=np.bool_)
    for place, of in enumerate(schema.tests.values()):
        if of.codes:
            mine = test == place
            found[mine] = np.isin(value[mine], of.codes)
    return found
