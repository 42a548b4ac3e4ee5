"""Builds a cohort's table of patients from plain arrays, every public rule made to hold: real and synthetic alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.constraints import agreed, derived, ordered
from privacy.schema import PATIENT_ID, Category, Number, Schema


def patient_frame(schema: Schema, ids: Sequence[str], cells: Mapping[str, NDArray[np.number]]) -> pd.DataFrame:
    """The `patients` of a cohort: `patient_id` and the schema's columns in their order.

    `cells` has [n] for each free column: positions in the levels, -1 for missing, of a
    category; numbers, NaN for missing, of the others. Numbers go to the nearest value of their
    grid, constraints are made to hold, derived columns are computed.

    Privacy: free; a per-patient map.
    """
    cells = agreed(schema, cells)
    numbers = {
        name: column.grid.snap(np.asarray(cells[name], dtype=np.float64))
        for name, column in schema.free_columns.items()
        if isinstance(column, Number)
    }
    numbers = ordered(schema, numbers)
    numbers |= derived(schema, {**cells, **numbers})
    frame: dict[str, pd.Categorical | NDArray[np.generic]] = {PATIENT_ID: np.array(ids, dtype=object)}
    for name, column in schema.columns.items():
        frame[name] = _levels(column, cells[name]) if isinstance(column, Category) else numbers[name]
    return pd.DataFrame(frame)


def _levels(column: Category, places: NDArray[np.number]) -> pd.Categorical:
    levels = pd.Index(column.levels, dtype=object)
    return pd.Categorical.from_codes(np.asarray(places, dtype=np.int64), levels, ordered=column.kind == "ordinal")
