"""Hands the evidence to the report and says on one screen what came of it."""

from __future__ import annotations

from synthhealth.output import Output
from synthhealth.report.compliance_report import ComplianceReport
from synthhealth.report.evidence import Evidence
from synthhealth.results import Reported


def write_report(evidence: Evidence, output: Output) -> Reported:
    """Write both editions; returns the verdict of the policy with its reasons.

    Privacy: the release edition is given charged and public numbers only; the other one is internal.
    """
    report = ComplianceReport.of(evidence)
    report.write(output)
    verdict = report.release.common.verdict
    return Reported(
        outcome=verdict.outcome,
        sentence=verdict.sentence,
        reasons=verdict.reasons,
        release=tuple(str(path) for path in sorted(output.release.glob("report.*"))),
        internal=tuple(str(path) for path in sorted(output.internal.glob("report.*"))),
    )
