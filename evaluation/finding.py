"""What a test of the data has to say: an estimate that is nothing without its interval, baseline and controls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from privacy.notebook import html_table


class Verdict(StrEnum):
    """What a finding amounts to; the order of the words is the order of precedence among attacks."""

    INVALID = "INVALID"
    NO_POWER = "NO POWER"
    LEAK = "LEAK"
    NO_LEAK_DETECTED = "NO LEAK DETECTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_MEASURABLE = "NOT MEASURABLE"
    MEASURED = "MEASURED"


class Scope(StrEnum):
    """Where a number may go: only the first two may leave the institution."""

    PUBLIC = "public"
    DP_CHARGED = "dp_charged"
    INTERNAL_EXACT = "internal_exact"


class Family(StrEnum):
    """The chapter of the evidence a finding belongs to."""

    MEMBERSHIP = "membership"
    DISTANCE = "distance"
    SINGLING_OUT = "singling out"
    LINKABILITY = "linkability"
    INFERENCE = "inference"
    COPIES = "copies"
    FIDELITY = "fidelity"
    UTILITY = "utility"
    FAIRNESS = "fairness"
    CONSTRAINTS = "constraints"
    PLAUSIBILITY = "plausibility"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval [low, high] at `level`, found by `method`."""

    low: float
    high: float
    level: float = 0.95
    method: str = ""

    def holds(self, value: float) -> bool:
        """Whether `value` lies inside."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One number with its interval; `None` where it could not be resolved, with the reason in `note`."""

    name: str
    value: float | None
    interval: Interval | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A run of the same test on data whose right answer is known."""

    name: str
    expected: str
    estimate: Estimate
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatModel:
    """What the attacker sees and knows, printed beside every result."""

    name: str
    sees: str
    knows: str
    wants: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points for one line of a figure, both of shape [k]."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One test's result.

    `headline` is the number the verdict rests on; `others` stand beside it. For fidelity and
    utility, `floor` is real train against holdout, `ceiling` shuffled data, both in the unit of
    the headline. `subject` names the column, test, pair or subgroup, empty when it is the whole.
    `p_value` is that of "no leak", `p_adjusted` the same after correction for the whole family of attacks.
    """

    family: Family
    test: str
    title: str
    headline: Estimate
    verdict: Verdict
    scope: Scope = Scope.INTERNAL_EXACT
    subject: str = ""
    unit: str = "patient"
    n: int = 0
    others: tuple[Estimate, ...] = ()
    baseline: Estimate | None = None
    floor: Estimate | None = None
    ceiling: Estimate | None = None
    controls: tuple[Control, ...] = ()
    threat: ThreatModel | None = None
    curves: tuple[Curve, ...] = ()
    detection_limit: str = ""
    reason: str = ""
    citation: str = ""
    seconds: float = 0.0
    p_value: float | None = None
    p_adjusted: float | None = None

    def _repr_html_(self) -> str:
        """The finding as a notebook shows it."""
        return FindingTable(findings=(self,))._repr_html_()

    @property
    def gap_closed(self) -> float | None:
        """(ceiling - headline) / (ceiling - floor): 1 as good as fresh real data, 0 as bad as shuffled."""
        if self.headline.value is None or self.floor is None or self.ceiling is None:
            return None
        if self.floor.value is None or self.ceiling.value is None or self.ceiling.value == self.floor.value:
            return None
        return (self.ceiling.value - self.headline.value) / (self.ceiling.value - self.floor.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingTable:
    """Findings side by side, as a notebook shows them: value, interval, what fresh and shuffled data give, verdict.

    Privacy: internal only; the numbers are exact.
    """

    findings: tuple[Finding, ...]

    def _repr_html_(self) -> str:
        """The table."""
        lines = [
            (
                one.family,
                one.title if not one.subject or one.subject in one.title else f"{one.title}: {one.subject}",
                _told(one.headline),
                ""
                if one.headline.interval is None
                else f"{one.headline.interval.low:.3g} to {one.headline.interval.high:.3g}",
                _told(one.floor),
                _told(one.ceiling),
                one.verdict.lower(),
            )
            for one in self.findings
        ]
        header = ("family", "finding", "value", "95 % interval", "fresh real", "shuffled", "verdict")
        note = "internal: exact numbers about real patients stand here"
        return html_table(f"{len(self.findings)} findings", header, lines, note=note)


def _told(estimate: Estimate | None) -> str:
    return "" if estimate is None or estimate.value is None else f"{estimate.value:.3g}"
