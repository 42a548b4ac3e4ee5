"""Columns of numbers in files without a name, so that of all of them only a piece need be in memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
from numpy.typing import NDArray

from privacy.errors import ConfigError, refusal

Column = NDArray[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFiles:
    """Read-only `columns` of equal length, each in a file of `folder`.

    The files have no name, so that nobody else can open them, and their room is free again when the
    columns are forgotten or the process ends, however it ends.

    Privacy: internal only, when the columns are real.
    """

    folder: Path
    columns: tuple[Column, ...]
    maps: tuple[mmap.mmap, ...]

    @staticmethod
    def written(folder: Path, blocks: Iterable[Sequence[Column]], kinds: Sequence[type[np.generic]]) -> ColumnFiles:
        """All `blocks` of columns of these `kinds`, one after the other; raises ConfigError where there is no room."""
        with ExitStack() as opened:
            files = [opened.enter_context(nameless(folder)) for _ in kinds]
            for block in blocks:
                for file, column, kind in zip(files, block, kinds, strict=True):
                    append(file, column.astype(kind, copy=False), folder)
            maps = [_mapped(file) for file in files]
        columns = (
            np.empty(0, kind) if one is None else np.frombuffer(one, kind)
            for one, kind in zip(maps, kinds, strict=True)
        )
        return ColumnFiles(folder=folder, columns=tuple(columns), maps=tuple(one for one in maps if one is not None))

    def let_go(self) -> None:
        """Let the system take back the memory of what was read; it is read again when it is looked at again."""
        for one in self.maps:
            if hasattr(mmap, "MADV_DONTNEED"):  # elsewhere the system decides by itself
                one.madvise(mmap.MADV_DONTNEED)


def nameless(folder: Path) -> IO[bytes]:
    """A new file of `folder` that has no name, for its owner alone; raises ConfigError where none can be made."""
    try:
        return TemporaryFile(dir=folder, buffering=0)
    except OSError as error:
        raise _no_room(folder) from error


def append(file: IO[bytes], rows: Column, folder: Path) -> None:
    """Write `rows` behind what is there; raises ConfigError where `folder` has no room for them."""
    # numpy's own `tofile` says nothing where the last bytes did not fit
    left = np.ascontiguousarray(rows).view(np.uint8).data
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise _no_room(folder) from error


def _mapped(file: IO[bytes]) -> mmap.mmap | None:
    """The file as memory, which outlives the open file; None where it is empty."""
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else None


def _no_room(folder: Path) -> ConfigError:
    return ConfigError(
        refusal(
            what=f"folder {folder}",
            must="have room for the encoded records while they are learnt from, about 70 bytes each",
            got="a disk that is full or must not be written to",
            fix="make room, or let `out` name a folder on another disk",
        )
    )
