"""The compliance report: evidence in, two editions out, each with its hashes, verdict and sources."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthhealth.report.compliance_report import ComplianceReport
    from synthhealth.report.evidence import Evidence
    from synthhealth.report.policy import PolicyFile

__all__ = ["ComplianceReport", "Evidence", "PolicyFile"]

_HOMES = {
    "ComplianceReport": "synthhealth.report.compliance_report",
    "Evidence": "synthhealth.report.evidence",
    "PolicyFile": "synthhealth.report.policy",
}


def __getattr__(name: str) -> object:
    """Import a noun when it is first asked for, so that a policy can be read without the accountants."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
