"""The corridor from tables to report: one call a step, each of which finds on disk what the one before it has left."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import rfc8785

from evaluation.finding import Finding
from privacy.errors import ConfigError, refusal
from privacy.ledger import Ledger
from privacy.randomness import secret_bytes
from synthhealth import spending
from synthhealth.artifact import load as load_artifact
from synthhealth.charged_quality import measured, planned_quality, with_quality
from synthhealth.comparing import compared, read_sets
from synthhealth.conditions import Condition
from synthhealth.config import Config
from synthhealth.findings_file import found, write_findings, write_portrait
from synthhealth.fitting import fit
from synthhealth.gathering import gather
from synthhealth.generators.protocol import Progress, quiet
from synthhealth.io.csv_files import write_csv
from synthhealth.job import Job
from synthhealth.jointly import earlier_releases, named, together
from synthhealth.mixes import Mix
from synthhealth.output import write_whole
from synthhealth.planning import planned, synthetic_size
from synthhealth.progress import peak_memory_gb, within
from synthhealth.real_rows import admitted, sides
from synthhealth.results import Account, Checked, Compared, Found, NoticeLine, Planned, Ran, Reported, Sampled
from synthhealth.runstate import STEPS, FindingStep
from synthhealth.split_key import read_key
from synthhealth.suspicions import suspicions
from synthhealth.synthesizer import SmallCohortWarning, Synthesizer


def check(config: Config, *, progress: Progress = quiet) -> Checked:
    """Hold the tables against the schema.

    Raises DataError, naming table, column and rule and never a cell.

    Privacy: internal only.
    """
    job = Job.of(config)
    with within(progress, "check") as tell:
        admission = admitted(job, tell)
    return Checked(
        name=job.schema.name,
        patients=len(admission.cohort),
        records=len(admission.cohort.records),
        columns=len(job.schema.columns),
        tests=len(job.schema.tests),
        notices=tuple(NoticeLine.of(notice) for notice in admission.notices),
        suspicions=suspicions(admission),
    )


def plan(config: Config, *, timed: bool = False, records: int | None = None, progress: Progress = quiet) -> Planned:
    """What a fit would cost and promise; the data files need not exist.

    When `timed`, trials on made-up patients of about `records` lab records each (the schema's cap
    by default) tell how long fit and sample will take here, and in how much memory.

    Privacy: free; reads no rows.
    """
    job = Job.of(config)
    synthesizer = job.synthesizer()
    balance = spending.balance(job.population, synthesizer.plan(), planned_quality(job))
    told = None
    if timed:
        from synthhealth.forecast import forecast_of  # the engines' libraries stand behind it

        told = forecast_of(job, records, progress)
    return planned(config, synthesizer, balance, told)


def sample(config: Config, *, progress: Progress = quiet) -> Sampled:
    """Write the synthetic patients of the release.

    Privacy: free; reads no real rows.
    """
    job, began = Job.of(config), time.monotonic()
    job.require("fit")
    with within(progress, "sample"):
        synthetic = Synthesizer.load(job.output.model).sample(synthetic_size(config, job.schema))
        files = write_csv(synthetic, patients=job.output.patients, labs=job.output.labs)
        job.done("sample", began)
    return Sampled(patients=len(synthetic), records=len(synthetic.records), files=tuple(str(file) for file in files))


def draw(
    config: Config,
    to: Path,
    *,
    patients: int | None = None,
    where: Mapping[str, Condition] | None = None,
    balance: str | None = None,
    mix: Mix | None = None,
    seed: int | None = None,
    progress: Progress = quiet,
) -> Sampled:
    """Write further synthetic patients to another folder: another number, under conditions, mixed, of another seed.

    Privacy: free; reads no real rows.
    """
    job = Job.of(config)
    job.require("fit")
    with within(progress, "sample"):
        n = synthetic_size(config, job.schema) if patients is None else patients
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", SmallCohortWarning)
            synthetic = Synthesizer.load(job.output.model).sample(n, where=where, balance=balance, mix=mix, seed=seed)
        files = write_csv(synthetic, patients=to / "patients.csv", labs=to / "labs.csv")
    return Sampled(
        patients=len(synthetic),
        records=len(synthetic.records),
        files=tuple(str(file) for file in files),
        warnings=tuple(str(one.message) for one in warned if issubclass(one.category, SmallCohortWarning)),
    )


def quality(config: Config, *, progress: Progress = quiet) -> Found:
    """Buy quality numbers that may leave, from the held-out patients; their charge goes into the release's ledger.

    Raises ConfigError where the config asks for none or the engine promises nothing, BudgetError where the
    population's ceiling does not cover them.

    Privacy: spends `release.quality_epsilon` on the held-out patients; what it finds may leave.
    """
    job, began = Job.of(config), time.monotonic()
    job.require("sample")
    plan = planned_quality(job)
    if plan is None:
        raise ConfigError(
            refusal(
                what="quality_epsilon in [release]",
                must="be given, for a private engine",
                got="none, or an engine that promises nothing",
                fix="give it a small share, say 0.5; the report says so where nothing was bought",
            )
        )
    with within(progress, "quality") as tell:
        _, holdout, synthetic = sides(job, admitted(job, tell).cohort)
        run_id = f"{job.state.run_id}-quality-{secret_bytes(4).hex()}"
        bought = Ledger(plan, job.population, run_id)
        findings = measured(holdout, synthetic, bought)
        ledger_json = with_quality(load_artifact(job.output.model).ledger, bought)
        write_whole(job.output.ledger, rfc8785.dumps(json.loads(json.dumps(ledger_json))))
        spending.finish_if_open(job.population, run_id)
        return _kept(job, "quality", findings, began)


def evaluate(config: Config, *, progress: Progress = quiet) -> Found:
    """Fidelity, utility and fairness of the release's files, as they stand on disk.

    Privacy: internal only; what it finds is exact.
    """
    from evaluation.portrait import portrait
    from evaluation.suite import evaluate as evaluate_all  # the classifiers are heavy to import

    job, began = Job.of(config), time.monotonic()
    job.require("sample")
    with within(progress, "evaluate") as tell:
        train, holdout, synthetic = sides(job, admitted(job, tell).cohort)
        findings = evaluate_all(train, holdout, synthetic, seed=config.generator.seed, progress=tell)
        write_portrait(job.output.portrait, portrait(train.reported(), synthetic.reported()))
        return _kept(job, "evaluate", findings, began)


def compare(config: Config, folders: tuple[Path, ...], *, progress: Progress = quiet) -> Compared:
    """Every measure for several synthetic sets against this project's patients; writes internal/comparison.json.

    Raises CheckError before a fit has settled who is held out, ConfigError for fewer than two sets.

    Privacy: internal only; what it finds is exact.
    """
    from evaluation.suite import evaluate as evaluate_all  # see `evaluate`

    job = Job.of(config)
    job.require("fit")
    sets = read_sets(job.schema, folders)
    with within(progress, "compare") as tell:
        train, holdout = admitted(job, tell).cohort.split(config.data.holdout, key=read_key(job.output.keys))
        found = tuple(evaluate_all(train, holdout, one, seed=config.generator.seed, progress=tell) for one in sets)
    result = compared(folders, found)
    write_whole(job.output.comparison, result.model_dump_json(indent=2) + "\n")
    return result


def attack(config: Config, *, quick: bool = True, exposed: Path | None = None, progress: Progress = quiet) -> Found:
    """The attack suite with its controls, on the release's files as they stand on disk.

    When not `quick`, shadow models are fitted as the release was, and one without privacy for too
    long. The training patients most exposed go to the table `exposed`, by name and only on request.
    Where the config names earlier releases about the same people, once more on all of them together.

    Privacy: internal only; what it finds is exact.
    """
    from evaluation.attacks.suite import attack as attack_all  # see `evaluate`
    from synthhealth.exposure import write_exposed
    from synthhealth.shadow_fits import overfit_trainer, shadow_trainer

    job, began = Job.of(config), time.monotonic()
    job.require("sample")
    earlier = earlier_releases(job)
    with within(progress, "attack") as tell:
        everybody = admitted(job, tell).cohort
        train, holdout, synthetic = sides(job, everybody)
        run = partial(attack_all, quick=quick, seed=config.generator.seed, progress=tell)
        findings = run(
            train,
            holdout,
            synthetic,
            train_shadow=None if quick else shadow_trainer(job, len(synthetic)),
            train_overfit=None if quick else overfit_trainer(job),
        )
        if earlier:
            findings += named(run(*together(job, everybody, synthetic, earlier)), 1 + len(earlier))
        if exposed is not None:
            write_exposed(exposed, train, holdout, synthetic, seed=config.generator.seed)
        return _kept(job, "attack", findings, began)


def report(config: Config, *, progress: Progress = quiet) -> Reported:
    """Both editions of the report.

    Privacy: the release edition is given charged and public numbers only; the other one is internal.
    """
    from synthhealth.reporting import write_report  # a second accountant stands behind it, and takes seconds to import

    job, began = Job.of(config), time.monotonic()
    job.require("sample")
    with within(progress, "report"):
        result = write_report(gather(job), job.output)
        job.done("report", began)
    return result


def ledger(config: Config) -> Account:
    """What the population has spent.

    Privacy: free; reads no rows.
    """
    return spending.account(Job.of(config).population)


def run(config: Config, *, progress: Progress = quiet) -> Ran:
    """All steps that are not done yet, in order; killed at any point, the next call goes on from there.

    Privacy: spends the whole plan, once.
    """
    from synthhealth.reporting import read_report  # see `report`

    began = time.monotonic()
    planned_now, before = plan(config), Job.of(config)
    skipped = tuple(step for step in STEPS if before.has(step))
    if "fit" not in skipped:
        check(config, progress=progress)
        fit(config, progress=progress)
    if not Job.of(config).has("sample"):
        sample(config, progress=progress)
    if wants_quality(Job.of(config)):
        quality(config, progress=progress)
    if not Job.of(config).has("evaluate"):
        evaluate(config, progress=progress)
    if not Job.of(config).has("attack"):
        attack(config, progress=progress)
    job = Job.of(config)
    return Ran(
        planned=planned_now,
        reported=read_report(job.output) if job.has("report") else report(config, progress=progress),
        seconds=round(time.monotonic() - began, 1),
        peak_memory_gb=peak_memory_gb(),
        skipped=skipped,
    )


def wants_quality(job: Job) -> bool:
    """Whether quality numbers are asked for and not bought yet."""
    return job.config.release.quality_epsilon is not None and job.output.private and not job.has("quality")


def _kept(job: Job, step: FindingStep, findings: tuple[Finding, ...], began: float) -> Found:
    path = job.output.findings(step)
    write_findings(path, findings)
    job.done(step, began)
    return found(step, findings, path)
