"""All measures of a synthetic cohort in one call: fidelity, plausibility, constraints, utility, fairness."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from threadpoolctl import threadpool_limits

from evaluation.constraints import constraint_findings
from evaluation.fairness import fairness_findings
from evaluation.fidelity.arms import Arms
from evaluation.fidelity.by_name import each_column, each_test
from evaluation.fidelity.columns import last_digits, missing_rates, one_way, values
from evaluation.fidelity.detection import two_sample
from evaluation.fidelity.joint import correlations, missing_patterns, three_way, two_way
from evaluation.fidelity.rhythm import ever_measured, gaps, pairs_in_a_draw, panels, presence, records
from evaluation.fidelity.trajectories import attribute_and_value, cross_lag, lag_one, slopes, spread
from evaluation.finding import Finding
from evaluation.plausibility import plausibility_findings
from evaluation.utility.findings import utility_findings
from evaluation.utility.transfer import Bench, transfers
from privacy.cohort import Cohort
from privacy.errors import CheckError, refusal

Progress = Callable[[str, int, int], None]
Stage = Callable[[], tuple[Finding, ...]]
FEWEST_PATIENTS = 2


def evaluate(
    train: Cohort, holdout: Cohort, synthetic: Cohort, *, seed: int = 0, progress: Progress | None = None
) -> tuple[Finding, ...]:
    """Measure `synthetic` against `train`, with `holdout` as what fresh real patients would give.

    `progress` is called with the stage, how many are done and how many there are. The same seed
    gives the same findings. Raises CheckError when the cohorts differ in schema or have fewer
    than two patients.

    Privacy: internal only.
    """
    _require_comparable(train, holdout, synthetic)
    # Small fits run many in a row: one thread each is faster than threads that wait for one another.
    with threadpool_limits(limits=1):
        arms = Arms.of(train.reported(), holdout.reported(), synthetic.reported(), seed=seed)
        bench = cache(lambda: Bench.of(train, holdout, synthetic, seed=seed))
        done = cache(lambda: transfers(bench(), train))
        stages: tuple[tuple[str, Stage], ...] = (
            ("constraints", lambda: constraint_findings(train, synthetic)),
            ("patients", lambda: patient_findings(arms, seed=seed)),
            ("labs", lambda: lab_findings(arms)),
            ("plausibility", lambda: plausibility_findings(arms)),
            ("detection", lambda: (two_sample(arms, seed=seed),)),
            ("utility", lambda: utility_findings(bench(), done(), (train, holdout, synthetic))),
            ("fairness", lambda: fairness_findings(train, holdout, synthetic, done(), seed=seed)),
        )
        findings: list[Finding] = []
        for number, (name, stage) in enumerate(stages):
            if progress is not None:
                progress(name, number, len(stages))
            findings += _timed(stage)
    if progress is not None:
        progress("done", len(stages), len(stages))
    return tuple(findings)


def patient_findings(arms: Arms, *, seed: int = 0) -> tuple[Finding, ...]:
    """Fidelity of the patients' table.

    Privacy: internal only.
    """
    return (
        one_way(arms),
        two_way(arms, seed=seed),
        three_way(arms, seed=seed),
        correlations(arms),
        missing_rates(arms),
        missing_patterns(arms),
        last_digits(arms),
        *each_column(arms),
    )


def lab_findings(arms: Arms) -> tuple[Finding, ...]:
    """Fidelity of the lab records; nothing where the schema has no test.

    Privacy: internal only.
    """
    if not arms.schema.tests:
        return ()
    return (
        values(arms),
        records(arms),
        gaps(arms),
        presence(arms),
        panels(arms),
        ever_measured(arms),
        *pairs_in_a_draw(arms),
        lag_one(arms),
        cross_lag(arms),
        spread(arms),
        slopes(arms),
        attribute_and_value(arms),
        *each_test(arms),
    )


def _require_comparable(train: Cohort, holdout: Cohort, synthetic: Cohort) -> None:
    for name, cohort in (("train", train), ("holdout", holdout), ("synthetic", synthetic)):
        if cohort.schema.sha256 != train.schema.sha256:
            raise CheckError(
                refusal(
                    what=f"the {name} cohort",
                    must="be in the schema of the training cohort",
                    got=f"schema {cohort.schema.name!r}",
                    fix="read all tables with one schema file",
                )
            )
        if len(cohort) < FEWEST_PATIENTS:
            raise CheckError(
                refusal(
                    what=f"the {name} cohort",
                    must=f"have at least {FEWEST_PATIENTS} patients",
                    got=str(len(cohort)),
                    fix="read or sample more patients",
                )
            )


def _timed(stage: Stage) -> list[Finding]:
    """The findings of a stage, its seconds shared evenly among them."""
    start = time.perf_counter()
    findings = stage()
    each = (time.perf_counter() - start) / max(len(findings), 1)
    return [replace(finding, seconds=each) for finding in findings]
