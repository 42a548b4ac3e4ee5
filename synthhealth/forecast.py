"""How long a fit and a sample will take on this machine and in how much memory: tried on few, drawn out to many."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from privacy.budget import Budget
from privacy.cohort import Cohort, Records
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan, calibrate
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.audit.stand_ins import stand_ins
from synthhealth.block_sampling import PATIENTS_A_BLOCK, sample_blocks
from synthhealth.engines import make_engine
from synthhealth.generators.protocol import EngineName, Progress, quiet
from synthhealth.job import Job
from synthhealth.planning import synthetic_size, train_size
from synthhealth.progress import peak_memory_gb
from synthhealth.results import Forecast
from synthhealth.spending import budget_of
from synthhealth.threads import one_thread

MOST_TRIED = 9_000
MOST_RECORDS = 1_000_000
FEWER = 8  # the small trial has so many times fewer patients than the large one
TESTS_A_DRAW = 1 / 3
HARDER = 1.2  # people take more steps to fit than made-up patients do: see docs/benchmarks.md
CLEAR = Budget(epsilon=50, delta=1e-6)  # few patients are drowned in the noise that is right for many
# Bytes in memory: a record, a patient without records, copies of both from the tables to the fit, and a record drawn.
RECORD, PATIENT, COPIES, DRAWN = 22, 300, 3.5, 160
IN_PIECES = ("vae", "marginal")  # engines that never have all records in memory, since a fit holds them in files


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be forecast, all of it public: an engine for `patients`, each of about `records` records."""

    schema: Schema
    engine: EngineName
    budget: Budget
    patients: int
    synthetic: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a fit to made-up patients and as large a sample took, in seconds, and the most memory, in GB."""

    patients: int
    fit: float
    sample: float
    memory: float


def forecast_of(job: Job, records: int | None, progress: Progress = quiet) -> Forecast:
    """The forecast of a run's settings; `records` a patient are the schema's cap where nobody knows better.

    Privacy: free; reads no rows.
    """
    cap = job.schema.privacy_unit.max_records
    task = Task(
        schema=job.schema,
        engine=job.config.generator.engine,
        budget=budget_of(job.config, job.schema),
        patients=train_size(job.config, job.schema),
        synthetic=synthetic_size(job.config, job.schema),
        records=cap if records is None else min(records, cap),
    )
    return forecast(task, assumed=records is None, progress=progress)


def forecast(task: Task, *, assumed: bool, progress: Progress = quiet) -> Forecast:
    """Seconds and memory of a fit and a sample, drawn out in a line from two trials on made-up patients.

    `assumed` says that `task.records` is the cap and not somebody's knowledge. Each trial has a
    process of its own, so that its memory is its own. Where the whole is small, it is tried as it is.

    Privacy: free; reads no rows.
    """
    large = max(1, min(task.patients, MOST_TRIED, MOST_RECORDS // max(1, task.records)))
    sizes = [large] if large == task.patients else [max(1, large // FEWER), large]
    trials = []
    for place, size in enumerate(sizes):
        progress("plan: trials", place, len(sizes))
        trials.append(alone(task, size))
    progress("plan: trials", len(sizes), len(sizes))
    return drawn_out(task, trials, assumed=assumed)


def alone(task: Task, patients: int) -> Trial:
    """One trial in a process of its own.

    Privacy: free; there is no real row.
    """
    # spawned and not forked: a fork would begin with this process' memory
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as lone:
        return lone.submit(tried, task, patients).result()


def drawn_out(task: Task, trials: list[Trial], *, assumed: bool) -> Forecast:
    """The forecast from one trial of the whole size, or from a small and a large one.

    Privacy: free; post-processing of trials on made-up patients.
    """
    small, large = trials[0], trials[-1]
    between = max(large.patients - small.patients, 1)
    fit_slope = max(large.fit - small.fit, 0.0) / between
    more = max(task.patients - large.patients, 0)
    held = 0 if task.engine in IN_PIECES else RECORD * task.records
    learnt = large.memory + COPIES * more * (PATIENT + held) / 1e9
    block = DRAWN * task.records * max(min(task.synthetic, PATIENTS_A_BLOCK) - large.patients, 0)
    drawn = large.memory + (block + 2 * (PATIENT + RECORD * task.records) * task.synthetic) / 1e9
    return Forecast(
        records=task.records,
        assumed=assumed,
        fit_seconds=round(HARDER * (large.fit + fit_slope * more), 1),
        sample_seconds=round(large.sample * task.synthetic / large.patients, 1),
        memory_gb=round(max(learnt, drawn), 2),
        tried=tuple(trial.patients for trial in trials),
    )


def tried(task: Task, patients: int) -> Trial:
    """One trial, in this process.

    Privacy: free; there is no real row.
    """
    engine = make_engine(task.engine, task.schema, task.budget, cohort_size=task.patients, seed=0)
    cohort = made_up(task.schema, patients, task.records)
    if engine.private:
        plan = calibrate(CLEAR, engine.charges, cohort_size=patients)
    else:
        plan = Plan(budget=CLEAR, charges=engine.charges(1.0), cohort_size=patients)
    began = time.perf_counter()
    with one_thread(torch_too=task.engine != "marginal"):
        model = engine.fit(Gate(cohort, Ledger(plan)), quiet)
    fitted = time.perf_counter()
    sample_blocks(model, patients, 0)
    return Trial(patients=patients, fit=fitted - began, sample=time.perf_counter() - fitted, memory=peak_memory_gb())


def made_up(schema: Schema, n: int, records: int) -> Cohort:
    """`n` patients from the public bounds alone, with about `records` records each, a third of the tests a draw.

    Privacy: free; there is no real row.
    """
    rng, tests = public(0, "forecast"), len(schema.tests)
    patients = stand_ins(schema, n, 0).patients
    draws = max(1, round(records / max(1.0, tests * TESTS_A_DRAW)))
    start, end = schema.privacy_unit.window
    held = rng.random((n, draws, tests)) < max(TESTS_A_DRAW, 1 / max(tests, 1))
    owner, draw, test = np.nonzero(held)
    time = schema.times.cut(rng.uniform(start, end, (n, draws)))[owner, draw]
    low, high = np.array([of.bounds for of in schema.tests.values()], dtype=np.float64).reshape(-1, 2).T
    value = low[test] + rng.random(len(test)) * (high - low)[test]
    return Cohort(
        schema=schema, patients=patients, records=Records.sorted(owner=owner, time=time, test=test, value=value)
    )
