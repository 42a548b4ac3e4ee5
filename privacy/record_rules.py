"""What the schema says must hold between a patient's records, and how it is made to hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from privacy.constraints import Cells, read_by, rounded
from privacy.records import Records
from privacy.schema import DerivedTest, Schema

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def over_time(schema: Schema, records: Records) -> Records:
    """`records` with the values of every monotone test in their order over time, patient by patient.

    A patient keeps every value and every time, and only which value stands at which time changes:
    the increasing rearrangement of Chernozhukov, Fernandez-Val and Galichon, Biometrika
    2009;96:559-575, which brings a course no further from a true monotone one.

    Privacy: free; a per-patient map.
    """
    value = records.value
    for place, test in enumerate(schema.tests.values()):
        if test.monotone:
            mine = np.flatnonzero(records.test == place)
            sign = 1.0 if test.monotone == "rising" else -1.0
            value = value.copy()
            value[mine] = value[mine][np.lexsort((sign * value[mine], records.owner[mine]))]
    return Records(owner=records.owner, time=records.time, test=records.test, value=value)


def derived_results(schema: Schema, cells: Cells, records: Records) -> Records:
    """The records of all derived tests, placed behind the schema's tests: one a draw that has all that is read.

    `cells` [n] are the patients' columns. A draw is what a patient has at one time; of several values of
    a test in it the first counts. A result outside the test's bounds is none.

    Privacy: free; a per-patient map.
    """
    new = np.concatenate(([True], (np.diff(records.owner) != 0) | (np.diff(records.time) != 0)))[: len(records)]
    draw, first = np.cumsum(new) - 1, np.flatnonzero(new)
    parts = [
        _results(schema, derived, cells, records, draw, first, len(schema.tests) + place)
        for place, derived in enumerate(schema.derived_tests.values())
    ]
    return Records.joined(parts)


def _results(
    schema: Schema, derived: DerivedTest, cells: Cells, records: Records, draw: Places, first: Places, test: int
) -> Records:
    """The results of one derived test; `draw` [r] is each record's draw, `first` [draws] the first record of each."""
    formula, owner = derived.parsed, records.owner[first]
    values = {name: column[owner] for name, column in read_by(schema, formula, cells).items()}
    for place, name in enumerate(schema.tests):
        if name in formula.names:
            values[name] = _first_values(records, draw, len(first), place)
    result = rounded(formula.evaluate(values), derived.precision)
    kept = np.flatnonzero((result >= derived.low) & (result <= derived.high))
    return Records(
        owner=owner[kept],
        time=records.time[first][kept],
        test=np.full(len(kept), test, dtype=np.int16),
        value=result[kept],
    )


def _first_values(records: Records, draw: Places, draws: int, test: int) -> Floats:
    """The first value of a test in each draw, NaN in a draw without it, shape [draws]."""
    values = np.full(draws, np.nan)
    mine = np.flatnonzero(records.test == test)[::-1]  # of several the first is written last
    values[draw[mine]] = records.value[mine]
    return values
