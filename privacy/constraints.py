"""What the schema says must hold between a patient's columns, and how it is made to hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from privacy.grid import decimals_of, on_step
from privacy.schema import Number, Order, Schema

Floats = NDArray[np.float64]


def derived(schema: Schema, numbers: Mapping[str, Floats]) -> dict[str, Floats]:
    """The derived columns computed from `numbers` [n] by name; missing where a parent is missing.

    Privacy: free; a per-patient map.
    """
    return {
        name: _rounded(column.parsed.evaluate(numbers), column.precision)
        for name, column in schema.derived_columns.items()
    }


def broken(order: Order, numbers: Mapping[str, NDArray[np.number]]) -> NDArray[np.bool_]:
    """Where `before` is above `after`, both known, shape [n].

    Privacy: internal only, when the numbers are real.
    """
    return np.asarray(numbers[order.before] > numbers[order.after])


def ordered(schema: Schema, numbers: Mapping[str, Floats]) -> dict[str, Floats]:
    """`numbers` [n] by name with every order constraint made to hold by changing `after`.

    It becomes missing where that is allowed, else the lowest value of its grid that is not below
    `before`. Constraints may hang together in a chain, so the round is gone as often as there are constraints.

    Privacy: free; a per-patient map.
    """
    repaired = dict(numbers)
    for _ in schema.constraints:
        for order in schema.constraints:
            column = schema.columns[order.after]
            assert isinstance(column, Number)  # noqa: S101  # the schema was checked when it was loaded
            new = np.nan if column.missing else column.grid.raise_to(repaired[order.before])
            repaired[order.after] = np.where(broken(order, repaired), new, repaired[order.after])
    return repaired


def _rounded(values: Floats, precision: float) -> Floats:
    if precision == 0:
        return values
    return on_step(np.rint(values / precision), step=precision, decimals=decimals_of(precision))
