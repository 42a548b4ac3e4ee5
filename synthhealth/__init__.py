"""Synthetic patients with their lab records, made under differential privacy, and the evidence to sign for them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.attacks.suite import attack
    from evaluation.finding import FindingTable
    from evaluation.suite import evaluate
    from privacy.budget import Budget
    from privacy.cohort import Cohort
    from privacy.schema import Schema
    from synthhealth.report import ComplianceReport
    from synthhealth.synthesizer import Synthesizer

__version__ = "0.1.0"
__all__ = [
    "Budget",
    "Cohort",
    "ComplianceReport",
    "FindingTable",
    "Schema",
    "Synthesizer",
    "__version__",
    "attack",
    "evaluate",
]

_HOMES = {
    "Budget": "privacy.budget",
    "Cohort": "privacy.cohort",
    "ComplianceReport": "synthhealth.report",
    "FindingTable": "evaluation.finding",
    "Schema": "privacy.schema",
    "Synthesizer": "synthhealth.synthesizer",
    "attack": "evaluation.attacks.suite",
    "evaluate": "evaluation.suite",
}


def __getattr__(name: str) -> object:
    """Import a public noun when it is first asked for, so that `synthhealth --help` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
