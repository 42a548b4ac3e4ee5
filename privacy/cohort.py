"""What one patient is: a row of attributes and all of that patient's lab records, held together as a unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.errors import ConfigError, refusal
from privacy.randomness import record_lots, secret_bytes, unit_lots
from privacy.schema import Category, Schema


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Patients with their lab records in one schema: real, holdout and synthetic alike.

    `patients` has the text column `patient_id` and the schema's columns in their order
    (categories as pandas categoricals over the public levels, numbers as float64 with NaN
    for missing, derived columns computed). Build one with `Cohort.read` or `Cohort.of`.

    Privacy: internal only, when the rows are real; hand it to a `Gate` to learn from it.
    """

    schema: Schema
    patients: pd.DataFrame
    records: Records

    @staticmethod
    def read(schema: Schema, *, patients: str | Path, labs: str | Path | None = None) -> Cohort:
        """Read a patients' table and a long table of labs (CSV or Parquet) by the schema's rules.

        Raises DataError naming table, column and rule; never a cell.

        Privacy: internal only; each repair is a per-patient map.
        """
        from privacy.admission import admit, read_labs  # admission builds cohorts, so it stands above this module
        from privacy.tables import read_table

        return admit(schema, read_table(patients, "patients"), None if labs is None else read_labs(schema, labs)).cohort

    @staticmethod
    def of(schema: Schema, patients: pd.DataFrame, labs: pd.DataFrame | None = None) -> Cohort:
        """The same as `read`, from frames that are already in memory.

        Privacy: internal only; each repair is a per-patient map.
        """
        from privacy.admission import admit  # see `read`

        return admit(schema, patients, labs).cohort

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def ids(self) -> NDArray[np.object_]:
        """The patients' identifiers as text, shape [n]."""
        return self.patients["patient_id"].to_numpy(dtype=object)

    @property
    def labs(self) -> pd.DataFrame:
        """The records as a long table: patient_id, time, test, value, unit."""
        tests = list(self.schema.tests)
        units = np.array([test.unit for test in self.schema.tests.values()], dtype=object)
        kind = self.records.test
        return pd.DataFrame(
            {
                "patient_id": self.ids[self.records.owner],
                "time": self.records.time,
                "test": pd.Categorical.from_codes(kind.astype(np.int64), categories=pd.Index(tests, dtype=object)),
                "value": self.records.value,
                "unit": units[kind] if len(units) else np.empty(0, dtype=object),
            }
        )

    def codes(self, column: str) -> NDArray[np.int64]:
        """A category column as positions in its public levels, -1 where missing, shape [n]; TypeError for others.

        Privacy: internal only.
        """
        if not isinstance(self.schema.columns[column], Category):
            raise TypeError(f"{column} is no category column")
        return np.asarray(self.patients[column].cat.codes, dtype=np.int64)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A numeric or derived column with NaN where missing, shape [n]."""
        return self.patients[column].to_numpy(dtype=np.float64)

    def records_per_patient(self) -> NDArray[np.int64]:
        """How many lab records each patient has, shape [n]."""
        return np.asarray(np.bincount(self.records.owner, minlength=len(self)), dtype=np.int64)

    def take(self, rows: NDArray[np.integer]) -> Cohort:
        """The patients at `rows` [k] (each at most once), in that order, with all their records."""
        place = np.full(len(self), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        mine = self.records.keep(place[self.records.owner] >= 0)
        return Cohort(
            schema=self.schema,
            patients=self.patients.iloc[rows].reset_index(drop=True),
            records=Records.sorted(owner=place[mine.owner], time=mine.time, test=mine.test, value=mine.value),
        )

    def split(self, holdout: float = 0.3, *, key: bytes | None = None) -> tuple[Cohort, Cohort]:
        """Split into (train, holdout) by a keyed lot that each patient draws alone.

        `holdout` is the expected share in (0, 1). `key` is secret and makes the split
        repeatable; without one a fresh key comes from the operating system. Moving one
        patient in or out of the data leaves every other patient's side unchanged. Raises
        ConfigError for a share that is none.

        Privacy: free; disjoint parts compose in parallel.
        """
        if not 0 < holdout < 1:
            raise ConfigError(
                refusal(what=f"holdout ({holdout:g})", must="lie between 0 and 1", got=f"{holdout:g}", fix="try 0.3")
            )
        lots = unit_lots(secret_bytes(32) if key is None else key, self.ids)
        return self.take(np.flatnonzero(lots >= holdout)), self.take(np.flatnonzero(lots < holdout))

    def bound_records(self, max_records: int | None = None, *, key: bytes | None = None) -> Cohort:
        """Keep at most `max_records` records a patient (the schema's cap by default), chosen by keyed lots.

        Each record's lot depends on the key, its patient and its place among that patient's
        records alone.

        Privacy: free; a per-patient map with stability 1.
        """
        cap = self.schema.privacy_unit.max_records if max_records is None else max_records
        counts = self.records_per_patient()
        over = counts > cap
        if not over.any():
            return self
        # lots for the patients with too many alone: most have few, and memory counts
        mine = np.flatnonzero(over[self.records.owner])
        start, owner = np.cumsum(counts) - counts, self.records.owner[mine]
        row = (np.cumsum(over) - 1)[owner]
        lots = record_lots(secret_bytes(32) if key is None else key, self.ids[over], row, mine - start[owner])
        order = np.lexsort((lots, row))
        rank = np.arange(len(mine)) - (np.cumsum(counts[over]) - counts[over])[row]
        keep = np.ones(len(self.records), dtype=np.bool_)
        keep[mine[order[rank >= cap]]] = False
        return Cohort(schema=self.schema, patients=self.patients, records=self.records.keep(keep))
