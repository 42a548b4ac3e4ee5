"""The audit of one project's engine, budget and schema: canaries under its own plan, and tiny worlds."""

from __future__ import annotations

from privacy.errors import ConfigError, refusal
from privacy.events import SampledGaussian
from privacy.plan import Plan
from synthhealth.audit.answer import (
    AUDIT_FILE,
    FALSIFIED,
    HOLDS,
    POWERLESS,
    Audited,
    CanaryLine,
    ScanLine,
    code_fingerprint,
    fingerprint,
)
from synthhealth.audit.canary_audit import CANARIES, CanaryAudit, audit_engine, audit_sums
from synthhealth.audit.tiny_tables import EXTREMES
from synthhealth.audit.tiny_world import Scan, scan
from synthhealth.config import Config
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import EngineName, Progress, quiet
from synthhealth.generators.vae.engine import VaeEngine
from synthhealth.job import Job
from synthhealth.output import write_whole

RUNS = 16
STEPS, SUMS = "the private steps of a whole fit", "the noisy sums"


def audit(config: Config, *, canaries: int = CANARIES, runs: int = RUNS, progress: Progress = quiet) -> Audited:
    """Try the project's engine under its own plan with canaries, scan tiny worlds, and keep the answer for the report.

    Raises ConfigError for an engine that claims nothing.

    Privacy: free; reads no rows.
    """
    job = Job.of(config)
    synthesizer = job.synthesizer()
    _require_claim(config.generator.engine, private=synthesizer.engine.private)
    plan, engine, seed = synthesizer.plan(), synthesizer.engine, config.generator.seed
    if isinstance(engine, VaeEngine | DpsgdEngine) and _steps(plan):
        what, found = STEPS, audit_engine(engine, plan, seed=seed, canaries=canaries, progress=progress)
    else:
        what, found = SUMS, audit_sums(job.schema, plan, seed=seed, canaries=canaries)
    scans = tuple(scan(config.generator.engine, one, runs=runs, progress=progress) for one in EXTREMES)
    result = _told(config.generator.engine, what, plan, found, scans)
    write_whole(job.output.internal / AUDIT_FILE, result.model_dump_json(indent=2) + "\n")
    return result


def _told(engine: EngineName, what: str, plan: Plan, found: CanaryAudit, scans: tuple[Scan, ...]) -> Audited:
    falsified = found.found.falsified or any(one.falsified for one in scans)
    return Audited(
        engine=engine,
        audited=what,
        epsilon=plan.budget.epsilon,
        delta=plan.budget.delta,
        claimed=found.claimed,
        canaries=found.canaries,
        alpha=found.found.alpha,
        tests=(
            CanaryLine.of("all", found.found),
            CanaryLine.of("one row", found.static),
            CanaryLine.of("over the cap", found.heavy),
            CanaryLine.of("planted leak", found.control),
        ),
        scans=tuple(ScanLine.of(one) for one in scans),
        verdict=FALSIFIED if falsified else HOLDS if found.control.falsified else POWERLESS,
        plan=fingerprint(plan),
        code=code_fingerprint(),
    )


def _steps(plan: Plan) -> bool:
    return any(isinstance(charge.event, SampledGaussian) for charge in plan.charges)


def _require_claim(engine: EngineName, *, private: bool) -> None:
    if not private:
        raise ConfigError(
            refusal(
                what=f"engine {engine!r}",
                must="promise something that an audit can try",
                got="one without a guarantee",
                fix="name a private engine in the config",
            )
        )
