"""Reads a membership attack off its scores: AUC, hits at low false positive rates, vulnerable groups, one p-value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.reading import (
    LEAST_GROUP,
    Attack,
    Reading,
    Scored,
    big_enough,
    excess_estimate,
    permuted_labels,
)
from evaluation.finding import Curve, Estimate, ThreatModel
from evaluation.intervals import auc_interval, clopper_pearson
from evaluation.strata import hits_test, membership_ranks, pooled_ranks, rank_test, stratified_auc, top_hits

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

RATES = (0.1, 0.01, 0.001)
LEAST_FALSE_POSITIVES = 10
_CURVE_POINTS = 120


def with_a_sample(sees: str) -> ThreatModel:
    """Whoever knows one patient and a sample of others, and asks whether the generator learnt from the patient."""
    return ThreatModel(
        name="no box, with a reference sample",
        sees=sees,
        knows="one real patient in full, and a sample of other patients of the same population",
        wants="to learn whether that patient was among those the generator learnt from",
    )


def membership_reading(attack: Attack, scores: Floats, stage: Scored, *, curves: tuple[Curve, ...] = ()) -> Reading:
    """The reading of scores [targets] that ought to be higher for members.

    AUC and true positive rates are taken within strata of record count. The p-value is six
    times the least of six (Bonferroni): ranks, members among the top 10 %, 1 % and 0.1 %, and
    ranks among outliers and among rare codes. Raises FloatingPointError on scores that are no
    numbers.

    Privacy: internal only.
    """
    if not np.isfinite(scores).all():
        raise FloatingPointError("scores must be finite")
    auc = auc_estimate("AUC", scores, stage.member, stage.stratum)
    shuffled = permuted_labels(stage, attack.test)
    return Reading(
        attack=attack,
        headline=auc,
        others=(*_tail_estimates(scores, stage), *_group_estimates(scores, stage)),
        baseline=Estimate(name="AUC of a coin", value=0.5),
        power=auc,
        p_value=_membership_p(scores, stage, stage.member, attack.test),
        permuted=auc_estimate("AUC", scores, shuffled, stage.stratum),
        permuted_p=_membership_p(scores, stage, shuffled, attack.test),
        n=len(scores),
        scores=scores,
        curves=(_roc(scores, stage), *curves),
    )


def auc_estimate(name: str, scores: Floats, member: Mask, stratum: NDArray[np.int64]) -> Estimate:
    """The stratified AUC with DeLong's interval."""
    auc, variance = stratified_auc(scores, member, stratum)
    fewer = int(min(np.count_nonzero(member), np.count_nonzero(~member)))
    return Estimate(name=name, value=auc, interval=auc_interval(auc, variance, fewer))


def _membership_p(scores: Floats, stage: Scored, member: Mask, name: str) -> float:
    rng = stage.rng(name, "ties")
    parts = [rank_test(scores, member, stage.stratum)]
    for rate in RATES:
        top = top_hits(scores, stage.stratum, rate, rng)
        parts.append(hits_test(top, member, stage.stratum))
    for group in (stage.outlier, stage.rare):
        if big_enough(group, member):
            parts.append(rank_test(scores[group], member[group], np.zeros(np.count_nonzero(group), dtype=np.int64)))
        else:
            parts.append(1.0)
    return min(1.0, len(parts) * min(parts))


def _tail_estimates(scores: Floats, stage: Scored) -> tuple[Estimate, ...]:
    """True positive rate at each false positive rate, or the reason why this many non-members cannot show it."""
    ranks = membership_ranks(scores, stage.member, stage.stratum)[stage.member]
    non_members = np.count_nonzero(~stage.member)
    estimates = []
    for rate in RATES:
        name = f"TPR at {rate * 100:g} % FPR"
        if rate * non_members < LEAST_FALSE_POSITIVES:
            note = f"not resolvable at this n ({non_members} non-members; {LEAST_FALSE_POSITIVES / rate:.0f} needed)"
            estimates.append(Estimate(name=name, value=None, note=note))
            continue
        hits = int(np.count_nonzero(ranks <= rate))
        estimates.append(Estimate(name=name, value=hits / len(ranks), interval=clopper_pearson(hits, len(ranks))))
    return tuple(estimates)


def _group_estimates(scores: Floats, stage: Scored) -> tuple[Estimate, ...]:
    """AUC and excess of hits at 10 % FPR in each vulnerable group, and the larger excess of the two."""
    estimates: list[Estimate] = []
    for name, group in (("outliers", stage.outlier), ("rare codes", stage.rare)):
        estimates.extend(_in_group(scores, stage, name, group))
    excesses = [one for one in estimates if one.name.startswith("excess") and one.value is not None]
    if excesses:
        worst = max(excesses, key=lambda one: 0.0 if one.value is None else one.value)
        note = worst.name.removeprefix("excess over holdout, ")
        estimates.append(
            Estimate(name="excess over holdout, worst group", value=worst.value, interval=worst.interval, note=note)
        )
    return tuple(estimates)


def _in_group(scores: Floats, stage: Scored, name: str, group: Mask) -> tuple[Estimate, Estimate]:
    if not big_enough(group, stage.member):
        note = f"fewer than {LEAST_GROUP} members or non-members in the group"
        return (
            Estimate(name=f"AUC, {name}", value=None, note=note),
            Estimate(name=f"excess over holdout, {name}", value=None, note=note),
        )
    member = stage.member[group]
    single = np.zeros(len(member), dtype=np.int64)
    hit = membership_ranks(scores[group], member, single) <= RATES[0]
    return (
        auc_estimate(f"AUC, {name}", scores[group], member, single),
        excess_estimate(f"excess over holdout, {name}", hit.astype(np.float64), member),
    )


def _roc(scores: Floats, stage: Scored) -> Curve:
    """False against true positive rates within strata, on false positive rates spread evenly on a log scale."""
    ranks = membership_ranks(scores, stage.member, stage.stratum)
    least = 1 / (1 + np.bincount(stage.stratum[~stage.member]).min())  # what every stratum can resolve
    grid = np.unique(np.append(np.geomspace(least, 1, _CURVE_POINTS), [rate for rate in RATES if rate > least]))
    members = np.sort(ranks[stage.member])
    caught = np.searchsorted(members, grid * (1 + 1e-9), side="right") / len(members)
    return Curve(name="ROC", x=tuple(grid.tolist()), y=tuple(caught.tolist()))


def suspicion(readings: Sequence[Floats], stage: Scored) -> Floats:
    """Several scores as one: the sum of -log of each score's rank from the top of its stratum (Fisher's combination).

    Looks at no label; favours patients that any attack places at its very top.

    Privacy: internal only.
    """
    ranks = np.stack([pooled_ranks(scores, stage.stratum) for scores in readings])
    return np.asarray(-np.log(ranks).sum(axis=0), dtype=np.float64)
