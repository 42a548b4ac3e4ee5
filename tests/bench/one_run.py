"""One engine on one simulated cohort from files to files, in a process of its own: seconds by part, and memory."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow.parquet
from bench.timing import memory

from evaluation.attacks import distances
from evaluation.attacks.ground import ground_of
from evaluation.exhibit import Exhibit
from privacy.budget import Budget
from privacy.cohort import Cohort
from synthhealth.generators.protocol import EngineName
from synthhealth.generators.simulator import simulate, simulated_schema
from synthhealth.io.parquet_files import write_parquet
from synthhealth.io.typed_tables import labs_table, patients_table
from synthhealth.synthesizer import Synthesizer

DELTA = 1e-7
PATIENTS_A_BLOCK = 25_000
TARGETS = 2_000


def prepare(patients: int, folder: Path) -> None:
    """Write a simulated hospital of so many patients as Parquet files, ward after ward, so that memory stays flat."""
    paths = folder / "patients.parquet", folder / "labs.parquet"
    writers: list[pyarrow.parquet.ParquetWriter] = []
    for start in range(0, patients, PATIENTS_A_BLOCK):
        size = min(PATIENTS_A_BLOCK, patients - start)
        block = simulate(size, 1 + start, cohort_size=patients)
        block.patients["patient_id"] = [f"S{number:07d}" for number in range(start, start + size)]
        tables = patients_table(block), labs_table(block)
        writers = writers or [
            pyarrow.parquet.ParquetWriter(path, one.schema) for path, one in zip(paths, tables, strict=True)
        ]
        for writer, one in zip(writers, tables, strict=True):
            writer.write_table(one)
    for writer in writers:
        writer.close()


def run(engine: EngineName, patients: int, folder: Path) -> dict[str, float]:
    """Read the files of `folder`, fit, sample as many patients, write them, attack; seconds by part, GB after each.

    The distance attacks score TARGETS of the patients and as many fresh ones, each against everybody who was sampled.
    """
    seen: dict[str, float] = {}
    clock = [time.perf_counter()]

    def lap(name: str) -> None:
        now = time.perf_counter()
        seen[name], clock[0] = now - clock[0], now
        seen[f"{name} GB"] = memory()

    schema = simulated_schema(patients)
    cohort = Cohort.read(schema, patients=folder / "patients.parquet", labs=folder / "labs.parquet", files=folder)
    lap("read")
    seen["records"] = len(cohort.records)
    synthesizer = Synthesizer(schema, budget=Budget(epsilon=3, delta=DELTA), cohort_size=patients, engine=engine)
    synthesizer.plan()
    lap("plan")
    synthesizer.fit(cohort)
    lap("fit")
    few = cohort.take(np.sort(np.random.default_rng(0).permutation(len(cohort))[:TARGETS]))
    del cohort
    synthetic = synthesizer.sample(patients)
    lap("sample")
    write_parquet(synthetic, patients=folder / "p.parquet", labs=folder / "l.parquet")
    lap("write")
    fresh = simulate(2 * TARGETS, 0, cohort_size=patients)
    ground = ground_of(Exhibit.of(few, fresh, synthetic, key=b"bench"), quick=True, seed=0)
    distances.measure(ground.stage("release", synthetic))
    lap("attack")
    seen["processor"] = time.process_time()
    return seen


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        print(json.dumps(run(cast("EngineName", sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
