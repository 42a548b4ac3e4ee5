"""Turns a table of patients into the schema's columns, patient by patient."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.cells import Bools, Floats, Numbers, Places, Words, dates
from privacy.constraints import Cells, agreed, broken
from privacy.errors import DataError, refusal
from privacy.notice import Done, Notice, Rule
from privacy.patient_frame import patient_frame
from privacy.schema import OTHER, PATIENT_ID, Category, Number, Order, Schema

TABLE = "patients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The patients that came in.

    `frame` [n] is a cohort's patients. `ids` [m] are the words of all rows of the table, `row` [m]
    the place of each in `frame`, -1 for a patient who was left out. `index` [n] is each patient's
    index date, None where the table has no such column.

    Privacy: internal only.
    """

    frame: pd.DataFrame
    ids: tuple[str, ...]
    row: Places
    index: NDArray[np.datetime64] | None
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One column read: numbers or code positions [r], who must be left out [r], and what was met."""

    cells: Floats | Places
    out: Bools
    notices: tuple[Notice, ...]


def admit_patients(schema: Schema, table: pd.DataFrame) -> Admitted:
    """Read `table` by the schema's rules.

    Raises DataError when a column is missing, an id stands twice, or nobody is left.

    Privacy: internal only; each repair is a per-patient map.
    """
    key = key_column(schema, table.columns, TABLE)
    index_given = schema.index_date is not None and schema.index_date in table.columns
    require_columns(table.columns, TABLE, tuple(schema.free_columns))
    ids = Words.of(table[key])
    index = dates(table[schema.index_date]) if index_given else None
    read = {name: _read(schema, name, table[name], index) for name in schema.free_columns}
    keep = ~ids.blank
    for column in read.values():
        keep &= ~column.out
    if index is not None:
        keep &= ~np.isnat(index)
    _check_ids(ids, key)
    notices = (
        *_id_notices(schema, ids, key, index),
        *(notice for column in read.values() for notice in column.notices),
    )
    if not keep.any():
        raise _nobody_fits(notices)
    cells = {name: column.cells[keep] for name, column in read.items()}
    return Admitted(
        frame=patient_frame(schema, np.array([*ids.words, ""], dtype=object)[ids.place[keep]].tolist(), cells),
        ids=tuple(ids.words[place] if place >= 0 else "" for place in ids.place),
        row=np.where(keep, np.cumsum(keep) - 1, -1),
        index=None if index is None else index[keep],
        notices=(
            *extra_columns(table.columns, TABLE, (key, schema.index_date, *schema.columns)),
            *notices,
            *_rule_notices(schema, cells),
        ),
    )


def _nobody_fits(notices: tuple[Notice, ...]) -> DataError:
    """The refusal of a table that every patient of was left out, by the columns and rules that did it."""
    met = [f"column '{one.column}': {one.rule}" for one in notices if one.done is Done.PATIENT_LEFT_OUT]
    return DataError(
        refusal(
            what="the patients table",
            must="have a patient who fits the schema",
            got=f"none ({'; '.join(met)})" if met else "none",
            fix="hold the schema's bounds, codes and `missing` flags against the data dictionary",
        )
    )


def key_column(schema: Schema, names: Collection[str], name: str) -> str:
    """The column among `names` that holds the patient id: the schema's key, or `patient_id` in a frame of a cohort."""
    key = schema.privacy_unit.key
    if key not in names and PATIENT_ID in names:
        return PATIENT_ID
    require_columns(names, name, (key,))
    return key


def require_columns(names: Collection[str], name: str, wanted: tuple[str, ...]) -> None:
    """Raise DataError when one of the `wanted` columns is not in the table called `name`.

    The table's own names are not repeated: without a header line they would be a patient.
    """
    absent = [column for column in wanted if column not in names]
    if absent:
        wide = "; a table with a column for each test must be made long" if "test" in absent else ""
        listed = ", ".join(repr(column) for column in absent)
        raise DataError(
            refusal(
                what=f"the {name} table",
                must=f"have the column{'s' if len(absent) > 1 else ''} {listed}",
                got=f"a table of {len(names)} without {'them' if len(absent) > 1 else 'it'}",
                fix=f"check that the first line names the columns, separated by commas, spelled as in the schema{wide}",
            )
        )


def extra_columns(names: Collection[str], name: str, known: tuple[str | None, ...]) -> tuple[Notice, ...]:
    """The notice on columns among `names` that are not `known`; their names are not repeated, see `require_columns`."""
    return noticed(name, "", Rule.EXTRA_COLUMN, Done.IGNORED, len(set(names) - set(known)))


def noticed(table: str, column: str, rule: Rule, done: Done, count: int | np.integer) -> tuple[Notice, ...]:
    """One notice, or none when nothing was met."""
    return (Notice(table=table, column=column, rule=rule, done=done, count=int(count)),) if count else ()


def moved(values: Floats, snapped: Floats, step: float | Floats) -> Bools:
    """Where rounding to the grid changed a value by more than the dust of a 32-bit float, shape [r]."""
    return np.asarray(np.abs(snapped - values) > 1e-3 * step)


def _check_ids(ids: Words, key: str) -> None:
    given = pd.Series(np.array([*ids.words, ""], dtype=object)[ids.place])[~ids.blank]
    if given.duplicated().any():
        raise DataError(
            refusal(
                what=f"the patients table, column {key!r},",
                must="name each patient once",
                got="an id that stands in more than one row",
                fix="keep one row a patient; one patient with all rows is one unit of privacy",
            )
        )


def _id_notices(schema: Schema, ids: Words, key: str, index: NDArray[np.datetime64] | None) -> tuple[Notice, ...]:
    missing = noticed(TABLE, key, Rule.MISSING_ID, Done.ROW_LEFT_OUT, ids.blank.sum())
    if schema.index_date is None:
        return missing
    if index is None:
        return (*missing, *noticed(TABLE, schema.index_date, Rule.NO_INDEX_DATE, Done.READ_AS_IS, 1))
    return (*missing, *noticed(TABLE, schema.index_date, Rule.NOT_A_DATE, Done.PATIENT_LEFT_OUT, np.isnat(index).sum()))


def _read(schema: Schema, name: str, cells: pd.Series, index: NDArray[np.datetime64] | None) -> _Column:
    column = schema.free_columns[name]
    if isinstance(column, Category):
        return _category(name, column, cells)
    if column.kind == "date" and index is not None:
        day = dates(cells).astype("datetime64[D]") - index.astype("datetime64[D]")
        offsets = np.where(np.isnat(day), np.nan, day.astype(np.float64))
        return _number(name, column, Numbers(number=offsets, blank=Words.of(cells).blank), Rule.NOT_A_DATE)
    return _number(name, column, Numbers.of(cells), Rule.NOT_A_NUMBER)


def _category(name: str, column: Category, cells: pd.Series) -> _Column:
    words = Words.of(cells)
    place = words.codes(column.codes)
    blank = words.blank & (place < 0)
    unknown = (place < 0) & ~blank
    if column.other:
        # A cohort's own frame says OTHER already, which is no news.
        is_other = words.among((OTHER,)) == 0
        place = np.where(unknown, len(column.codes), place)
        done, unknown_out, unknown = Done.SET_OTHER, np.zeros_like(unknown), unknown & ~is_other
    else:
        done = Done.SET_MISSING if column.missing else Done.PATIENT_LEFT_OUT
        unknown_out = unknown & (not column.missing)
    blank_out = blank & (not column.missing)
    return _Column(
        cells=place,
        out=unknown_out | blank_out,
        notices=(
            *noticed(TABLE, name, Rule.UNKNOWN_CODE, done, unknown.sum()),
            *noticed(TABLE, name, Rule.MISSING, Done.PATIENT_LEFT_OUT, blank_out.sum()),
        ),
    )


def _number(name: str, column: Number, numbers: Numbers, bad_rule: Rule) -> _Column:
    grid, values = column.grid, numbers.number
    snapped = grid.snap(values)
    outside = (values < column.low) | (values > column.high)
    finer = ~outside & moved(values, snapped, grid.step)
    out = np.isnan(values) & (not column.missing)
    done = Done.SET_MISSING if column.missing else Done.PATIENT_LEFT_OUT
    return _Column(
        cells=snapped,
        out=out,
        notices=(
            *noticed(TABLE, name, bad_rule, done, numbers.bad.sum()),
            *noticed(TABLE, name, Rule.MISSING, Done.PATIENT_LEFT_OUT, (out & numbers.blank).sum()),
            *noticed(TABLE, name, Rule.OUT_OF_BOUNDS, Done.CLIPPED, outside.sum()),
            *noticed(TABLE, name, Rule.OFF_GRID, Done.ROUNDED, finer.sum()),
        ),
    )


def _rule_notices(schema: Schema, cells: dict[str, Floats | Places]) -> tuple[Notice, ...]:
    """What constraints change: codes first, then orders, as `patient_frame` makes them hold."""
    settled = agreed(schema, cells)
    tied = [name for linked in schema.linked for name in linked.names]
    return (
        *(notice for name in tied for notice in _agreed_notices(name, cells[name], settled[name])),
        *(notice for order in schema.orders for notice in _order_notice(schema, order, settled)),
    )


def _agreed_notices(name: str, old: Floats | Places, new: NDArray[np.number]) -> tuple[Notice, ...]:
    gone = np.isnan(new) | (new < 0) if new.dtype.kind == "f" else new < 0
    changed = (old != new) & ~np.isnan(old)
    return (
        *noticed(TABLE, name, Rule.DISAGREES, Done.SET_MISSING, (changed & gone).sum()),
        *noticed(TABLE, name, Rule.DISAGREES, Done.SET_CODE, (changed & ~gone).sum()),
    )


def _order_notice(schema: Schema, order: Order, cells: Cells) -> tuple[Notice, ...]:
    after = schema.columns[order.after]
    done = Done.SET_MISSING if isinstance(after, Number) and after.missing else Done.RAISED
    return noticed(TABLE, order.after, Rule.ORDER, done, broken(schema, order, cells).sum())
