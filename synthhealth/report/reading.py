"""Says the document's numbers in sentences; every number in them is read from the document."""

from __future__ import annotations

import json
import math

from synthhealth.report.attack_parts import AttackRow, RoundedMeasure
from synthhealth.report.document import Common
from synthhealth.report.parts import Tier
from synthhealth.report.wording import number

MEASURES = {
    "auc": "AUC",
    "excess": "excess over control",
    "worst group": "excess in the worst group",
}
TIERS = {
    "public": "anyone",
    "controlled": "a registry with controlled access",
    "named": "a named recipient under agreement",
    "internal": "the institution itself",
}
STATES = {"pass": "passes", "review": "review", "fail": "fails", "not_measured": "not measured"}


def recipient(tier: Tier) -> str:
    """Who receives the release: by name and kind, or by kind alone where nobody is named."""
    kind = TIERS[tier.name]
    return f"{tier.recipient} ({kind})" if tier.recipient else kind


def measure_title(name: str) -> str:
    """A measure's name as it is printed."""
    if name.startswith("tpr at fpr "):
        return f"TPR at {float(name.removeprefix('tpr at fpr ')) * 100:g} % FPR"
    return MEASURES.get(name, name)


def interval(measure: RoundedMeasure) -> str:
    """The interval of a measure, in per cent where it is a rate."""
    if measure.name == "auc":
        return f"{measure.low:.2f} to {measure.high:.2f}"
    low, high = (f"{value * 100:g}".replace("-", "\u2212") for value in (measure.low, measure.high))
    return f"{low} to {high} %"


def event_words(text: str) -> str:
    """An event of the ledger with its native parameters, as one reads it."""
    told = json.loads(text)
    return f"{told['kind']}: " + ", ".join(f"{name} {value:g}" for name, value in told.items() if name != "kind")


def in_words(delta: float) -> str:
    """A delta as one in so many."""
    return f"1 in {round(1 / delta):,}" if delta > 0 else "none"


def odds_sentence(common: Common) -> str:
    """How many of a hundred attackers are right."""
    if common.odds is None:
        return "The engine is not differentially private: no bound on an attacker exists, and none is printed."
    return (
        "Of 100 attackers who know everything about everyone else and must say whether one person's record was used, "
        f"50 are right by tossing a coin. With {common.odds.covers}, at most {common.odds.right_in_100} are right."
    )


def careful_sentence(common: Common) -> str:
    """How many a careful attacker catches, and how sure an accusation is."""
    if common.odds is None:
        return ""
    tpr = common.odds.tpr[0]
    sure = next(p for p in common.odds.posterior if p.prior == 0.5 and p.fpr == tpr.fpr)  # noqa: PLR2004  # even odds
    caught = math.ceil(round(tpr.tpr * 1000, 6))
    return (
        f"An attacker who accuses only when almost certain, 1 stranger in {round(1 / tpr.fpr):,}, finds at most "
        f"{caught} of 1,000 members. From an even suspicion such an accusation is then right at most "
        f"{number(sure.posterior, 'most')} of the time."
    )


def strongest(common: Common) -> tuple[AttackRow, RoundedMeasure] | None:
    """The membership attack with the highest upper limit of its AUC, or else of whatever was measured."""
    found = [(row, m) for row in common.attacks for m in row.measures if m.name == "auc"]
    if len(found) == 0:
        found = [(row, m) for row in common.attacks for m in row.measures]
    return max(found, key=lambda pair: (pair[1].high, pair[1].low)) if found else None


def attack_sentence(common: Common) -> str:
    """The strongest attack with its interval, its rate at a low false-positive rate, and the ceiling there."""
    best = strongest(common)
    if best is None:
        return "No attack was run."
    row, measure = best
    said = f"{row.title}: {measure_title(measure.name)} {interval(measure)}"
    said += " (0.5 is a coin toss)" if measure.name == "auc" else ""
    rates = [m for m in row.measures if m.name.startswith("tpr at fpr ")]
    if rates and row.ceilings:
        rate = rates[0]
        cap = next((c for c in row.ceilings if rate.name == f"tpr at fpr {c.fpr:g}"), None)
        if cap is not None:
            said += (
                f"; caught {interval(rate)} of members at {cap.fpr * 100:g} % false accusations, "
                f"where the ceiling is {number(cap.tpr, 'most')}"
            )
    return said + "."


def budget_sentence(common: Common) -> str:
    """What the population has spent and what is left."""
    total = common.population
    if total is None:
        return "No population ledger was given: this is the price of this release alone."
    count = len(total.runs)
    return (
        f"{count} run{'s' if count != 1 else ''} about population {total.id}, broken-off ones included; "
        f"{number(total.left_epsilon, 'epsilon')} is left below the ceiling of {total.ceiling_epsilon:g}."
    )
