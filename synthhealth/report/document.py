"""The two documents: what may leave and what stays inside, with a published JSON Schema for each."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field

from evaluation.finding import Finding
from evaluation.portrait import Portrait
from synthhealth.report.accountability import Assumption, Clause, Hazard, SignBox, Term, Unprotected
from synthhealth.report.attack_parts import AttackRow, AuditRow, Structure
from synthhealth.report.parts import (
    EarlierRelease,
    Header,
    LedgerPart,
    Lineage,
    Odds,
    OpenScope,
    Part,
    PopulationTotal,
    Promise,
    Verdict,
)


class OpenQuality(Part):
    """A utility or fidelity number that was paid for in the ledger or computed on public data."""

    title: str
    subject: str
    value: float
    low: float | None
    high: float | None
    scope: OpenScope


class Change(Part):
    """One line of the change log."""

    on: str
    what: str


class Common(Part):
    """What both editions hold; nothing in it is exact from real rows."""

    legal: str
    header: Header
    verdict: Verdict
    promise: Promise
    population: PopulationTotal | None
    ledger: LedgerPart
    odds: Odds | None
    unprotected: tuple[Unprotected, ...]
    attacks: tuple[AttackRow, ...]
    attack_authority: str
    together: tuple[EarlierRelease, ...]
    audit: AuditRow | None
    structure: tuple[Structure, ...]
    not_fit_for: tuple[str, ...]
    lineage: Lineage
    hazards: tuple[Hazard, ...]
    assumptions: tuple[Assumption, ...]
    clauses: tuple[Clause, ...]
    sign_off: tuple[SignBox, ...]
    terms: tuple[Term, ...]
    triggers: tuple[str, ...]
    changes: tuple[Change, ...]


class ReleaseDocument(Part):
    """What may leave: public and paid numbers, and attack results rounded outward.

    No part of it has a place for an exact number from real rows.
    """

    format: Literal["synthhealth-report-release/1"] = "synthhealth-report-release/1"
    edition: Literal["release"] = "release"
    common: Common
    quality: tuple[OpenQuality, ...]


class InnerFinding(Part):
    """One finding in full; the numbers are exact and outside the guarantee."""

    scope: Literal["internal_exact", "public", "dp_charged"]
    finding: Finding


class InternalDocument(Part):
    """What must not leave: everything, exact."""

    format: Literal["synthhealth-report-internal/1"] = "synthhealth-report-internal/1"
    edition: Literal["internal"] = "internal"
    notice: str = Field(default="Exact numbers about real patients: this edition must not leave the institution.")
    common: Common
    findings: tuple[InnerFinding, ...]
    portrait: Portrait | None


def release_schema() -> str:
    """The JSON Schema of the release edition, as it is published."""
    return _schema(ReleaseDocument, "urn:synthhealth:schema:report-release:1")


def internal_schema() -> str:
    """The JSON Schema of the internal edition."""
    return _schema(InternalDocument, "urn:synthhealth:schema:report-internal:1")


def _schema(model: type[Part], name: str) -> str:
    body = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name, **model.model_json_schema()}
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
