"""The audit of one project's engine, budget and schema, as the command line tells it; no row is read for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from privacy.errors import CheckError, ConfigError, refusal
from privacy.events import SampledGaussian
from privacy.plan import Plan
from synthhealth.audit.canary_audit import CANARIES, CanaryAudit, audit_engine, audit_sums
from synthhealth.audit.profile_test import ProfileTest
from synthhealth.audit.tiny_world import EXTREMES, Scan, scan
from synthhealth.config import Config
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import EngineName, Progress, quiet
from synthhealth.generators.vae.engine import VaeEngine
from synthhealth.job import Job
from synthhealth.output import write_whole
from synthhealth.report.evidence import Audit
from synthhealth.results import Result

RUNS = 16
STEPS, SUMS = "the private steps of a whole fit", "the noisy sums"
AUDIT_FILE = "audit.json"
PLAN_PARTS = ("budget", "cohort_size", "charges")
Verdict = Literal["falsified", "no power", "not falsified"]
FALSIFIED: Verdict = "falsified"
POWERLESS: Verdict = "no power"
HOLDS: Verdict = "not falsified"
EXIT_FALSIFIED = 5


class CanaryLine(Result):
    """One test of the claimed profile by scores of canaries; epsilons at the claim's delta.

    `excess` above 0 falsifies; `proven` needs no assumption, `ceiling` is the most that so few
    canaries could prove; `estimate`, `low` and `high` take the mechanism for a Gaussian one.
    """

    who: str
    members: int
    others: int
    fpr: float
    fnr: float
    excess: float
    proven: float
    ceiling: float
    estimate: float
    low: float
    high: float
    falsified: bool

    @staticmethod
    def of(who: str, test: ProfileTest) -> CanaryLine:
        """The line of one test."""
        return CanaryLine(
            who=who,
            members=test.members,
            others=test.others,
            fpr=test.fpr,
            fnr=test.fnr,
            excess=test.excess,
            proven=test.proven,
            ceiling=test.ceiling,
            estimate=test.estimate,
            low=test.low,
            high=test.high,
            falsified=test.falsified,
        )


class ScanLine(Result):
    """Fits of two tiny worlds that differ by one patient; `suspects` happened in one of them only."""

    patient: str
    runs: int
    events: int
    suspects: tuple[str, ...]
    loudest: str
    falsified: bool

    @staticmethod
    def of(found: Scan) -> ScanLine:
        """The line of one scan."""
        return ScanLine(
            patient=found.patient,
            runs=found.runs,
            events=found.events,
            suspects=tuple(
                f"{'with' if one.with_patient else 'without'} the patient only: {one.event}" for one in found.suspects
            ),
            loudest=found.loudest,
            falsified=found.falsified,
        )


class Audited(Result):
    """What `audit` found; `plan` is the fingerprint of the plan it is about.

    `tests` are all canaries, those with one row, those with more records than the cap, and a
    planted leak that must be found out: patients who are in or out three at a time.
    The verdict is "falsified", "no power" where the planted leak was missed, or "not falsified".
    """

    engine: EngineName
    audited: str
    epsilon: float
    delta: float
    claimed: float
    canaries: int
    alpha: float
    tests: tuple[CanaryLine, ...]
    scans: tuple[ScanLine, ...]
    verdict: Verdict
    plan: str

    @property
    def exit_code(self) -> int:
        """5 where the claim is false, else 0."""
        return EXIT_FALSIFIED if self.verdict == FALSIFIED else 0

    @property
    def evidence(self) -> Audit:
        """What the report is told of it."""
        found, planted = self.tests[0], self.tests[-1]
        return Audit(
            epsilon_lower=found.proven,
            epsilon_ceiling=found.ceiling,
            profile_falsified=self.verdict == FALSIFIED,
            planted_caught=planted.falsified,
            canaries=self.canaries,
            level=1.0 - self.alpha,
        )


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


def audit_of(internal: Path, ledger_json: bytes) -> Audit | None:
    """The evidence of an audit that was kept in the folder `internal`, where it is about the plan of this ledger.

    Raises CheckError where the file is not as it was written.

    Privacy: free; nothing of it was read from rows.
    """
    path = internal / AUDIT_FILE
    if not path.exists():
        return None
    try:
        kept = Audited.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckError(
            refusal(
                what=f"audit file {path}",
                must="be as it was written",
                got="something else",
                fix="run `synthhealth audit` once more",
            )
        ) from error
    ledger = json.loads(ledger_json)
    return kept.evidence if kept.plan == _fingerprint({name: ledger[name] for name in PLAN_PARTS}) else None


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
        plan=_fingerprint(dict(plan.to_json())),
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


def _fingerprint(plan: Mapping[str, object]) -> str:
    """SHA-256 of a plan's content, whichever way its numbers were written."""
    return hashlib.sha256(json.dumps(json.loads(json.dumps(plan)), sort_keys=True).encode()).hexdigest()
