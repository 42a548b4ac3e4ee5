"""Reads an attack that succeeds or fails on each patient: its rate on train against its rate on holdout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.reading import Attack, Reading, Scored, big_enough, excess_estimate, permuted_labels
from evaluation.finding import Curve, Estimate, Interval
from evaluation.intervals import effective, wilson
from evaluation.strata import hits_test, rank_test

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def rate_reading(
    attack: Attack, hit: Floats, stage: Scored, *, chance: Estimate, curves: tuple[Curve, ...] = ()
) -> Reading:
    """The reading of an attack that succeeds or fails on each target; `hit` [targets] in 0..1, `chance` its baseline.

    The headline is the residual risk (r - c) / (1 - c) of Anonymeter (Giomi et al. 2023),
    r the rate on members, c on non-members. The p-value is exact within strata when hits are
    yes or no, else that of a rank test.

    Privacy: internal only.
    """
    excess = excess_estimate("excess over holdout", hit, stage.member)
    shuffled = permuted_labels(stage, attack.test)
    return Reading(
        attack=attack,
        headline=residual_risk(hit, stage.member),
        others=(*_two_rates(hit, stage.member), excess, *_rate_groups(hit, stage)),
        baseline=chance,
        power=excess,
        p_value=_rate_p(hit, stage.member, stage),
        permuted=excess_estimate("excess over holdout", hit, shuffled),
        permuted_p=_rate_p(hit, shuffled, stage),
        n=len(hit),
        scores=hit,
        curves=curves,
    )


def residual_risk(hit: Floats, member: Mask) -> Estimate:
    """(r - c) / (1 - c) with Newcombe's interval of r - c on the same scale; 0 where the control always succeeds."""
    excess = excess_estimate("residual risk", hit, member)
    left = 1 - float(hit[~member].mean())
    if excess.value is None or excess.interval is None or left <= 0:
        return Estimate(
            name="residual risk", value=0.0, interval=Interval(low=0.0, high=1.0), note="control always hits"
        )
    low, high = max(-1.0, excess.interval.low / left), min(1.0, excess.interval.high / left)
    interval = Interval(low=low, high=high, level=excess.interval.level, method="Newcombe, from Wilson")
    return Estimate(name="residual risk", value=excess.value / left, interval=interval)


def _two_rates(hit: Floats, member: Mask) -> tuple[Estimate, Estimate]:
    return tuple(  # type: ignore[return-value]  # two sides, two estimates
        Estimate(name=name, value=float(side.mean()), interval=wilson(*effective(side)))
        for name, side in (("success on train", hit[member]), ("success on holdout", hit[~member]))
    )


def _rate_p(hit: Floats, member: Mask, stage: Scored) -> float:
    if np.isin(hit, (0.0, 1.0)).all():
        return hits_test(hit > 0, member, stage.stratum)
    return rank_test(hit, member, stage.stratum)


def _rate_groups(hit: Floats, stage: Scored) -> tuple[Estimate, ...]:
    estimates = [
        excess_estimate(f"excess over holdout, {name}", hit[group], stage.member[group])
        for name, group in (("outliers", stage.outlier), ("rare codes", stage.rare))
        if big_enough(group, stage.member)
    ]
    return tuple(estimates)
