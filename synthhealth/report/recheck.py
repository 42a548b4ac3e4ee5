"""Computes the report's numbers again: prices by three accountants, odds from the profile, verdict from the policy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

from privacy.accounting import epsilon_rdp
from privacy.events import Event, event_from_json
from synthhealth.report.account import EPSILONS, Account, price, profile, second_price
from synthhealth.report.assemble import files_fingerprint, odds_of, report_id
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.judge import Grounds, judge
from synthhealth.report.parts import ProfilePoint
from synthhealth.report.policy import PolicyFile

CLOSE = 1e-4


def recheck(folder: Path, document: ReleaseDocument) -> tuple[tuple[str, Callable[[], str]], ...]:
    """Named checks, each a function that returns what is wrong, empty when nothing is.

    Raises CheckError or ConfigError when the ledger or the policy cannot be read.

    Privacy: free; reads parameters and printed numbers, no rows.
    """
    account = Account.read((folder / "ledger.json").read_bytes())
    policy = PolicyFile.load(folder / "policy.toml")
    return (
        ("the fingerprint and the report's id follow from the files", lambda: _identity(folder, document)),
        ("every charge of the report is the ledger's, at its price", lambda: _charges(account, document)),
        ("epsilon and the profile follow from the charges (PLD)", lambda: _headline(account, document)),
        ("two other accountants agree (PRV, RDP)", lambda: _opinions(account, policy, document)),
        ("the population's total follows from its runs", lambda: _population(document)),
        ("the odds follow from the printed profile", lambda: _odds(document)),
        ("the verdict follows from the policy", lambda: _verdict(policy, document)),
    )


def _identity(folder: Path, document: ReleaseDocument) -> str:
    header = document.common.header
    fingerprint = files_fingerprint(tuple((f.path, f.sha256) for f in document.common.lineage.files))
    if fingerprint != header.fingerprint:
        return "the fingerprint is not that of the released files"
    wanted = report_id(fingerprint, header.created_on, (folder / "ledger.json").read_bytes())
    return "" if wanted == header.report_id else "the report's id is another one"


def _charges(account: Account, document: ReleaseDocument) -> str:
    lines = account.lines()
    printed = document.common.ledger.lines
    if len(lines) != len(printed) or document.common.ledger.count != len(lines):
        return f"the ledger has {len(lines)} charges, the report {len(printed)}"
    for mine, theirs in zip(lines, printed, strict=True):
        same = mine.model_copy(
            update={"epsilon_alone": theirs.epsilon_alone, "epsilon_running": theirs.epsilon_running}
        )
        if same != theirs or not _near(mine.epsilon_alone, theirs.epsilon_alone):
            return f"charge {theirs.name!r} is not the ledger's"
        if not _near(mine.epsilon_running, theirs.epsilon_running):
            return f"the running total at {theirs.name!r} is {mine.epsilon_running:g}"
    return ""


def _headline(account: Account, document: ReleaseDocument) -> str:
    promise = document.common.promise
    if promise.epsilon is None or promise.delta is None or promise.replace_one_epsilon is None:
        return "" if not promise.applies and not document.common.lineage.private else "epsilon is missing"
    if not promise.applies or not document.common.lineage.private:
        return "an epsilon is printed for an engine without differential privacy"
    if not _near(account.epsilon, promise.epsilon.value) or account.delta != promise.delta.value:
        return f"epsilon is {account.epsilon:g} at delta {account.delta:g}"
    if not _near(account.replace_one_epsilon, promise.replace_one_epsilon.value):
        return f"epsilon for replace one is {account.replace_one_epsilon:g}"
    return _profile_differs(promise.profile, account.profile)


def _opinions(account: Account, policy: PolicyFile, document: ReleaseDocument) -> str:
    promise = document.common.promise
    if promise.epsilon is None:
        return ""
    prv, rdp = second_price(account.events, account.delta), epsilon_rdp(account.events, account.delta)
    allowed = policy.policy.limits.accountants_agree
    if abs(prv - promise.epsilon.value) > allowed * promise.epsilon.value:
        return f"PRV gives {prv:g}, the report {promise.epsilon.value:g}"
    told = {a.kind: a.epsilon for a in promise.accountants}
    for kind, value in (("second opinion", prv), ("upper bound", rdp), ("headline", account.epsilon)):
        if math.isfinite(value) != (kind in told) or (kind in told and not _near(value, told[kind])):
            return f"the {kind} is {value:g}"
    return ""


def _population(document: ReleaseDocument) -> str:
    total = document.common.population
    if total is None:
        return ""
    events = tuple(event_from_json(json.loads(text)) for run in total.runs for text in run.events)
    spent = price(events, total.delta)
    if not _near(spent, total.epsilon) or not _near(total.ceiling_epsilon - spent, total.left_epsilon, tiny=1e-4):
        return f"all runs together cost {spent:g}"
    so_far: tuple[Event, ...] = ()
    for run in total.runs:
        alone = tuple(event_from_json(json.loads(text)) for text in run.events)
        so_far = (*so_far, *alone)
        if not _near(price(alone, total.delta), run.epsilon_alone):
            return f"run {run.run_id} costs {price(alone, total.delta):g}"
        if not _near(price(so_far, total.delta), run.epsilon_running):
            return f"up to run {run.run_id} {price(so_far, total.delta):g} was spent"
    return _profile_differs(total.profile, profile(events))


def _profile_differs(printed: tuple[ProfilePoint, ...], mine: tuple[tuple[float, float], ...]) -> str:
    if tuple(p.epsilon for p in printed) != EPSILONS:
        return "the profile is not on the published grid"
    for point, (_, delta) in zip(printed, mine, strict=True):
        if not _near(delta, point.delta, tiny=1e-13):
            return f"delta at epsilon {point.epsilon:g} is {delta:g}"
    return ""


def _odds(document: ReleaseDocument) -> str:
    common = document.common
    if common.odds is None:
        return "" if not common.promise.applies else "the odds are missing"
    if odds_of(common.promise, common.population) != common.odds:
        return "the odds are not those of the profile"
    return ""


def _verdict(policy: PolicyFile, document: ReleaseDocument) -> str:
    common = document.common
    grounds = Grounds(
        header=common.header,
        promise=common.promise,
        population=common.population,
        attacks=common.attacks,
        audit=common.audit,
        structure=common.structure,
        policy_recorded=common.verdict.policy.recorded_sha256,
    )
    again = judge(policy, grounds)
    if again == common.verdict:
        return ""
    if again.outcome != common.verdict.outcome:
        return f"the policy gives {again.sentence!r}, the report says {common.verdict.sentence!r}"
    return "the checks are not those that the policy gives"


def _near(mine: float, theirs: float, *, tiny: float = 1e-9) -> bool:
    return abs(mine - theirs) <= max(tiny, CLOSE * abs(mine))
