"""A project that goes through the whole pipeline in seconds: simulated patients, the tiny engine, two quick judges."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from tiny_engine import make_tiny, restore_tiny

from evaluation.attacks.ground import TrainGenerator
from evaluation.finding import Estimate, Family, Finding, Interval, Verdict
from privacy.cohort import Cohort
from synthhealth.generators.protocol import Progress
from synthhealth.generators.simulator import simulate
from synthhealth.io.csv_files import write_csv

PATIENTS = 240
CONFIG = """
[data]
labs = "labs.csv"

[budget]
epsilon = 2
delta = 1e-5
population = "simulated"
ceiling = 5
ceiling_delta = 1e-5

[generator]
engine = "marginal"
patients = 150

[release]
recipient_name = "the registry"
"""


def lay_out(folder: Path, *, config: str = CONFIG) -> Path:
    """Write tables, schema and config into `folder`; returns the config's path."""
    schema = files("synthhealth.generators").joinpath("simulated.toml").read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.toml").write_text(schema.replace("cohort_size = 5000", f"cohort_size = {PATIENTS}"))
    cohort = simulate(PATIENTS, seed=3, cohort_size=PATIENTS)
    write_csv(cohort, patients=folder / "patients.csv", labs=folder / "labs.csv")
    (folder / "synthhealth.toml").write_text(config)
    return folder / "synthhealth.toml"


def stand_in(patch: pytest.MonkeyPatch, *, pdf: bool = False) -> None:
    """Put the tiny engine and two quick judges in place of the real ones; print the report as PDF only if asked."""
    if not pdf:
        patch.setattr("synthhealth.report.publish.pdf_is_possible", lambda: False)
    patch.setattr("synthhealth.synthesizer.make_engine", make_tiny)
    patch.setattr("synthhealth.synthesizer.restore_model", restore_tiny)
    patch.setattr("evaluation.suite.evaluate", quick_evaluate)
    patch.setattr("evaluation.attacks.suite.attack", quick_attack)


def quick_evaluate(
    train: Cohort, holdout: Cohort, synthetic: Cohort, *, seed: int, progress: Progress
) -> tuple[Finding, ...]:
    """Stands in for the evaluation suite: the difference of mean ages."""
    del seed
    progress("fidelity", 1, 1)
    mean = [float(cohort.numbers("age").mean()) for cohort in (train, holdout, synthetic)]
    return (
        Finding(
            family=Family.FIDELITY,
            test="mean-age",
            title="difference of mean age",
            headline=Estimate(name="years", value=abs(mean[0] - mean[2])),
            floor=Estimate(name="years", value=abs(mean[0] - mean[1])),
            verdict=Verdict.MEASURED,
        ),
    )


def quick_attack(
    train: Cohort,
    holdout: Cohort,
    synthetic: Cohort,
    *,
    quick: bool,
    seed: int,
    progress: Progress,
    train_shadow: TrainGenerator | None = None,
    train_overfit: TrainGenerator | None = None,
) -> tuple[Finding, ...]:
    """Stands in for the attack suite: an attack that guesses."""
    del train, holdout, synthetic, quick, seed, train_shadow, train_overfit
    progress("attacks", 1, 1)
    headline = Estimate(name="auc", value=0.5, interval=Interval(low=0.48, high=0.52))
    return (
        Finding(
            family=Family.MEMBERSHIP,
            test="guess",
            title="guessing",
            headline=headline,
            verdict=Verdict.NO_LEAK_DETECTED,
        ),
    )
