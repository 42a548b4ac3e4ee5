"""The policy's checks of the attacks: upper limits pass, lower limits fail, everything else is for a person."""

from __future__ import annotations

import math

from evaluation.finding import Family, Verdict
from synthhealth.report.attack_parts import AttackRow, AuditRow, RoundedMeasure
from synthhealth.report.parts import Check, Outcome, Promise
from synthhealth.report.policy import Attack, Policy, TierLimits

_CHANCE = 0.5
_MEMBERSHIP = (Family.MEMBERSHIP.value, Family.DISTANCE.value)
_UNUSABLE = (Verdict.INVALID.value, Verdict.NO_POWER.value, Verdict.INCONCLUSIVE.value, Verdict.NOT_MEASURABLE.value)


def attack_checks(policy: Policy, limits: TierLimits, rows: tuple[AttackRow, ...]) -> tuple[Check, ...]:
    """Every check of the attacks, required ones that did not run among them.

    Privacy: free; reads rounded results.
    """
    top = policy.limits
    checks = [
        _limit("membership", "Membership, AUC", _found(rows, _MEMBERSHIP, "auc"), limits.auc_high, top.auc_fail),
        _limit(
            "worst group", "Worst group, excess", _found(rows, (), "worst group"), limits.worst_group_high,
            top.worst_group_fail if limits.worst_group_high is not None else None,
        ),
    ]  # fmt: skip
    for name in ("singling out", "linkability", "inference"):
        fail = top.excess_fail if limits.excess_high is not None else None
        found = _found(rows, (name,), "excess")
        checks.append(_limit(name, f"{name.capitalize()}, excess", found, limits.excess_high, fail))
    checks.append(_copies(tuple(row for row in rows if row.family == Family.COPIES.value)))
    kept = [c for c in checks if c.outcome != "not_measured" or _required(policy, c.id)]
    return (*kept, _controls(rows), _within_ceiling(rows))


def audit_check(policy: Policy, audit: AuditRow | None, promise: Promise) -> Check:
    """Whether the canary audit contradicts the ledger; an audit that could not have, never passes."""
    if audit is None:
        outcome: Outcome = "not_measured" if policy.required.audit else "pass"
        reason = "no audit of this plan by this version was run" if policy.required.audit else ""
        return _make("audit", "Canary audit of the training", "not run", "no contradiction", outcome, reason)
    observed = f"epsilon at least {audit.epsilon_lower:g} shown, {audit.epsilon_ceiling:g} could have been shown"
    epsilon = math.inf if promise.epsilon is None else promise.epsilon.value
    if audit.profile_falsified or audit.epsilon_lower > epsilon:
        why = "the audit contradicts the ledger: stop, and treat it as a bug"
        return _make("audit", "Canary audit of the training", observed, "no contradiction", "fail", why)
    if not audit.planted_caught or audit.epsilon_ceiling < epsilon:
        why = f"inconclusive: it could have shown an epsilon of at most {audit.epsilon_ceiling:g}"
        why = why if audit.planted_caught else "inconclusive: it missed a planted leak"
        return _make("audit", "Canary audit of the training", observed, "no contradiction", "review", why)
    return _make("audit", "Canary audit of the training", observed, "no contradiction", "pass", "")


def patients_to_decide(auc_high: float) -> int:
    """Patients an arm from which an attack without any success can stay below `auc_high`.

    The half-width of a 95 % interval at AUC 0.5 with n + n patients is 1.96 / sqrt(6 n) (Hanley, McNeil 1982).
    """
    room = auc_high - _CHANCE
    return math.ceil((1.96 / room) ** 2 / 60.0) * 10 if room > 0 else 0


def _make(name: str, title: str, observed: str, required: str, outcome: Outcome, reason: str) -> Check:
    return Check(
        id=name, group="attacks", title=title, observed=observed, required=required, outcome=outcome, reason=reason
    )


def _required(policy: Policy, name: str) -> bool:
    wanted: tuple[Attack, ...] = policy.required.attacks
    return name in wanted


def _found(rows: tuple[AttackRow, ...], families: tuple[str, ...], measure: str) -> tuple[RoundedMeasure, ...]:
    """The measures of that name in rows that could have seen something; no families mean all of them."""
    return tuple(
        m
        for row in rows
        if (len(families) == 0 or row.family in families) and row.verdict not in _UNUSABLE
        for m in row.measures
        if m.name == measure
    )


def _limit(name: str, title: str, found: tuple[RoundedMeasure, ...], high: float | None, fail: float | None) -> Check:
    required = "reported" if high is None else f"upper limit at most {high:g}"
    if len(found) == 0:
        return _make(name, title, "not measured", required, "not_measured", "not measured")
    worst = max(found, key=lambda m: (m.high, m.low))
    strongest = max(found, key=lambda m: m.low)
    one = f"{_plain(worst.low)} to {_plain(worst.high)}"
    observed = one if len(found) == 1 else f"at most {worst.high:g} ({len(found)} attacks)"
    if fail is not None and strongest.low >= fail:
        why = f"the lower limit {strongest.low:g} reaches {fail:g}"
        return _make(name, title, observed, required, "fail", why)
    if high is None or worst.high <= high:
        return _make(name, title, observed, required, "pass", "")
    why = f"the upper limit {worst.high:g} is above {high:g}"
    if name == "membership":
        why += f"; about {patients_to_decide(high)} patients an arm are needed to decide it"
    return _make(name, title, observed, required, "review", why)


def _copies(rows: tuple[AttackRow, ...]) -> Check:
    """The finding's own verdict decides: it is corrected for the number of attacks, and rounding hides no copy."""
    title, required = "Copied patients or runs of records", "no more than the holdout shows"
    found = _found(rows, (), "excess")
    if len(found) == 0:
        return _make("copies", title, "not measured", required, "not_measured", "not measured")
    worst = max(found, key=lambda m: (m.low, m.high))
    observed = f"{_plain(worst.low)} to {_plain(worst.high)}"
    if any(row.verdict == Verdict.LEAK.value for row in rows):
        return _make("copies", title, observed, required, "fail", "more copies of training patients than of others")
    if worst.low > 0.0:
        why = "more copies of training patients than of others, by this attack alone"
        return _make("copies", title, observed, required, "review", why)
    return _make("copies", title, observed, required, "pass", "")


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")


def _controls(rows: tuple[AttackRow, ...]) -> Check:
    title, required = "Controls behaved", "no false alarm; every kind of attack caught a planted leak"
    if len(rows) == 0:
        return _make("controls", title, "no attack ran", required, "not_measured", "no attack ran")
    bad = [row for row in rows if _spoils(row, rows)]
    usable = sum(row.verdict not in _UNUSABLE for row in rows)
    observed = f"{usable} of {len(rows)} attacks usable"
    if len(bad) == 0:
        return _make("controls", title, observed, required, "pass", "")
    names = ", ".join(f"{row.title} ({row.verdict.lower()})" for row in bad[:2])
    more = f" and {len(bad) - 2} more" if len(bad) > 2 else ""  # noqa: PLR2004  # two fit on a line
    return _make("controls", title, observed, required, "review", f"inconclusive: {names}{more}")


def _spoils(row: AttackRow, rows: tuple[AttackRow, ...]) -> bool:
    """A false alarm or a crash always counts; an attack without power only where no other of its kind had any."""
    if row.verdict in (Verdict.INVALID.value, Verdict.INCONCLUSIVE.value):
        return True
    if row.verdict not in _UNUSABLE:
        return False
    kind = _MEMBERSHIP if row.family in _MEMBERSHIP else (row.family,)
    return not any(other.family in kind and other.verdict not in _UNUSABLE for other in rows)


def _within_ceiling(rows: tuple[AttackRow, ...]) -> Check:
    """No attack may do better than the guarantee allows; a detected leak below the ceiling is for a person."""
    title, required = "Attacks stay under the ceiling", "no lower limit above the guarantee's ceiling"
    over = [row for row in rows if _above(row)]
    leaks = [row.title for row in rows if row.verdict == Verdict.LEAK.value]
    if any(row.verdict == Verdict.LEAK.value for row in over):
        why = f"{over[0].title} does better than the guarantee allows: stop, and treat it as a bug"
        return _make("ceiling", title, f"{len(over)} above", required, "fail", why)
    if len(over) > 0:
        why = f"{over[0].title} lies above the ceiling, but not clearly: repeat it with more patients"
        return _make("ceiling", title, f"{len(over)} above", required, "review", why)
    if len(leaks) > 0:
        why = f"a leak was detected below the ceiling: {', '.join(leaks[:3])}"
        return _make("ceiling", title, f"{len(leaks)} leaks detected", required, "review", why)
    return _make("ceiling", title, "none above", required, "pass", "")


def _above(row: AttackRow) -> bool:
    caps = {f"tpr at fpr {point.fpr:g}": point.tpr for point in row.ceilings}
    return any(m.name in caps and m.low > caps[m.name] for m in row.measures)
