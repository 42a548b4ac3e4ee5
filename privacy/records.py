"""Lab records as columns of numbers, in memory or in files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privacy.column_files import ColumnFiles

RECORDS_A_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Lab records as columns of equal length, sorted by patient, time and test.

    `owner` [r] int32 is the patient's row, `time` [r] float64 in the schema's time unit,
    `test` [r] int16 the position in `schema.tests`, `value` [r] float64 in the test's unit.
    The columns may lie in `files`, as arrays that are read when they are looked at; `piece` and
    `each` then hold a piece of them in memory at a time.
    """

    owner: NDArray[np.int32]
    time: NDArray[np.float64]
    test: NDArray[np.int16]
    value: NDArray[np.float64]
    files: ColumnFiles | None = None

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

    @staticmethod
    def filed(parts: Iterable[Records], folder: Path) -> Records:
        """The records of all parts, one after the other, in files of `folder` without a name.

        Raises ConfigError where the folder has no room for them.

        Privacy: internal only; see `ColumnFiles`.
        """
        blocks = ((part.owner, part.time, part.test, part.value) for part in parts)
        files = ColumnFiles.written(folder, blocks, (np.int32, np.float64, np.int16, np.float64))
        owner, time, test, value = files.columns
        return Records(
            owner=np.asarray(owner, dtype=np.int32),
            time=np.asarray(time, dtype=np.float64),
            test=np.asarray(test, dtype=np.int16),
            value=np.asarray(value, dtype=np.float64),
            files=files,
        )

    def __len__(self) -> int:
        return len(self.owner)

    def keep(self, mask: NDArray[np.bool_]) -> Records:
        """The records where `mask` [r] holds, in memory."""
        return Records(owner=self.owner[mask], time=self.time[mask], test=self.test[mask], value=self.value[mask])

    def piece(self, rows: slice) -> Records:
        """The records in `rows`, in memory; of filed ones nothing else stays there."""
        columns = self.owner[rows], self.time[rows], self.test[rows], self.value[rows]
        if self.files is not None:
            columns = columns[0].copy(), columns[1].copy(), columns[2].copy(), columns[3].copy()
            self.files.let_go()
        return Records(owner=columns[0], time=columns[1], test=columns[2], value=columns[3])

    def pieces(self) -> Iterator[tuple[int, Records]]:
        """All records with the place of the first: as a whole, or filed ones RECORDS_A_PIECE at a time."""
        size = len(self) if self.files is None else RECORDS_A_PIECE
        for start in range(0, len(self), max(size, 1)):
            yield start, self.piece(slice(start, start + size))

    def each(self, change: Callable[[int, Records], Records]) -> Records:
        """What `change` makes of the pieces, one after the other, filed as these are; a piece comes with its place."""
        changed = (change(start, piece) for start, piece in self.pieces())
        if self.files is not None:
            return Records.filed(changed, self.files.folder)
        return next(changed, self)


def _in_order(owner: NDArray[np.integer], time: NDArray[np.floating], test: NDArray[np.integer]) -> bool:
    """Whether records stand in the canonical order already, as most exports do; to look is cheaper than to sort."""
    later = (time[1:] > time[:-1]) | ((time[1:] == time[:-1]) & (test[1:] >= test[:-1]))
    return bool(np.all((owner[1:] > owner[:-1]) | ((owner[1:] == owner[:-1]) & later)))
