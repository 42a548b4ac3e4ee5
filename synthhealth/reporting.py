"""Hands the evidence to the report, and says on one screen what a release folder amounts to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from synthhealth.output import Output
from synthhealth.report.compliance_report import ComplianceReport
from synthhealth.report.dsse import load_key, new_key
from synthhealth.report.evidence import Evidence
from synthhealth.report.signing import Decision, Signer, read_document
from synthhealth.report.signing import sign as sign_folder
from synthhealth.report.verification import verify as verify_folder
from synthhealth.results import NewKey, Reported, Signature, Verified, VerifiedLine
from synthhealth.spending import ledger_key


def write_report(evidence: Evidence, output: Output) -> Reported:
    """Write both editions; returns the verdict of the policy with its reasons.

    Privacy: the release edition is given charged and public numbers only; the other one is internal.
    """
    ComplianceReport.of(evidence).write(output)
    return read_report(output)


def read_report(output: Output) -> Reported:
    """The verdict of a report that stands in the out folder.

    Raises CheckError when there is none.

    Privacy: free; reads the release edition.
    """
    verdict = read_document(output.release).common.verdict
    return Reported(
        outcome=verdict.outcome,
        sentence=verdict.sentence,
        reasons=verdict.reasons,
        release=tuple(str(path) for path in sorted(output.release.glob("report.*"))),
        internal=tuple(str(path) for path in sorted(output.internal.glob("report.*"))),
    )


def verify(
    folder: Path, *, trusted: tuple[Path, ...] = (), account: Path | None = None, account_key: Path | None = None
) -> Verified:
    """Check a release folder offline.

    `trusted` are public keys that came over another channel. `account` is the population's own ledger, where
    the institution has it at hand, and `account_key` the file with the secret that signs its head.

    Raises ConfigError where the key's file is missing.

    Privacy: free; reads nothing but the folder and the ledger.
    """
    secret = None if account_key is None else ledger_key(account_key)
    seen = verify_folder(folder, today=_today(), trusted=trusted, account=account, account_key=secret)
    return Verified(
        folder=str(folder),
        results=tuple(VerifiedLine(name=r.name, holds=r.holds, detail=r.detail) for r in seen.results),
        missing=seen.missing,
        expired=seen.expired,
        exit_code=seen.exit_code,
    )


def sign(
    folder: Path, *, role: str, name: str, key: Path, months: int, declined: bool, password: bytes | None
) -> Signature:
    """Sign a release folder for one role and for some months, or decline to.

    Raises CheckError when a file was changed, ConfigError for a role that the policy does not ask for.

    Privacy: free; reads nothing but the folder.
    """
    until = _today() + timedelta(days=30 * months)
    decision: Decision = "declined" if declined else "signed"
    signer = Signer(role=role, name=name, decision=decision, on=_today(), valid_until=until)
    sign_folder(folder, signer, load_key(key, password))
    return Signature(folder=str(folder), role=role, name=name, decision=decision, until=until.isoformat())


def make_key(path: Path) -> NewKey:
    """Write a new signing key; raises ConfigError where a file stands already.

    Privacy: free; reads nothing.
    """
    return NewKey(path=str(path), id=new_key(path))


def _today() -> date:
    return datetime.now(UTC).date()
