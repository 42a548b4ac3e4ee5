"""The compliance report as a user holds it: made from evidence, written as two editions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from evaluation.finding import Finding
from privacy.notebook import html_table
from synthhealth.output import Output, write_whole
from synthhealth.report.account import Account
from synthhealth.report.assemble import disclose, internal_document, release_document
from synthhealth.report.canonical import canonical, sha256
from synthhealth.report.document import InternalDocument, ReleaseDocument
from synthhealth.report.evidence import Evidence
from synthhealth.report.policy import PolicyFile
from synthhealth.report.publish import publish
from synthhealth.report.render import render_internal


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceReport:
    """Both editions of one report, not yet on disk."""

    release: ReleaseDocument
    internal: InternalDocument
    policy: PolicyFile
    ledger_json: bytes
    findings: tuple[Finding, ...]

    @staticmethod
    def of(evidence: Evidence) -> ComplianceReport:
        """Price the ledger again, judge by the policy, and set down both editions.

        Raises CheckError when the ledger is not one that this version writes.

        Privacy: internal only; the release edition inside holds public and paid numbers and rounded attack results.
        """
        account = Account.read(evidence.ledger_json)
        release = release_document(disclose(evidence, account), account)
        return ComplianceReport(
            release=release,
            internal=internal_document(evidence, release),
            policy=evidence.policy,
            ledger_json=evidence.ledger_json,
            findings=evidence.findings,
        )

    def _repr_html_(self) -> str:
        """The verdict as a notebook shows it; both editions say more."""
        verdict = self.release.common.verdict
        lines = [(check.title, check.outcome, check.observed, check.required) for check in verdict.checks]
        return html_table(
            verdict.sentence, ("check", "outcome", "observed", "required"), lines, note="; ".join(verdict.reasons)
        )

    def write(self, out: str | Path | Output, *, pdf: bool = True) -> None:
        """Write `release/` and `internal/` below `out`, each file whole or not at all.

        `release/` gets report.json, report.html, policy.toml, ledger.json, annexes, VERIFY.txt, SHA256SUMS,
        and report.pdf where `pdf` is asked for and weasyprint is installed. `internal/` gets report.json,
        report.html and findings.json.

        Privacy: what goes into `internal/` is exact and must not leave.
        """
        place = out if isinstance(out, Output) else Output(out=Path(out))
        write_whole(place.policy, self.policy.content)
        write_whole(place.ledger, self.ledger_json)
        publish(place.release, self.release, pdf=pdf)
        inner = canonical(self.internal)
        write_whole(place.internal / "report.json", inner)
        write_whole(place.internal / "report.html", render_internal(self.internal, digest=sha256(inner)))
        write_whole(place.internal / "findings.json", _findings_json(self.findings))


def _findings_json(findings: tuple[Finding, ...]) -> str:
    told = json.loads(TypeAdapter(tuple[Finding, ...]).dump_json(findings))
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"
