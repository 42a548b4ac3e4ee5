"""What admission did to a table, by table, column and rule, never by cell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """What was met in a table; the words are those of docs/reference/admission-rules.md."""

    EXTRA_COLUMN = "column that the schema does not name"
    NO_TABLE = "no labs table was given"
    NO_ROWS = "table without rows"
    NO_UNIT_COLUMN = "no unit column: every value is in the schema's unit"
    NO_INDEX_DATE = "no index date column: dates and times are read as offsets"
    MISSING_ID = "missing patient id"
    MISSING = "missing, where the schema does not allow it"
    NOT_A_NUMBER = "not a number"
    NOT_A_DATE = "not a date"
    OUT_OF_BOUNDS = "out of bounds"
    OFF_GRID = "finer than the precision"
    UNKNOWN_CODE = "code that the schema does not list"
    UNKNOWN_TEST = "test that the schema does not list"
    UNKNOWN_UNIT = "unit that the schema does not list"
    OTHER_UNIT = "other unit that the schema lists"
    ORPHAN = "patient id that is not in the patients table"
    PATIENT_LEFT_OUT = "record of a patient who was left out"
    OUTSIDE_WINDOW = "time outside the window"
    AFTER_END = "time after the end of follow-up"
    AGAINST = "value against the direction that its test has over time"
    ORDER = "order constraint broken"
    DISAGREES = "code that does not go with the columns before it"


class Done(StrEnum):
    """What admission did about it."""

    IGNORED = "ignored"
    READ_AS_IS = "accepted"
    ROW_LEFT_OUT = "row left out"
    PATIENT_LEFT_OUT = "patient left out, with all lab records"
    SET_MISSING = "set to missing"
    SET_OTHER = "set to OTHER"
    CLIPPED = "clipped to the bounds"
    ROUNDED = "rounded to the precision"
    CONVERTED = "converted to the schema's unit"
    RAISED = "set to the value it must not fall below"
    REARRANGED = "moved to its place in the patient's order of values"
    SET_CODE = "set to the first code that goes with them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that admission met in `table` (patients or labs) and what was `done` about it.

    `column` and `test` are names from the schema, or empty where the whole table is meant;
    `count` is the number of rows, or of columns for EXTRA_COLUMN.

    Privacy: internal only; the count is exact.
    """

    table: str
    rule: Rule
    done: Done
    count: int
    column: str = ""
    test: str = ""

    def __str__(self) -> str:
        place = ".".join(part for part in (self.table, self.column) if part)
        return f"{place}{f' ({self.test})' if self.test else ''}: {self.rule}: {self.done} ({self.count:,})"
