"""Does the synthetic cohort serve every subgroup: representation, fidelity, and errors of models, group by group?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from evaluation.fidelity.arms import Arms
from evaluation.fidelity.columns import column_comparison, value_comparison
from evaluation.fidelity.comparison import gap_share, not_measurable
from evaluation.fidelity.histograms import Floats
from evaluation.finding import Estimate, Family, Finding, Verdict
from evaluation.intervals import holm, newcombe
from evaluation.resampling import estimate
from evaluation.subgroups import Group, balanced, groups_of, subgroups_of
from evaluation.utility.scores import auroc
from evaluation.utility.transfer import Bench, Transfer, by_patient, transfers
from privacy.cohort import Cohort
from privacy.randomness import public

FEWEST_PATIENTS, FEWEST_EVENTS = 30, 10
TOO_FEW = "too few to judge: fewer than 30 patients, or fewer than 10 with the outcome, in the group or outside it"
CLEAR = "the amplification is clear of zero after Holm's correction over all groups"
ERROR, OPPORTUNITY, PARITY, ALPHA = "error gap", "equal opportunity", "demographic parity", 0.05
TREES = "boosted trees"


def fairness_findings(
    train: Cohort, holdout: Cohort, synthetic: Cohort, done: tuple[Transfer, ...], *, seed: int = 0
) -> tuple[Finding, ...]:
    """Representation, fidelity and amplified gaps of models, for every subgroup the schema names.

    Privacy: internal only.
    """
    groups = subgroups_of(train)
    if not groups:
        reason = "the schema names no subgroup"
        return (not_measurable(test="representation", title="Fairness", reason=reason, family=Family.FAIRNESS),)
    trees = [transfer for transfer in done if transfer.family == TREES]
    return (
        *(representation(group, train, holdout, synthetic) for group in groups),
        *(group_fidelity(group, train, holdout, synthetic, seed=seed) for group in groups),
        *flagged([one for transfer in trees for group in groups for one in group_gaps(group, transfer, holdout)]),
    )


def representation(group: Group, train: Cohort, holdout: Cohort, synthetic: Cohort) -> Finding:
    """Share of the group among synthetic patients minus its share in the training data, Newcombe's interval.

    Privacy: internal only.
    """
    name = "share, synthetic minus real"
    return Finding(
        family=Family.FAIRNESS,
        test="representation",
        title=f"Share of {group.label}",
        headline=_share_difference(name, group, synthetic, train),
        verdict=Verdict.MEASURED,
        subject=group.label,
        n=int(group.members(synthetic).sum()),
        floor=_share_difference("share, real holdout minus real", group, holdout, train),
        citation="Newcombe, Statistics in Medicine 1998",
    )


def group_fidelity(group: Group, train: Cohort, holdout: Cohort, synthetic: Cohort, *, seed: int = 0) -> Finding:
    """Mean distance of single columns and values of tests within the group, its floor the group's holdout.

    Privacy: internal only.
    """
    title = f"Columns and values of {group.label}"
    mine = [cohort.take(np.flatnonzero(group.members(cohort))) for cohort in (train, holdout, synthetic)]
    if min(len(cohort) for cohort in mine) < FEWEST_PATIENTS:
        return _too_few("group fidelity", title, group)
    arms = Arms.of(mine[0], mine[1], mine[2], seed=seed)
    parts = (column_comparison(arms), value_comparison(arms))
    synthetic_rows = _mean([part.synthetic for part in parts])
    floor, ceiling = _mean([part.floor for part in parts]), _mean([part.ceiling for part in parts])
    return Finding(
        family=Family.FAIRNESS,
        test="group fidelity",
        title=title,
        headline=estimate("mean total variation", synthetic_rows),
        verdict=Verdict.MEASURED,
        subject=group.label,
        n=len(arms.synthetic.cohort),
        floor=estimate("floor: real holdout of the group", floor),
        ceiling=estimate("ceiling: evenly spread over the schema", ceiling),
        others=(
            gap_share(synthetic_rows, floor, ceiling),
            estimate("excess over the floor", synthetic_rows - floor, low=-1.0),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What is counted and among whom, [n] each: missed cases among cases, say, for one model."""

    top: Floats
    bottom: Floats

    def gap(self, inside: NDArray[np.bool_], weights: Floats) -> Floats:
        """The rate inside a group minus outside, for every redraw."""
        rates = [_rate(self.top * mine, self.bottom * mine, weights) for mine in (inside, ~inside)]
        return np.asarray(rates[0] - rates[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A rate of the models trained on synthetic, on real and on redrawn real patients."""

    name: str
    synthetic: Rate
    real: Rate
    again: Rate


def group_gaps(group: Group, transfer: Transfer, holdout: Cohort) -> tuple[Finding, ...]:
    """Gaps in error, and for a class in missed cases (equal opportunity) and in cases called (demographic parity).

    All models call as many patients as there are cases. Amplification is the gap of the model trained
    on synthetic patients minus that of the model trained on real ones; the floor is what training on
    redrawn real patients does to it. Hardt, Price and Srebro 2016.

    Privacy: internal only.
    """
    inside = group.members(holdout)[transfer.judge.patient]
    measures = measures_of(transfer)
    if not _enough(inside, transfer):
        return tuple(_too_few(one.name, _title(one.name, group, transfer), group) for one in measures)
    return tuple(_gap_finding(one, group, transfer, inside) for one in measures)


def measures_of(transfer: Transfer) -> tuple[Measure, ...]:
    """Squared error (over the variance of a number), missed cases among cases, and patients called among all."""
    y, everyone = transfer.truth, np.ones(len(transfer.truth))
    sides = [side.score for side in (transfer.synthetic, transfer.real, transfer.again)]
    spread = float(y.var()) if transfer.task.kind == "number" else 1.0
    errors = [Rate(top=(side - y) ** 2 / (spread if spread > 0 else 1.0), bottom=everyone) for side in sides]
    if transfer.task.kind == "number":
        return (_measure(ERROR, errors),)
    called = [calls(side, int(y.sum())) for side in sides]
    missed = [Rate(top=y * (1 - call), bottom=y) for call in called]
    chosen = [Rate(top=call, bottom=everyone) for call in called]
    return (_measure(ERROR, errors), _measure(OPPORTUNITY, missed), _measure(PARITY, chosen))


def calls(score: Floats, number: int) -> Floats:
    """1 for the `number` patients with the highest scores, 0 for the others, shape [n]."""
    result = np.zeros(len(score))
    result[np.argsort(-score, kind="stable")[:number]] = 1.0
    return result


def flagged(findings: list[Finding]) -> tuple[Finding, ...]:
    """The same findings; where Holm's correction over all of them leaves an amplification, `reason` says so.

    A gap in cases called counts in both directions, the others where they cost the group.
    """
    known = [place for place, finding in enumerate(findings) if finding.headline.interval is not None]
    adjusted = holm([_p_value(findings[place]) for place in known])
    hit = {place for place, p in zip(known, adjusted, strict=True) if p < ALPHA}
    return tuple(replace(one, reason=CLEAR) if place in hit else one for place, one in enumerate(findings))


def _p_value(finding: Finding) -> float:
    """Of no amplification, from the normal interval of the headline."""
    value, interval = finding.headline.value, finding.headline.interval
    if value is None or interval is None:
        return 1.0
    error = (interval.high - interval.low) / 2 / float(norm.ppf(0.975))
    if error == 0:
        return 1.0
    return float(2 * norm.sf(abs(value) / error) if finding.test == PARITY else norm.sf(value / error))


def balance_effect(
    train: Cohort, holdout: Cohort, synthetic: Cohort, column: str, *, seed: int = 0
) -> tuple[Finding, ...]:
    """What sampling as many synthetic patients of each group of `column` does to the gaps of models.

    The same findings as `group_gaps`, with a model trained on balanced synthetic patients in place of
    the synthetic one, and one trained on as many unbalanced synthetic patients in place of the real one.

    Privacy: internal only.
    """
    even = balanced(synthetic, column, public(seed, "fairness", "balance"))
    bench = Bench.of(synthetic, holdout, even, seed=seed)
    trees = [transfer for transfer in transfers(bench, train) if transfer.family == TREES]
    groups = groups_of(train, column)
    found = [one for transfer in trees for group in groups for one in group_gaps(group, transfer, holdout)]
    return tuple(_of_balance(finding) for finding in flagged(found))


def _of_balance(finding: Finding) -> Finding:
    others = tuple(
        replace(one, name=one.name.replace("on synthetic", "on balanced").replace("on real", "on unbalanced"))
        for one in finding.others
    )
    return replace(
        finding,
        test=f"{finding.test}, balanced",
        title=f"{finding.title}, balanced sampling",
        headline=replace(finding.headline, name="gap with balanced minus gap with unbalanced sampling"),
        floor=None if finding.floor is None else replace(finding.floor, name="redrawn unbalanced minus unbalanced"),
        others=others,
    )


def _measure(name: str, rates: list[Rate]) -> Measure:
    return Measure(name=name, synthetic=rates[0], real=rates[1], again=rates[2])


def _gap_finding(measure: Measure, group: Group, transfer: Transfer, inside: NDArray[np.bool_]) -> Finding:
    synthetic, real, again = (
        rate.gap(inside, transfer.weights) for rate in (measure.synthetic, measure.real, measure.again)
    )
    others = [by_patient("gap, trained on synthetic", synthetic), by_patient("gap, trained on real", real)]
    if measure.name == ERROR and transfer.task.kind == "class":
        others += _ranking(transfer, inside)
    return Finding(
        family=Family.FAIRNESS,
        test=measure.name,
        title=_title(measure.name, group, transfer),
        headline=by_patient("amplification: synthetic gap minus real gap", synthetic - real),
        verdict=Verdict.MEASURED,
        subject=group.label,
        n=int(inside.sum()),
        floor=by_patient("redrawn real gap minus real gap", again - real),
        others=tuple(others),
        citation="Hardt, Price and Srebro, Equality of opportunity in supervised learning, NeurIPS 2016",
    )


def _ranking(transfer: Transfer, inside: NDArray[np.bool_]) -> list[Estimate]:
    """The area under the curve within the group, of both models."""
    y, weights = transfer.truth[inside], transfer.weights[:, inside]
    words = ("AUROC in the group, trained on synthetic", "AUROC in the group, trained on real")
    return [
        by_patient(name, auroc(y, side[inside], weights), low=0.0, high=1.0)
        for name, side in zip(words, transfer.sides, strict=True)
    ]


def _enough(inside: NDArray[np.bool_], transfer: Transfer) -> bool:
    if min(inside.sum(), (~inside).sum()) < FEWEST_PATIENTS:
        return False
    if transfer.task.kind == "number":
        return True
    return bool(min(transfer.truth[inside].sum(), transfer.truth[~inside].sum()) >= FEWEST_EVENTS)


def _title(test: str, group: Group, transfer: Transfer) -> str:
    return f"{test.capitalize()} for {transfer.task.title}, {group.label}"


def _too_few(test: str, title: str, group: Group) -> Finding:
    headline = Estimate(name=title, value=None, note=TOO_FEW)
    return Finding(
        family=Family.FAIRNESS,
        test=test,
        title=title,
        headline=headline,
        verdict=Verdict.NOT_MEASURABLE,
        subject=group.label,
        reason=TOO_FEW,
    )


def _share_difference(name: str, group: Group, one: Cohort, two: Cohort) -> Estimate:
    a, b = int(group.members(one).sum()), int(group.members(two).sum())
    return Estimate(name=name, value=a / len(one) - b / len(two), interval=newcombe(a, len(one), b, len(two)))


def _mean(parts: list[Floats]) -> Floats:
    """The mean over all subjects of several comparisons, [redraws]."""
    return np.asarray(np.concatenate(parts, axis=1).mean(axis=1))


def _rate(top: Floats, bottom: Floats, weights: Floats) -> Floats:
    number = weights @ bottom
    return np.asarray(np.where(number > 0, weights @ top / np.where(number > 0, number, 1.0), np.nan))
