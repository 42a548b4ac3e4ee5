"""Reading and writing a cohort beside plain pyarrow on the same table of labs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
from bench.timing import medians, table

from privacy.cohort import Cohort
from synthhealth.generators.simulator import simulate
from synthhealth.io.csv_files import write_csv
from synthhealth.io.parquet_files import write_parquet

PATIENTS, ROUNDS = 30_000, 5


def section() -> str:
    """The table of rates, in Markdown."""
    cohort = simulate(PATIENTS, 1, cohort_size=PATIENTS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stored = {ending: {t: folder / f"{t}.{ending}" for t in ("patients", "labs")} for ending in ("parquet", "csv")}
        write_parquet(cohort, **stored["parquet"])
        write_csv(cohort, **stored["csv"])
        plain = pyarrow.parquet.read_table(stored["parquet"]["labs"])
        times = medians(
            {
                "write Parquet": lambda: write_parquet(cohort, **stored["parquet"]),
                "plain write Parquet": lambda: pyarrow.parquet.write_table(
                    plain, folder / "plain.parquet", compression="zstd"
                ),
                "write CSV": lambda: write_csv(cohort, **stored["csv"]),
                "plain write CSV": lambda: pyarrow.csv.write_csv(plain, folder / "plain.csv"),
                "read Parquet": lambda: Cohort.read(cohort.schema, **stored["parquet"]),
                "plain read Parquet": lambda: pyarrow.parquet.read_table(stored["parquet"]["labs"]),
                "read CSV": lambda: Cohort.read(cohort.schema, **stored["csv"]),
                "plain read CSV": lambda: pyarrow.csv.read_csv(stored["csv"]["labs"]),
            },
            ROUNDS,
        )
    rows: list[tuple[object, ...]] = [
        (what, f"{times[what]:.2f}", f"{times[f'plain {what}']:.2f}", f"{times[f'plain {what}'] / times[what]:.0%}")
        for what in ("write Parquet", "write CSV", "read Parquet", "read CSV")
    ]
    return (
        f"{len(cohort.records):,} records of {PATIENTS:,} patients, medians of {ROUNDS} rounds. Ours is the whole "
        "cohort, patients and labs, in the schema's types, digits and units, and read by its rules; plain is "
        "pyarrow on the table of labs alone.\n\n" + table(("what", "ours, s", "plain pyarrow, s", "of its rate"), rows)
    )
