"""Brings records that come in any order into the canonical one, some patients in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from privacy.column_files import append, nameless
from privacy.records import Records

PATIENTS_A_FILE = 8192
MOST_FILES = 64
_ROW = np.dtype([("owner", np.int32), ("test", np.int16), ("time", np.float64), ("value", np.float64)])


def sorted_by_patient(parts: Iterable[Records], patients: int, folder: Path) -> Iterator[Records]:
    """The records of all parts in the canonical order, some patients' at a time, everybody's once.

    Each record goes to the file of its patient's neighbours first; then file by file is sorted. The
    files are in `folder` and have no name. Raises ConfigError where it has no room for them.

    Privacy: internal only; a per-patient map.
    """
    together = max(PATIENTS_A_FILE, -(-patients // MOST_FILES))
    with ExitStack() as opened:
        files = [opened.enter_context(nameless(folder)) for _ in range(0, patients, together)]
        for part in parts:
            number, rows = part.owner // together, _rows(part)
            for place in np.flatnonzero(np.bincount(number)):
                append(files[place], rows[number == place], folder)
        for file in files:
            file.seek(0)
            rows = np.fromfile(file, _ROW)
            yield Records.sorted(owner=rows["owner"], time=rows["time"], test=rows["test"], value=rows["value"])
            file.truncate(0)


def _rows(part: Records) -> np.ndarray:
    rows = np.empty(len(part), _ROW)
    rows["owner"], rows["test"], rows["time"], rows["value"] = part.owner, part.test, part.time, part.value
    return rows
