"""Time to an event: do hazards learnt on synthetic patients rank real ones, and do the survival curves agree?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluation.features import column_numbers
from evaluation.fidelity.histograms import Floats
from evaluation.finding import Curve, Family, Finding, Verdict
from evaluation.resampling import Redraws, estimate, known
from evaluation.utility.learners import Scale
from evaluation.utility.transfer import Bench
from privacy.cohort import Cohort
from privacy.randomness import public
from privacy.schema import Category, Schema

RIDGE, POINTS, BLOCK, TWO, FEWEST_EVENTS = 10.0, 40, 500, 2, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Time under observation and whether the event ended it, both [n]."""

    time: Floats
    event: Floats


def event_and_time(schema: Schema) -> tuple[str, str] | None:
    """The first two-valued outcome and the end of follow-up, None where the schema has not both."""
    events = [name for name in schema.outcomes if _two_valued(schema, name)]
    if not events or schema.end_of_followup is None:
        return None
    return events[0], schema.end_of_followup


def survival_findings(bench: Bench) -> tuple[Finding, ...]:
    """Concordance of a Cox model trained on synthetic, and the greatest gap between survival curves.

    Privacy: internal only.
    """
    named = event_and_time(bench.train.schema)
    if named is None:
        return ()
    cohorts = (bench.train, bench.synthetic, bench.holdout)
    real, other, judge = (lives_of(cohort, *named) for cohort in cohorts)
    if judge.event.sum() < FEWEST_EVENTS:
        return ()
    chance = public(bench.seed, "utility", "survival")
    redraws = [Redraws.of(len(side.time), chance) for side in (real, other, judge)]
    risks = [
        cox(table.values, side)(bench.tables[2].values)
        for side, table in zip((real, other), bench.tables[:2], strict=True)
    ]
    return (_concordance(risks, judge, redraws[2], named), _curves((real, other, judge), redraws, named))


def lives_of(cohort: Cohort, event: str, time: str) -> Lives:
    """Times and events of all patients; an unknown event counts as none.

    Privacy: internal only.
    """
    happened = column_numbers(cohort, event) == 1
    return Lives(time=cohort.numbers(time), event=happened.astype(np.float64))


def cox(x: Floats, lives: Lives) -> Risk:
    """Proportional hazards with a ridge, Breslow's handling of ties (Cox 1972; Breslow 1974)."""
    scale = Scale.of(x)
    order = np.argsort(-lives.time, kind="stable")
    rows, time, event = scale.apply(x)[order], lives.time[order], lives.event[order]
    # All with an equal time are at risk together: sums run to the last of them.
    last = np.searchsorted(-time, -time, side="right") - 1
    deaths = max(float(event.sum()), 1.0)

    def loss(beta: Floats) -> tuple[float, Floats]:
        linear = rows @ beta
        top = float(linear.max())
        weight = np.exp(linear - top)
        total = weight.cumsum()[last]
        # The gradient needs, for each patient, the sum of 1 / total over events at or before the own time.
        share = np.zeros(len(time))
        np.add.at(share, last, event / total)
        hazard = share[::-1].cumsum()[::-1]
        value = -(event * (linear - top - np.log(total))).sum() + RIDGE / 2 * beta @ beta
        slope = -(rows.T @ (event - weight * hazard)) + RIDGE * beta
        return float(value) / deaths, slope / deaths

    beta = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return Risk(scale=scale, beta=beta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """A fitted linear hazard, called with rows [n, p] to give log hazards [n]."""

    scale: Scale
    beta: Floats

    def __call__(self, x: Floats) -> Floats:
        """Log hazard ratio against the mean patient, shape [n]."""
        return np.asarray(self.scale.apply(x) @ self.beta)


def concordance(risk: Floats, lives: Lives, redraws: Redraws) -> Floats:
    """Harrell's C for every redraw: of pairs whose order is known, the share ranked right, ties one half.

    Pairs are counted once by group of patients, so that a redraw is a quadratic form (Harrell et al. 1982).
    """
    groups = redraws.groups
    right, known = np.zeros((groups, groups)), np.zeros((groups, groups))
    member = (redraws.group[:, None] == np.arange(groups)).astype(np.float64)
    died = np.flatnonzero(lives.event > 0)
    for start in range(0, len(died), BLOCK):
        mine = died[start : start + BLOCK]
        later = _outlives(lives, mine).astype(np.float64)
        wins = (risk[mine, None] > risk[None, :]) + 0.5 * (risk[mine, None] == risk[None, :])
        right += member[mine].T @ (later * wins) @ member
        known += member[mine].T @ later @ member
    w = redraws.weights
    pairs = np.einsum("rg,gh,rh->r", w, known, w)
    good = np.einsum("rg,gh,rh->r", w, right, w)
    return np.asarray(np.where(pairs > 0, good / np.maximum(pairs, 1e-300), np.nan))


def survival(lives: Lives, redraws: Redraws, at: Floats) -> Floats:
    """Kaplan and Meier's curve at the times `at` [t] for every redraw, [redraws, t]."""
    times = np.unique(lives.time[lives.event > 0])
    if len(times) == 0:
        return np.ones((len(redraws.weights), len(at)))
    weights = redraws.weights[:, redraws.group]
    order = np.argsort(lives.time, kind="stable")
    before = np.concatenate([np.zeros((len(weights), 1)), weights[:, order].cumsum(axis=1)], axis=1)
    at_risk = before[:, -1:] - before[:, np.searchsorted(lives.time[order], times, side="left")]
    place = np.searchsorted(times, lives.time[lives.event > 0])
    deaths = np.stack([np.bincount(place, row, minlength=len(times)) for row in weights[:, lives.event > 0]])
    steps = 1 - np.where(at_risk > 0, deaths / np.maximum(at_risk, 1e-300), 0.0)
    curve = np.concatenate([np.ones((len(weights), 1)), steps.cumprod(axis=1)], axis=1)
    return np.asarray(curve[:, np.searchsorted(times, at, side="right")])


def _outlives(lives: Lives, mine: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each patient is known to have lived longer than each of `mine`, [mine, n]."""
    time = lives.time[mine, None]
    censored_then = (lives.time[None, :] == time) & (lives.event[None, :] == 0)
    return np.asarray((lives.time[None, :] > time) | censored_then)


def _concordance(risks: list[Floats], judge: Lives, redraws: Redraws, named: tuple[str, str]) -> Finding:
    real, synthetic = (concordance(risk, judge, redraws) for risk in risks)
    return Finding(
        family=Family.UTILITY,
        test="concordance",
        title=f"Concordance of a Cox model for {named[0]} over {named[1]}",
        headline=estimate("concordance, trained on synthetic", synthetic),
        verdict=Verdict.MEASURED,
        subject=named[0],
        n=len(judge.time),
        floor=estimate("concordance, trained on real", real),
        ceiling=known("concordance, knowing nothing", 0.5),
        others=(estimate("synthetic minus real", synthetic - real, low=-1.0),),
        citation="Harrell et al., Evaluating the yield of medical tests, JAMA 1982",
    )


def _curves(sides: tuple[Lives, Lives, Lives], redraws: list[Redraws], named: tuple[str, str]) -> Finding:
    """The greatest distance between the survival curves of train and synthetic; train and holdout is the floor."""
    at = np.quantile(sides[0].time, np.linspace(0, 0.98, POINTS))
    real, synthetic, fresh = (survival(side, drawn, at) for side, drawn in zip(sides, redraws, strict=True))
    named_curves = (("real", real), ("synthetic", synthetic), ("holdout", fresh))
    points = tuple(float(time) for time in at)
    return Finding(
        family=Family.UTILITY,
        test="survival curves",
        title=f"Greatest gap between survival curves of {named[0]}",
        headline=estimate("gap", np.abs(real - synthetic).max(axis=1)),
        verdict=Verdict.MEASURED,
        subject=named[0],
        n=len(sides[1].time),
        floor=estimate("floor: real holdout", np.abs(real - fresh).max(axis=1)),
        curves=tuple(Curve(name=name, x=points, y=tuple(rows[0].tolist())) for name, rows in named_curves),
        citation="Kaplan and Meier, JASA 1958",
    )


def _two_valued(schema: Schema, name: str) -> bool:
    kind = schema.columns[name]
    return isinstance(kind, Category) and len(kind.levels) == TWO
