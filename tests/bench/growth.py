"""Every engine from files to files, and the default engine as cohorts grow."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from bench.one_run import TARGETS
from bench.timing import alone, table

SIZE = 5_000
GROWTH = (1_000, 10_000, 100_000, 1_000_000)
ENGINES = ("marginal", "vae", "vae-dpsgd")


def _seen(engine: str, patients: int, folder: Path) -> dict[str, float]:
    told: dict[str, float] = json.loads(alone("bench.one_run", engine, patients, folder).splitlines()[-1])
    return told


def engines() -> str:
    """Patients a second in fit and sample, and memory, by engine."""
    with tempfile.TemporaryDirectory() as scratch:
        alone("bench.one_run", "prepare", SIZE, scratch)
        seen = {engine: _seen(engine, SIZE, Path(scratch)) for engine in ENGINES}
    rows: list[tuple[object, ...]] = [
        (
            engine,
            f"{told['fit']:.1f}",
            f"{SIZE / told['fit']:,.0f}",
            f"{told['sample']:.2f}",
            f"{SIZE / told['sample']:,.0f}",
            f"{told['write GB']:.2f}",
        )
        for engine, told in seen.items()
    ]
    records = next(iter(seen.values()))["records"]
    header = ("engine", "fit, s", "patients a second", "sample, s", "patients a second", "most memory, GB")
    return f"{SIZE:,} simulated patients with {records:,.0f} records, each engine in a process of its own.\n\n" + table(
        header, rows
    )


def section() -> str:
    """The default engine from 1,000 patients up."""
    seen = {}
    for size in GROWTH:
        with tempfile.TemporaryDirectory() as scratch:
            alone("bench.one_run", "prepare", size, scratch)
            seen[size] = _seen("vae", size, Path(scratch))
    return told(seen)


def told(seen: dict[int, dict[str, float]]) -> str:
    """The table of one run for each size, and how the largest two compare."""
    parts = ("read", "plan", "fit", "sample", "write", "attack")
    rows: list[tuple[object, ...]] = [
        (
            f"{size:,}",
            f"{run['records']:,.0f}",
            *(f"{run[part]:.1f}" for part in parts),
            f"{run['processor']:,.0f}",
            f"{max(run[f'{part} GB'] for part in parts):.2f}",
        )
        for size, run in seen.items()
    ]
    smaller, larger = list(seen)[-2:]
    ratio = seen[larger]["processor"] / seen[smaller]["processor"]
    header = ("patients", "records", *(f"{part}, s" for part in parts), "processor, s", "most memory, GB")
    return (
        "The engine `vae` from Parquet files to Parquet files, as many synthetic patients as real ones, one thread; "
        f"then the distance attacks on {TARGETS:,} of the patients (all of them, where there are fewer) and as many "
        "fresh ones. The last seconds are the processor's for all of it, which a busy machine does not stretch.\n\n"
        + table(header, rows)
        + f"\nFrom {smaller:,} to {larger:,} patients, {larger / smaller:.0f} times as many, the whole takes "
        f"{ratio:.1f} times as much of the processor's time.\n"
    )
