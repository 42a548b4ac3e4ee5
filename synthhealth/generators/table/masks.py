"""Which levels of the patient table the schema's rules leave open, given those of the columns before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.linked_codes import LinkedCodes
from privacy.schema import Category, Schema
from synthhealth.generators.table.measure import Column

Levels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Columns of the table that rules tie together: their numbers, and each level's place among the rules' places."""

    linked: LinkedCodes
    columns: tuple[int, ...]
    places: tuple[Levels, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Masks:
    """The masks of a patient table; a column stands in one of them at most."""

    masks: tuple[Mask, ...] = ()

    @staticmethod
    def of(schema: Schema, columns: Sequence[Column]) -> Masks:
        """The masks of a schema whose columns lie in these levels, the last of which may stand for missing.

        Privacy: free; made of public facts and what was paid for.
        """
        number = {column.name: j for j, column in enumerate(columns[: len(schema.free_columns)])}

        def places(name: str) -> Levels:
            column = columns[number[name]]
            if isinstance(schema.columns[name], Category):
                return np.arange(column.levels)
            # a known number has place 0, in whichever bin it lies
            return np.asarray(np.arange(column.levels) >= column.levels - column.missing, dtype=np.int64)

        return Masks(
            masks=tuple(
                Mask(
                    linked=linked,
                    columns=tuple(number[name] for name in linked.names),
                    places=tuple(places(name) for name in linked.names),
                )
                for linked in schema.linked
            )
        )

    def closed(self, j: int, rows: Levels) -> NDArray[np.float64] | float:
        """What is added to the log chances of column `j` given `rows` [n, columns]: -inf for a closed level, else 0.

        A row whose columns before `j` no row can complete, which only evidence leads to, has all levels open.
        """
        for mask in self.masks:
            if j in mask.columns:
                k = mask.columns.index(j)
                before = [mask.places[i][rows[:, mask.columns[i]]] for i in range(k)]
                fits = mask.linked.open(before)[:, mask.places[k]]
                return np.where(fits | ~fits.any(axis=1, keepdims=True), 0.0, -np.inf)
        return 0.0


OPEN = Masks()
