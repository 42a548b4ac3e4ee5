"""Every engine from files to files, and the default engine as cohorts grow."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from bench.timing import alone, table

SIZE = 5_000
GROWTH = (1_000, 10_000, 100_000)
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
    parts = ("read", "plan", "fit", "sample", "write")
    rows: list[tuple[object, ...]] = [
        (
            f"{size:,}",
            f"{told['records']:,.0f}",
            *(f"{told[part]:.1f}" for part in parts),
            f"{told['write GB']:.2f}",
        )
        for size, told in seen.items()
    ]
    small, large = (sum(seen[size][part] for part in parts) for size in GROWTH[-2:])
    header = ("patients", "records", *(f"{part}, s" for part in parts), "most memory, GB")
    return (
        "The engine `vae` from Parquet files to Parquet files, as many synthetic patients as real ones, one thread.\n\n"
        + table(header, rows)
        + f"\nFrom {GROWTH[-2]:,} to {GROWTH[-1]:,} patients, ten times as many, the whole takes "
        f"{large / small:.1f} times as long.\n"
    )
