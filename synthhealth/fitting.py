"""The paid step: the budget is spent, ledger and model are written, and a fit that was killed is taken up or closed."""

from __future__ import annotations

import json
import time

import rfc8785

from privacy.cohort import Cohort
from privacy.randomness import secret_bytes
from synthhealth import spending
from synthhealth.artifact import load as load_artifact
from synthhealth.charged_quality import planned_quality
from synthhealth.config import Config
from synthhealth.generators.crew import Crew
from synthhealth.generators.device import require_device
from synthhealth.generators.protocol import Progress, quiet
from synthhealth.job import Job
from synthhealth.output import clear, held, made, write_whole
from synthhealth.progress import within
from synthhealth.real_rows import admitted
from synthhealth.results import Fitted
from synthhealth.split_key import read_or_make_key
from synthhealth.synthesizer import Synthesizer


def fit(config: Config, *, again: bool = False, progress: Progress = quiet) -> Fitted:
    """Spend the budget and write ledger and model; an earlier fit that was killed is noted as broken off.

    Raises ConfigError where there is a fit already and `again` is not set, BudgetError where
    the population's ceiling does not cover another, DataError for tables that break the rules;
    nothing is written then.

    Privacy: spends the whole plan.
    """
    job, began = Job.of(config), time.monotonic()
    if not again and _adopt(job):
        return _fitted(Job.of(config), 0.0)
    if not again:
        job.require_no_fit()
    with within(progress, "fit") as tell:
        require_device(config.generator.device, processes=Crew.joined().size)
        synthesizer = job.synthesizer()
        job.require_room(synthesizer, planned_quality(job))
        with made(job.output.internal) as files:
            cohort = admitted(job, tell, files=files).cohort
        with held(job.output):
            _spend(Job.of(config), synthesizer, cohort, tell)
            Job.of(config).done("fit", began)
    return _fitted(Job.of(config), time.monotonic() - began)


def _spend(job: Job, synthesizer: Synthesizer, cohort: Cohort, progress: Progress) -> None:
    """The paid part of a fit: its name is on disk before its charge, its model before the charge is closed."""
    spending.abort_if_open(job.population, job.state.run_id)
    train, _ = cohort.split(job.config.data.holdout, key=read_or_make_key(job.output.keys))
    run_id = secret_bytes(8).hex()
    clear(job.output)
    job.state.with_run(run_id, begun=job.mark("fit"), policy=job.policy.sha256).write(job.output)
    ledger = synthesizer.fit(train, run_id=run_id, progress=progress)
    write_whole(job.output.ledger, rfc8785.dumps(json.loads(json.dumps(ledger.to_json()))))
    synthesizer.save(job.output.model)
    spending.finish_if_open(job.population, run_id)


def _adopt(job: Job) -> bool:
    """Whether a fit that was killed had come as far as its model; then it is closed, and nothing is spent again."""
    if "fit" in job.state.done or job.state.begun != job.mark("fit") or not job.output.model.exists():
        return False
    if load_artifact(job.output.model).run_id != job.state.run_id:
        return False
    spending.finish_if_open(job.population, job.state.run_id)
    job.done("fit", time.monotonic())
    return True


def _fitted(job: Job, seconds: float) -> Fitted:
    promised = json.loads(job.output.ledger.read_bytes())["guarantee"]
    return Fitted(
        engine=job.config.generator.engine,
        private=job.output.private,
        epsilon=None if promised is None else promised["epsilon"],
        delta=None if promised is None else promised["delta"],
        model=str(job.output.model),
        seconds=round(seconds, 1),
    )
