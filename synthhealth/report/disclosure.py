"""The door between the editions: exact findings go in, rounded attack rows without free text come out."""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from evaluation.finding import Estimate, Family, Finding
from synthhealth.report.attack_parts import AttackRow, AuditRow, ControlOutcome, RoundedMeasure, Threat
from synthhealth.report.evidence import Audit
from synthhealth.report.odds import Profile, tpr_ceiling
from synthhealth.report.parts import TprPoint
from synthhealth.report.texts import Measured

AXES = {
    Family.MEMBERSHIP: ("inference (membership)", "no inference"),
    Family.DISTANCE: ("inference (membership)", "no inference"),
    Family.SINGLING_OUT: ("singling out", "no record isolation"),
    Family.LINKABILITY: ("linkability", "no linkage"),
    Family.INFERENCE: ("inference", "no inference"),
    Family.COPIES: ("singling out", "no record isolation"),
}
MEMBERSHIP = (Family.MEMBERSHIP, Family.DISTANCE)
CEILING_FPR = (0.001, 0.01, 0.1)
_TPR = re.compile(r"tpr at ([\d.]+) ?% fpr")


def attack_rows(findings: tuple[Finding, ...], *, step: float, profile: Profile) -> tuple[AttackRow, ...]:
    """One row for every attack among the findings; `profile` may be empty when there is no guarantee.

    Privacy: the rounded limits are outside the guarantee and say so in their type.
    """
    return tuple(_row(f, step=step, profile=profile) for f in findings if f.family in AXES)


def audit_row(audit: Audit, *, step: float) -> AuditRow:
    """The audit with its limits rounded downward."""
    return AuditRow(
        epsilon_lower=round_down(audit.epsilon_lower, step),
        epsilon_ceiling=round_down(audit.epsilon_ceiling, step),
        profile_falsified=audit.profile_falsified,
        planted_caught=audit.planted_caught,
        canaries=audit.canaries,
        level=audit.level,
    )


def round_down(value: float, step: float) -> float:
    """The largest multiple of `step` that is not above `value`."""
    return _to_step(value, step, ROUND_FLOOR)


def round_up(value: float, step: float) -> float:
    """The smallest multiple of `step` that is not below `value`."""
    return _to_step(value, step, ROUND_CEILING)


def measure_name(finding: Finding, estimate: Estimate) -> str:
    """The report's word for what an estimate measures; empty when it stays inside."""
    name = estimate.name.lower()
    tpr = _TPR.fullmatch(name)
    if "worst group" in name:
        return "worst group"
    if name == "auc":
        return "auc"
    if tpr is not None:
        return f"tpr at fpr {float(tpr[1]) / 100.0:g}"
    membership = finding.family in MEMBERSHIP
    return "excess" if estimate is finding.headline and not membership else ""


def size_class(n: int) -> int:
    """A number of patients rounded down to its first digit."""
    if n < 10:  # noqa: PLR2004  # below ten the first digit is the number itself
        return 0
    scale = 10 ** (len(str(n)) - 1)
    return int(n // scale * scale)


def measured(findings: tuple[Finding, ...], *, private: bool) -> frozenset[Measured]:
    """Which parts of the evidence hold any number; that they do is public."""
    known = {finding.family for finding in findings if finding.headline.value is not None}
    parts: dict[Measured, bool] = {
        "guarantee": private,
        "attacks": not known.isdisjoint(AXES),
        "fidelity": Family.FIDELITY in known,
        "fairness": Family.FAIRNESS in known,
    }
    return frozenset(part for part, holds in parts.items() if holds)


def _to_step(value: float, step: float, rounding: str) -> float:
    unit = Decimal(str(step))
    # Twelve digits first: a limit that is a threshold up to float error must round onto it.
    ticks = (Decimal(f"{value:.12f}") / unit).to_integral_value(rounding=rounding)
    return float(ticks * unit)


def _row(finding: Finding, *, step: float, profile: Profile) -> AttackRow:
    wp216, edpb = AXES[finding.family]
    measures = _measures(finding, step)
    return AttackRow(
        family=finding.family.value,
        wp216=wp216,
        edpb=edpb,
        test=finding.test,
        title=finding.title,
        threat=_threat(finding),
        citation=finding.citation,
        verdict=finding.verdict.value,
        measures=measures,
        ceilings=_ceilings(profile) if finding.family in MEMBERSHIP else (),
        controls=tuple(ControlOutcome(name=c.name, expected=c.expected, holds=c.holds) for c in finding.controls),
        about_n=size_class(finding.n),
    )


def _measures(finding: Finding, step: float) -> tuple[RoundedMeasure, ...]:
    rows: dict[str, RoundedMeasure] = {}
    for estimate in (finding.headline, *finding.others):
        name = measure_name(finding, estimate)
        interval = estimate.interval
        if name == "" or name in rows or interval is None or estimate.value is None:
            continue
        if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
            continue
        rows[name] = RoundedMeasure(
            name=name,
            low=round_down(interval.low, step),
            high=round_up(interval.high, step),
            step=step,
            level=interval.level,
        )
    return tuple(rows.values())


def _threat(finding: Finding) -> Threat | None:
    if finding.threat is None:
        return None
    t = finding.threat
    return Threat(name=t.name, sees=t.sees, knows=t.knows, wants=t.wants)


def _ceilings(profile: Profile) -> tuple[TprPoint, ...]:
    if len(profile) == 0:
        return ()
    return tuple(TprPoint(fpr=fpr, tpr=tpr_ceiling(profile, fpr)) for fpr in CEILING_FPR)
