"""The embedded cohorts, laid out as a hospital would lay out its own: tables, schema, config, in one folder."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path
from typing import Literal

from privacy.errors import ConfigError, refusal
from synthhealth.config import CONFIG_FILE, Config
from synthhealth.generators.protocol import EngineName
from synthhealth.output import write_whole

CohortName = Literal["nafld", "simulated"]
MARKER = ".synthhealth-demo"
PATIENTS, SEED = 5000, 1
_SETTINGS = """\
# Written by `synthhealth demo`; `synthhealth run --config {path}` goes on with it after an interruption.

[data]
schema = "schema.toml"
patients = "patients.csv"
labs = "labs.csv"
holdout = 0.3

[budget]
epsilon = {epsilon!r}
population = "{cohort}"
ledger = "ledger.jsonl"
ceiling = {ceiling!r}

[generator]
engine = "{engine}"
seed = 0

[release]
out = "."
name = "{cohort} demo"
recipient = "controlled"
recipient_name = "whoever tries the demo"
purpose = "showing what the software does"
"""


def prepare(cohort: CohortName, out: Path, *, epsilon: float, engine: EngineName) -> Config:
    """Write an embedded cohort and its settings into `out`; an earlier demo there is replaced, anything else is not.

    Raises ConfigError when `out` holds something else, or the cohort is not installed.

    Privacy: free; both cohorts are open to everybody.
    """
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
        raise ConfigError(
            refusal(
                what=f"folder {out}", must="be empty or an earlier demo", got="something else", fix="name another --out"
            )
        )
    config = _SETTINGS.format(
        path=out / CONFIG_FILE, cohort=cohort, epsilon=epsilon, engine=engine, ceiling=max(10.0, epsilon)
    )
    Config.parse(config, source="the demo's settings")
    shutil.rmtree(out, ignore_errors=True)
    write_whole(out / MARKER, "an earlier demo; the next one replaces this folder\n")
    match cohort:
        case "nafld":
            _lay_out_nafld(out)
        case "simulated":
            _lay_out_simulated(out)
    write_whole(out / CONFIG_FILE, config)
    return Config.load(out / CONFIG_FILE)


def _lay_out_nafld(out: Path) -> None:
    from synthhealth.cohorts.nafld import nafld

    tables = nafld()
    write_whole(out / "patients.csv", tables.patients.to_csv(index=False))
    write_whole(out / "labs.csv", tables.labs.to_csv(index=False))
    _copy_schema("synthhealth.cohorts", "nafld.toml", out)


def _lay_out_simulated(out: Path) -> None:
    from synthhealth.generators.simulator import simulate
    from synthhealth.io.csv_files import write_csv

    cohort = simulate(PATIENTS, SEED, cohort_size=PATIENTS)
    write_csv(cohort, patients=out / "patients.csv", labs=out / "labs.csv")
    _copy_schema("synthhealth.generators", "simulated.toml", out)


def _copy_schema(package: str, name: str, out: Path) -> None:
    write_whole(out / "schema.toml", files(package).joinpath(name).read_text(encoding="utf-8"))
