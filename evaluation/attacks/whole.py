"""The suite as a whole: what its strongest attack found, and which planted leaks at least one attack catches."""

from __future__ import annotations

from dataclasses import replace

from evaluation.attacks.ground import COPIED_WORLD, OVERFIT_WORLD
from evaluation.attacks.reading import Attack
from evaluation.finding import Control, Estimate, Family, Finding, ThreatModel, Verdict

WHOLE = Attack(
    test="suite",
    title="The attacks as a whole",
    family=Family.MEMBERSHIP,
    threat=ThreatModel(
        name="every attack above",
        sees="what the attack sees that did best",
        knows="what the attack knows that did best",
        wants="any of it",
    ),
    citation="Holm 1979 over all attacks",
)


def whole(findings: tuple[Finding, ...]) -> Finding:
    """One finding for all attacks: the headline of the one with the least p-value, and a verdict for the family.

    INVALID where any negative control failed; LEAK where any attack says so, since that one
    passed its own controls; INCONCLUSIVE where any crashed; NO POWER where no attack noticed
    copies of 2 % of the patients; else NO LEAK DETECTED, down to the doses that at least one finds.

    Privacy: internal only.
    """
    read = [one for one in findings if one.p_adjusted is not None]
    controls = _any_of(tuple(read))
    verdict, reason = _verdict(findings, controls)
    strongest = min(read, key=lambda one: 1.0 if one.p_value is None else one.p_value, default=None)
    headline = Estimate(name="", value=None, note=reason)
    if strongest is not None:
        headline = replace(strongest.headline, name=f"{strongest.headline.name}, {strongest.test}")
    return Finding(
        family=WHOLE.family,
        test=WHOLE.test,
        title=WHOLE.title,
        headline=headline,
        verdict=verdict,
        unit="attack",
        n=len(read),
        baseline=None if strongest is None else strongest.baseline,
        controls=controls,
        threat=WHOLE.threat,
        detection_limit=_limit(controls),
        reason=reason,
        citation=WHOLE.citation,
        p_value=None if strongest is None else strongest.p_value,
        p_adjusted=None if strongest is None else strongest.p_adjusted,
    )


def _limit(controls: tuple[Control, ...]) -> str:
    found = [control.name for control in controls if control.name.startswith("POS") and control.holds]
    parts = [f"at least one attack finds {', '.join(found)}"] if found else []
    if any(control.name == OVERFIT_WORLD and not control.holds for control in controls):
        parts.append("no power against this kind of model: an overfitted one goes unnoticed")
    return "; ".join(parts)


def _any_of(findings: tuple[Finding, ...]) -> tuple[Control, ...]:
    """Each control over all attacks: a negative one holds if it holds everywhere, a positive one if anywhere."""
    names = dict.fromkeys(control.name for one in findings for control in one.controls)
    rows = []
    for name in names:
        each = [control for one in findings for control in one.controls if control.name == name]
        good = sum(control.holds for control in each)
        positive = name.startswith("POS")
        share = Estimate(name="attacks in which it holds", value=good / len(each), note=f"{good} of {len(each)}")
        expected = "found by at least one attack" if positive else "no signal in any attack"
        rows.append(
            Control(name=name, expected=expected, estimate=share, holds=good > 0 if positive else good == len(each))
        )
    return tuple(rows)


def _verdict(findings: tuple[Finding, ...], controls: tuple[Control, ...]) -> tuple[Verdict, str]:
    def named(verdict: Verdict) -> str:
        return ", ".join(one.test for one in findings if one.verdict is verdict)

    for verdict, why in (
        (Verdict.INVALID, "a negative control failed in"),
        (Verdict.LEAK, "found by"),
        (Verdict.INCONCLUSIVE, "no reading from"),
    ):
        if named(verdict):
            return verdict, f"{why} {named(verdict)}"
    if all(one.verdict is Verdict.NOT_MEASURABLE for one in findings):
        return Verdict.NOT_MEASURABLE, findings[0].reason if findings else "no attack was run"
    if not any(control.holds for control in controls if control.name == COPIED_WORLD):
        return Verdict.NO_POWER, "copies of 2 % of the patients go unnoticed by every attack"
    return Verdict.NO_LEAK_DETECTED, "no attack's corrected p-value is small"
