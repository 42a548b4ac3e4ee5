"""The answer of an audit: what the command line shows, what is kept beside the run, and what the report is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import rfc8785
from pydantic import ValidationError

from privacy.errors import CheckError, refusal
from privacy.plan import Plan
from synthhealth.generators.protocol import EngineName
from synthhealth.report.evidence import Audit
from synthhealth.results import Result

if TYPE_CHECKING:  # who reads an answer needs no engine
    from synthhealth.audit.profile_test import ProfileTest
    from synthhealth.audit.tiny_world import Scan

AUDIT_FILE = "audit.json"
EXIT_FALSIFIED = 5
Verdict = Literal["falsified", "no power", "not falsified"]
FALSIFIED: Verdict = "falsified"
POWERLESS: Verdict = "no power"
HOLDS: Verdict = "not falsified"
_PLAN_PARTS = ("budget", "cohort_size", "charges")
_TRIED = ("privacy", "synthhealth/audit", "synthhealth/encoding", "synthhealth/generators")
_ROOT = Path(__file__).parents[2]


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
    """What `audit` found; `plan` and `code` are the fingerprints of the plan and of the code that it is about.

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
    code: str

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


def audit_of(internal: Path, ledger_json: bytes) -> Audit | None:
    """The evidence of an audit that was kept in the folder `internal`.

    None where there is none, and where it is about another plan than this ledger's, or tried
    other code than is installed now. Raises CheckError where the file is not as it was written.

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
    of_plan = kept.plan == _fingerprint({name: ledger[name] for name in _PLAN_PARTS})
    return kept.evidence if of_plan and kept.code == code_fingerprint() else None


def answer_mark(internal: Path) -> str:
    """The SHA-256 of the answer that is kept in the folder `internal`, empty where none is.

    Privacy: free; nothing of it was read from rows.
    """
    path = internal / AUDIT_FILE
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def code_fingerprint() -> str:
    """What tells one state of the audited source from another, in hex.

    Privacy: free; reads no rows.
    """
    told = hashlib.sha256()
    for folder in _TRIED:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            told.update(f"{path.relative_to(_ROOT).as_posix()}\n".encode())
            told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()


def fingerprint(plan: Plan) -> str:
    """What tells one plan from another, in hex.

    Privacy: free; reads no rows.
    """
    return _fingerprint(plan.to_json())


def _fingerprint(plan: Mapping[str, object]) -> str:
    """SHA-256 of a plan's content in its canonical form (RFC 8785): a ledger writes 2.0 as 2."""
    return hashlib.sha256(rfc8785.dumps(json.loads(json.dumps(plan)))).hexdigest()
