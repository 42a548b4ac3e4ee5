"""The command `simulate`: patients by rules, alone or seeded by a model that was paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from synthhealth.generators.scenario_simulator import Seeds, simulate_scenario
from synthhealth.generators.scenarios import ScenarioName
from synthhealth.generators.simulator import simulate as simulate_hospital
from synthhealth.io.convert import write_format
from synthhealth.io.exchange import Format
from synthhealth.io.schema_file import write_schema
from synthhealth.results import Simulated
from synthhealth.synthesizer import Synthesizer

SMALLEST_SIZE = 20


def simulate(
    scenario: Literal["hospital"] | ScenarioName,
    patients: int,
    target: Path,
    form: Format,
    *,
    seed: int = 0,
    seeded_by: Path | None = None,
) -> Simulated:
    """Simulate so many patients of `scenario` and write them to `target` as `form`, with their schema.

    With `seeded_by`, the folder of a fitted model, each simulated patient takes over age, sex, number of
    draws and ward of one of the model's.

    Raises ConfigError where `target` holds files already, where there is no model, or where the mixed
    hospital, which has patients of its own, is to be seeded.

    Privacy: free; there is no real data, and what a private model writes was paid for when it was fitted.
    """
    if target.exists() and any(target.iterdir()):
        raise ConfigError(
            refusal(what=f"the folder {target}", must="be new or empty", got="one with files", fix="name another")
        )
    cohort = _simulated(scenario, patients, seed, seeded_by)
    files = (*write_format(cohort, target, form), write_schema(cohort.schema, target / "schema.toml"))
    return Simulated(
        scenario=scenario,
        patients=patients,
        records=len(cohort.reported().records),
        seeded_by=None if seeded_by is None else str(seeded_by),
        files=tuple(str(file) for file in files),
    )


def seeds_of(model: Synthesizer, patients: int, *, seed: int = 0) -> Seeds:
    """Ages, sexes, numbers of draws and wards of so many patients of a fitted model.

    Raises ConfigError where the model is not private, or has no age or sex; CheckError where it is not fitted.

    Privacy: free; post-processing of a model that was paid for.
    """
    if not model.engine.private:
        raise ConfigError(
            refusal(
                what=f"a simulation seeded by the engine {model.engine_name!r}",
                must="take its seeds from a private model",
                got="one without a guarantee",
                fix="fit a private engine",
            )
        )
    return Seeds.of(model.sample(patients, seed=seed))


def _simulated(
    scenario: Literal["hospital"] | ScenarioName, patients: int, seed: int, seeded_by: Path | None
) -> Cohort:
    size = max(patients, SMALLEST_SIZE)
    if scenario == "hospital":
        if seeded_by is not None:
            raise ConfigError(
                refusal(
                    what="the scenario 'hospital'",
                    must="be simulated without a model",
                    got=f"seeded by {seeded_by}",
                    fix="name one of the scenarios with one illness, or leave the model out",
                )
            )
        return simulate_hospital(patients, seed, cohort_size=size)
    seeds = None if seeded_by is None else seeds_of(Synthesizer.load(seeded_by), patients, seed=seed)
    return simulate_scenario(scenario, patients, seed, cohort_size=size, seeds=seeds)
