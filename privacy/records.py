"""Lab records as columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Lab records as columns of equal length, sorted by patient, time and test.

    `owner` [r] int32 is the patient's row, `time` [r] float64 in the schema's time unit,
    `test` [r] int16 the position in `schema.tests`, `value` [r] float64 in the test's unit.
    """

    owner: NDArray[np.int32]
    time: NDArray[np.float64]
    test: NDArray[np.int16]
    value: NDArray[np.float64]

    @staticmethod
    def sorted(
        *,
        owner: NDArray[np.integer],
        time: NDArray[np.floating],
        test: NDArray[np.integer],
        value: NDArray[np.floating],
    ) -> Records:
        """The records [r] in the canonical order (patient, time, test; ties keep their order)."""
        order: NDArray[np.int64] | slice = (
            slice(None) if _in_order(owner, time, test) else np.lexsort((test, time, owner))
        )
        return Records(
            owner=owner[order].astype(np.int32, copy=False),
            time=time[order].astype(np.float64, copy=False),
            test=test[order].astype(np.int16, copy=False),
            value=value[order].astype(np.float64, copy=False),
        )

    @staticmethod
    def joined(parts: Sequence[Records]) -> Records:
        """The records of all parts in the canonical order."""
        return Records.sorted(
            owner=np.concatenate([part.owner for part in parts]),
            time=np.concatenate([part.time for part in parts]),
            test=np.concatenate([part.test for part in parts]),
            value=np.concatenate([part.value for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.owner)

    def keep(self, mask: NDArray[np.bool_]) -> Records:
        """The records where `mask` [r] holds."""
        return Records(owner=self.owner[mask], time=self.time[mask], test=self.test[mask], value=self.value[mask])


def _in_order(owner: NDArray[np.integer], time: NDArray[np.floating], test: NDArray[np.integer]) -> bool:
    """Whether records stand in the canonical order already, as most exports do; to look is cheaper than to sort."""
    later = (time[1:] > time[:-1]) | ((time[1:] == time[:-1]) & (test[1:] >= test[:-1]))
    return bool(np.all((owner[1:] > owner[:-1]) | ((owner[1:] == owner[:-1]) & later)))
