"""What a person should look at before the budget is spent: rules met so often that the schema is likely to be wrong."""

from __future__ import annotations

import numpy as np

from privacy.admission import Admission
from privacy.cohort import Cohort
from privacy.notice import Done, Notice, Rule

_MANY = 0.5
_LIKELY = {
    Rule.OUT_OF_BOUNDS: "most values are clipped: are the bounds in the table's unit?",
    Rule.NOT_A_NUMBER: "most cells are no numbers: are there decimal commas, units or words beside them?",
    Rule.NOT_A_DATE: "most cells are no dates: are they written as in 2024-01-05?",
    Rule.UNKNOWN_CODE: "most codes are unknown: does the schema spell them as the table does?",
    Rule.UNKNOWN_UNIT: "most records are left out for their unit: list it under `units`, with its factor",
    Rule.UNKNOWN_TEST: "most records are of tests that the schema does not name: does it spell them as the table does?",
    Rule.ORPHAN: "most records have an id that no patient has: are ids spelled alike in both tables?",
    Rule.OUTSIDE_WINDOW: "most records lie outside the window: is time in the schema's unit, from the index date on?",
    Rule.AFTER_END: "most records lie after the end of follow-up: are both counted in the same unit?",
    Rule.MISSING: "most rows are left out, since a cell is missing: set `missing = true` where a model may see that",
}
_DATES = (
    "most times are no numbers: for dates, name `index_date` in the schema and put that column into the patients' table"
)
_LEFT_OUT = (Done.ROW_LEFT_OUT, Done.PATIENT_LEFT_OUT)


def suspicions(admission: Admission) -> tuple[str, ...]:
    """One line for each rule that most rows of a table, column or test have met, and for each test without a record.

    Rows that were left out count beside those that were admitted.

    Privacy: internal only; whether a line stands here depends on the rows.
    """
    often = tuple(_told(one) for one in admission.notices if _is_most(one, admission))
    return (*often, *_silent_tests(admission.cohort))


def _is_most(notice: Notice, admission: Admission) -> bool:
    left_out = notice.count if notice.done in _LEFT_OUT else 0
    return notice.rule in _LIKELY and notice.count > _MANY * (_admitted(notice, admission.cohort) + left_out)


def _admitted(notice: Notice, cohort: Cohort) -> int:
    """How many admitted rows the notice could have been about."""
    if notice.table == "patients":
        return len(cohort)
    if notice.test:
        place = tuple(cohort.schema.tests).index(notice.test)
        return int(np.count_nonzero(cohort.records.test == place))
    return len(cohort.records)


def _told(notice: Notice) -> str:
    place = ".".join(part for part in (notice.table, notice.column) if part)
    of_time = (notice.column, notice.rule) == ("time", Rule.NOT_A_NUMBER)
    return f"{place}{f' ({notice.test})' if notice.test else ''}: {_DATES if of_time else _LIKELY[notice.rule]}"


def _silent_tests(cohort: Cohort) -> tuple[str, ...]:
    """The tests that no record is of; none where there are no records at all."""
    if not len(cohort.records):
        return ()
    heard = set(np.unique(cohort.records.test).tolist())
    silent = [name for place, name in enumerate(cohort.schema.tests) if place not in heard]
    return tuple(f"labs.test ({name}): no record: does the schema spell it as the table does?" for name in silent)
