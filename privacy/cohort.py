"""What one patient is: a row of attributes and all of that patient's lab records, held together as a unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.errors import ConfigError, refusal
from privacy.randomness import patient_lots, secret_bytes, unit_lots
from privacy.record_rules import derived_results
from privacy.records import Records
from privacy.schema import Category, Schema

__all__ = ["Cohort", "Records"]


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
    def read(
        schema: Schema, *, patients: str | Path, labs: str | Path | None = None, files: str | Path | None = None
    ) -> Cohort:
        """Read a patients' table and a long table of labs (CSV or Parquet) by the schema's rules.

        Where a folder for `files` is given, the records lie there in files without a name and are in
        memory a piece at a time; what is learnt is the same to the cell.

        Raises DataError naming table, column and rule; never a cell. ConfigError where the folder has no room.

        Privacy: internal only; each repair is a per-patient map.
        """
        from privacy.admission import admit, read_labs  # admission builds cohorts, so it stands above this module
        from privacy.tables import read_table

        told = None if labs is None else read_labs(schema, labs)
        folder = None if files is None else Path(files)
        return admit(schema, read_table(patients, "patients"), told, files=folder).cohort

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
        """The records as a long table, derived tests among them: patient_id, time, test, value, unit."""
        told = self.reported()
        tests, records = told.schema.tests, told.records
        units = np.array([test.unit for test in tests.values()], dtype=object)
        names, kind = pd.Index(list(tests), dtype=object), records.test
        return pd.DataFrame(
            {
                "patient_id": self.ids[records.owner],
                "time": records.time,
                "test": pd.Categorical.from_codes(kind.astype(np.int64), categories=names),
                "value": records.value,
                "unit": units[kind] if len(units) else np.empty(0, dtype=object),
            }
        )

    def reported(self) -> Cohort:
        """The same patients with the results of derived tests among their records, in the schema's `reported`.

        Whatever is written is written of this one; whatever is learnt, of the cohort itself.

        Privacy: free; a per-patient map.
        """
        if not self.schema.derived_tests:
            return self
        results = derived_results(self.schema, self.cells(self.schema.columns), self.records)
        records = Records.joined([self.records, results])
        return Cohort(schema=self.schema.reported, patients=self.patients, records=records)

    def cells(self, names: Iterable[str]) -> dict[str, NDArray[np.number]]:
        """Columns [n] by name: positions in the levels of a category, -1 where missing, else numbers."""
        kinds = self.schema.columns
        return {name: self.codes(name) if isinstance(kinds[name], Category) else self.numbers(name) for name in names}

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
        counts = np.zeros(len(self), dtype=np.int64)
        for _, piece in self.records.pieces():
            counts += np.bincount(piece.owner, minlength=len(self))
        return counts

    def take(self, rows: NDArray[np.integer]) -> Cohort:
        """The patients at `rows` [k] (each at most once), in that order, with all their records."""
        place = np.full(len(self), -1, dtype=np.int32)
        place[rows] = np.arange(len(rows))

        def mine(_: int, piece: Records) -> Records:
            kept = piece.keep(place[piece.owner] >= 0)
            return replace(kept, owner=place[kept.owner])

        records = self.records.each(mine)
        if (np.diff(rows) < 0).any():
            records = Records.joined([records])
        patients = self.patients.iloc[rows].reset_index(drop=True)
        return Cohort(schema=self.schema, patients=patients, records=records)

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
        """Keep at most `max_records` records a patient (the schema's cap by default), chosen by a keyed lot.

        What stays is a run in the order of time that begins at a place drawn for the patient and goes
        round from the last record to the first: draws stay whole, and every record stays as likely as
        any other. The lot depends on the key and the patient's identifier alone.

        Privacy: free; a per-patient map with stability 1.
        """
        cap = self.schema.privacy_unit.max_records if max_records is None else max_records
        counts = self.records_per_patient()
        over = counts > cap
        if not over.any():
            return self
        start, begin = np.cumsum(counts) - counts, np.zeros(len(self), dtype=np.int64)
        # lots for the patients with too many alone: most have few
        lots = patient_lots(secret_bytes(32) if key is None else key, self.ids[over])
        begin[over] = lots % counts[over].astype(np.uint64)

        def capped(first: int, piece: Records) -> Records:
            mine = np.flatnonzero(over[piece.owner])
            owner = piece.owner[mine]
            keep = np.ones(len(piece), dtype=np.bool_)
            keep[mine] = (first + mine - start[owner] - begin[owner]) % counts[owner] < cap
            return piece.keep(keep)

        return Cohort(schema=self.schema, patients=self.patients, records=self.records.each(capped))
