"""What `plan --time` tells beside what then happens, each in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.cohorts import icu_bench, nafld_bench
from bench.timing import alone, memory, table

from privacy.budget import Budget
from privacy.cohort import Cohort
from synthhealth.forecast import Task, forecast
from synthhealth.generators.simulator import simulated_schema
from synthhealth.synthesizer import Synthesizer

BUDGET = Budget(epsilon=3, delta=1e-6)
COHORTS = ("NAFLD", "10,000 simulated", "100,000 simulated")


def cohort_of(name: str) -> Cohort:
    """The cohort of that name; another name is the folder of the ICU stays."""
    if name == "NAFLD":
        return nafld_bench().cohort
    if name.endswith("simulated"):
        size = int(name.split(maxsplit=1)[0].replace(",", ""))
        with tempfile.TemporaryDirectory() as scratch:
            alone("bench.one_run", "prepare", size, scratch)
            files = {part: Path(scratch) / f"{part}.parquet" for part in ("patients", "labs")}
            return Cohort.read(simulated_schema(size), **files, files=tempfile.gettempdir())
    return icu_bench(Path(name)).cohort


def taken(name: str) -> dict[str, float]:
    """Seconds of a fit and a sample of as many patients, and the most memory, in GB."""
    cohort = cohort_of(name)
    synthesizer = Synthesizer(cohort.schema, budget=BUDGET, cohort_size=len(cohort))
    synthesizer.plan()
    began = time.perf_counter()
    synthesizer.fit(cohort)
    fitted = time.perf_counter()
    synthesizer.sample(len(cohort))
    return {"fit": fitted - began, "sample": time.perf_counter() - fitted, "GB": memory()}


def section() -> str:
    """One line a cohort: the forecast, what was taken, and their ratio; the ICU stays too where ICU names a folder."""
    rows: list[tuple[object, ...]] = []
    for name in (*COHORTS, *filter(None, [os.environ.get("ICU")])):
        cohort, seen = cohort_of(name), json.loads(alone("bench.forecasts", name))
        size, records = len(cohort), round(len(cohort.records) / len(cohort))
        task = Task(schema=cohort.schema, engine="vae", budget=BUDGET, patients=size, synthetic=size, records=records)
        told = forecast(task, assumed=False)
        pairs = ((told.fit_seconds, seen["fit"]), (told.sample_seconds, seen["sample"]), (told.memory_gb, seen["GB"]))
        shown = [f"{here:.1f} / {there:.1f} = {here / there:.2f}" for here, there in pairs]
        rows.append((name if name in COHORTS else "ICU stays", f"{size:,}", records, *shown))
    header = ("cohort", "patients", "records each", "fit, s", "sample, s", "most memory, GB")
    return "Told beforehand / taken, for the engine `vae`.\n\n" + table(header, rows)


if __name__ == "__main__":
    print(json.dumps(taken(sys.argv[1])))
