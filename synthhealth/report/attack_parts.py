"""The parts of the report that tell of attacks: rounded results, controls, the audit, and the shape of the columns."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synthhealth.report.parts import Part, TprPoint


class Threat(Part):
    """What the attacker sees, knows and wants."""

    name: str
    sees: str
    knows: str
    wants: str


class RoundedMeasure(Part):
    """An attack result rounded outward as the policy says; it is exact on no row, and outside the guarantee."""

    name: str
    low: float
    high: float
    step: float
    level: float
    outside_guarantee: Literal[True] = True


class ControlOutcome(Part):
    """Whether a run on data whose right answer is known gave that answer."""

    name: str
    expected: str
    holds: bool


class AttackRow(Part):
    """One attack: names, threat model, controls, rounded results and the ceilings the guarantee sets."""

    family: str
    wp216: str
    edpb: str
    test: str
    title: str
    threat: Threat | None
    citation: str
    verdict: str
    measures: tuple[RoundedMeasure, ...]
    ceilings: tuple[TprPoint, ...]
    controls: tuple[ControlOutcome, ...]
    about_n: int = Field(description="number of patients, rounded down to one digit")


class AuditRow(Part):
    """The canary audit of the training: what it could prove, and how much it could at most have proved."""

    epsilon_lower: float
    epsilon_ceiling: float
    profile_falsified: bool
    planted_caught: bool
    canaries: int
    level: float
    outside_guarantee: Literal[True] = True


class Structure(Part):
    """A property of the released columns, read from the public schema alone."""

    id: str
    title: str
    columns: tuple[str, ...]
