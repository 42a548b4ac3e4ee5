"""Generators for the attacks' own use: shadows fitted as the release was, and one overfitted on purpose."""

from __future__ import annotations

from dataclasses import replace

from evaluation.attacks.ground import TrainGenerator
from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan
from synthhealth import spending
from synthhealth.generators.protocol import quiet
from synthhealth.job import Job
from synthhealth.synthesizer import Synthesizer

OVERFIT_STEPS = 800


def shadow_trainer(job: Job, size: int) -> TrainGenerator:
    """Fits the job's engine with the job's settings, privacy included, and draws `size` patients from it.

    What it costs is on no account: its patients serve the attacks and never leave.

    Privacy: internal only.
    """

    def trained(cohort: Cohort, seed: int) -> Cohort:
        shadow = Synthesizer(
            job.schema,
            budget=spending.budget_of(job.config, job.schema),
            cohort_size=len(cohort),
            engine=job.config.generator.engine,
            seed=seed,
        )
        shadow.fit(cohort)
        return shadow.sample(size)

    return trained


def overfit_trainer(job: Job) -> TrainGenerator:
    """Trains the autoencoder without privacy for far too long, and draws as many patients as it has learnt from.

    Privacy: internal only; outside every guarantee.
    """
    budget = spending.budget_of(job.config, job.schema)

    def trained(cohort: Cohort, seed: int) -> Cohort:
        from synthhealth.generators.dpsgd.unprotected import UnprotectedEngine  # torch takes seconds to import

        engine = UnprotectedEngine.of(job.schema, budget, len(cohort), seed)
        engine = replace(engine, recipe=replace(engine.recipe, steps=OVERFIT_STEPS))
        gate = Gate(cohort, Ledger(Plan(budget=budget, charges=(), cohort_size=len(cohort))))
        return engine.fit(gate, quiet).sample(len(cohort), seed)

    return trained
