"""Turns readings into findings: negative controls first, then power, then the corrected p-value of the family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from evaluation.attacks.reading import Attack, Reading
from evaluation.finding import Control, Curve, Estimate, Finding, Verdict
from evaluation.intervals import holm

FAMILY_ALPHA = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attack that gave no reading on a stage, and why: a crash, or nothing to work on."""

    attack: Attack
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A control: what an attack must find there, "nothing", a leak it "must" find, or a "dose" that tells its limit.

    `limit` words the dose, `size` tells on how many patients it was planted. Doses of one
    `scale` are alike but for their strength: `ease` is larger for those that are easier to find.
    """

    name: str
    expected: str
    answer: Literal["nothing", "must", "dose"]
    limit: str = ""
    scale: str = ""
    ease: float = 0.0
    size: int = 0


Outcome = Reading | Failure
Outcomes = Mapping[str, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A control with the outcome of every attack on it, by the attack's name."""

    known: Known
    outcomes: Outcomes


def judge(outcomes: Outcomes, trials: tuple[Trial, ...]) -> tuple[Finding, ...]:
    """One finding an attack, with its verdict: INVALID > NO POWER > LEAK > NO LEAK DETECTED.

    p-values are corrected over all attacks that gave a reading (Holm); a control is judged at
    FAMILY_ALPHA over the number of attacks, so that the whole family errs once in a hundred
    evaluations.

    Privacy: internal only.
    """
    readings = [one for one in outcomes.values() if isinstance(one, Reading)]
    adjusted = dict(zip((one.attack.test for one in readings), holm([one.p_value for one in readings]), strict=True))
    level = FAMILY_ALPHA / max(1, len(readings))
    return tuple(
        _finding(one, trials, adjusted[name], level) if isinstance(one, Reading) else unread(one)
        for name, one in outcomes.items()
    )


def unread(failure: Failure) -> Finding:
    """The finding of an attack without a reading: INCONCLUSIVE or NOT MEASURABLE, never a pass."""
    attack = failure.attack
    return Finding(
        family=attack.family,
        test=attack.test,
        title=attack.title,
        headline=Estimate(name="", value=None, note=failure.reason),
        verdict=failure.verdict,
        threat=attack.threat,
        reason=failure.reason,
        citation=attack.citation,
    )


def _finding(reading: Reading, trials: tuple[Trial, ...], adjusted: float, level: float) -> Finding:
    attack = reading.attack
    mine = [(trial.known, trial.outcomes[attack.test]) for trial in trials]
    broken = [(known, outcome) for known, outcome in mine if isinstance(outcome, Failure)]
    heard = [(known, outcome) for known, outcome in mine if isinstance(outcome, Reading)]
    controls = (_permuted(reading, level), *(_control(known, one, level) for known, one in heard))
    verdict, reason = _verdict(controls, heard, adjusted)
    if broken:
        verdict = Verdict.INCONCLUSIVE
        reason = "; ".join(f"control {known.name}: {outcome.reason}" for known, outcome in broken)
    return Finding(
        family=attack.family,
        test=attack.test,
        title=attack.title,
        headline=reading.headline,
        verdict=verdict,
        n=reading.n,
        others=reading.others,
        baseline=reading.baseline,
        controls=controls,
        threat=attack.threat,
        curves=(*reading.curves, *_control_curves(heard)),
        detection_limit=_detection_limit(controls, heard),
        reason=reason,
        citation=attack.citation,
        seconds=reading.seconds + sum(one.seconds for _, one in heard),
        p_value=reading.p_value,
        p_adjusted=adjusted,
    )


def _permuted(reading: Reading, level: float) -> Control:
    return Control(
        name="NEG-permuted", expected="no signal", estimate=reading.permuted, holds=reading.permuted_p > level / 2
    )


def _control(known: Known, reading: Reading, level: float) -> Control:
    if known.answer == "nothing":
        holds = reading.p_value > level / 2
    else:
        value = reading.power.value
        enough = known.answer == "dose" or (value is not None and value >= reading.attack.copy_auc)
        holds = reading.p_value <= level and enough
    return Control(name=known.name, expected=known.expected, estimate=reading.power, holds=holds)


def _verdict(controls: tuple[Control, ...], heard: list[tuple[Known, Reading]], adjusted: float) -> tuple[Verdict, str]:
    answers = {known.name: known.answer for known, _ in heard}
    false_alarms = [one.name for one in controls if answers.get(one.name, "nothing") == "nothing" and not one.holds]
    if false_alarms:
        return Verdict.INVALID, f"a signal where there can be none: {', '.join(false_alarms)}"
    if any(answers.get(one.name) == "must" and not one.holds for one in controls):
        return Verdict.NO_POWER, "a leak of every training patient, planted on purpose, goes unnoticed"
    if adjusted <= FAMILY_ALPHA:
        return Verdict.LEAK, f"corrected p-value {adjusted:.2g}, at most {FAMILY_ALPHA:g}"
    return Verdict.NO_LEAK_DETECTED, f"corrected p-value {adjusted:.2g}, above {FAMILY_ALPHA:g}"


def _detection_limit(controls: tuple[Control, ...], heard: list[tuple[Known, Reading]]) -> str:
    """The hardest planted dose of each scale that this attack finds at this size, and the easiest that it misses."""
    held = {one.name: one.holds for one in controls}
    doses = sorted((known for known, _ in heard if known.limit), key=lambda known: known.ease)
    scales = dict.fromkeys(known.scale for known in doses)
    found = [[known.limit for known in doses if known.scale == scale and held[known.name]] for scale in scales]
    missed = [[known.limit for known in doses if known.scale == scale and not held[known.name]] for scale in scales]
    parts = []
    if any(found):
        parts.append(f"finds {', '.join(each[0] for each in found if each)}")
    if any(missed):
        parts.append(f"does not find {', '.join(each[-1] for each in missed if each)}")
    sizes = {(known.size, reading.n) for known, reading in heard if known.answer == "must"}
    size = "".join(f" (measured on {n} targets, {planted} of them copied)" for planted, n in sizes)
    return "; ".join(parts) + (size if parts else "")


def _control_curves(heard: list[tuple[Known, Reading]]) -> tuple[Curve, ...]:
    """The curves of the fresh and of the copy control, under their names, for figures that show floor and ceiling."""
    return tuple(
        replace(curve, name=f"{curve.name}, {known.name}")
        for known, reading in heard
        if known.answer in ("nothing", "must")
        for curve in reading.curves
        if "holdout" not in curve.name
    )
