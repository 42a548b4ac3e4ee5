"""Does a regression on synthetic patients say what it says on real ones: sign, significance, overlap of intervals?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from evaluation.features import Features, lab_features
from evaluation.fidelity.arms import some_patients
from evaluation.fidelity.histograms import Floats
from evaluation.fidelity.nulls import shuffled
from evaluation.finding import Estimate, Family, Finding, Interval, Verdict
from evaluation.resampling import Redraws, estimate
from evaluation.utility.learners import Scale
from evaluation.utility.tasks import Kind, Rows, Task, attributes_of, frequent_tests, rows_of
from privacy.cohort import Cohort
from privacy.randomness import public

RIDGE, STEPS, MOST_TESTS, SHOWN, SIGNIFICANT = 1.0, 30, 10, 6, 1.96
MOST_PATIENTS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Coefficients of a regression with their standard errors, [1 + redraws, p]; row 0 is the fit itself."""

    names: tuple[str, ...]
    coefficient: Floats
    error: Floats


def coefficient_finding(task: Task, train: Cohort, holdout: Cohort, synthetic: Cohort, *, seed: int = 0) -> Finding:
    """Mean overlap of the 95 % intervals of standardised coefficients; holdout is the floor, shuffled the ceiling.

    All sides have one size, since the width of an interval follows from it. Karr et al., The American
    Statistician 2006.

    Privacy: internal only.
    """
    size = min(len(train), len(holdout), len(synthetic), MOST_PATIENTS)
    real, fresh, other = (some_patients(cohort, size, seed) for cohort in (train, holdout, synthetic))
    null = shuffled(fresh, public(seed, "utility", "coefficients"))
    tests = frequent_tests(train)[:MOST_TESTS]
    rows = [rows_of(task, cohort, regression_table(cohort, tests)) for cohort in (real, other, fresh, null)]
    scale = Scale.of(rows[0].x.values)
    chance = public(seed, "utility", "coefficients", task.title)
    fits = [regression(side, scale, task.kind, chance) for side in rows]
    return _finding(task, fits, len(rows[1].y))


def regression_table(cohort: Cohort, tests: tuple[int, ...]) -> Features:
    """Attributes, one code of each left out, and the mean of each of `tests`.

    Privacy: internal only.
    """
    return attributes_of(cohort, reference=True).beside(lab_features(cohort, ("mean",), tests=tests))


def regression(rows: Rows, scale: Scale, kind: Kind, chance: np.random.Generator) -> Fit:
    """Least squares or logistic regression with a ridge of one patient; missing values stand at the mean.

    Redraws move the coefficients by one step of Newton from sums by group of patients.
    """
    width = len(rows.x.names)
    x = np.column_stack([np.ones(len(rows.y)), scale.apply(rows.x.values)[:, :width]])
    spread = float(rows.y.std()) if kind == "number" else 1.0
    y = rows.y / (spread if spread > 0 else 1.0)
    ridge = RIDGE * np.diag(np.r_[0.0, np.ones(width)]) + 1e-9 * np.eye(width + 1)
    beta = _newton(x, y, kind, ridge)
    redraws = Redraws.of(len(y), chance)
    slopes, curves = _group_sums(x, y, beta, kind, redraws)
    slope = redraws.weights @ slopes - ridge @ beta
    curve = np.einsum("rg,gpq->rpq", redraws.weights, curves) + ridge
    moved = beta + np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
    noise = float((y - x @ beta).std()) if kind == "number" else 1.0
    error = noise * np.sqrt(np.diagonal(np.linalg.inv(curve), axis1=1, axis2=2))
    return Fit(names=rows.x.names, coefficient=moved[:, 1:], error=error[:, 1:])


def overlap(left: Fit, right: Fit) -> Floats:
    """Mean share of an interval that the other side's covers, [redraws, p]; below 0 where they are apart."""
    half = [float(norm.ppf(0.975)) * fit.error for fit in (left, right)]
    low = np.maximum(left.coefficient - half[0], right.coefficient - half[1])
    high = np.minimum(left.coefficient + half[0], right.coefficient + half[1])
    return np.asarray((high - low) * (1 / half[0] + 1 / half[1]) / 4)


def same_conclusion(left: Fit, right: Fit) -> Floats:
    """Share of coefficients clear of zero on the left that are so on the right with the same sign, [redraws]."""
    z = [fit.coefficient / fit.error for fit in (left, right)]
    clear = np.abs(z[0]) > SIGNIFICANT
    kept = clear & (np.abs(z[1]) > SIGNIFICANT) & (np.sign(z[0]) == np.sign(z[1]))
    return np.asarray(np.where(clear.any(axis=1), kept.sum(axis=1) / np.maximum(clear.sum(axis=1), 1), np.nan))


def same_sign(left: Fit, right: Fit) -> Floats:
    """Share of coefficients clear of zero on the left whose sign the right shares, [redraws]."""
    clear = np.abs(left.coefficient / left.error) > SIGNIFICANT
    kept = clear & (np.sign(left.coefficient) == np.sign(right.coefficient))
    return np.asarray(np.where(clear.any(axis=1), kept.sum(axis=1) / np.maximum(clear.sum(axis=1), 1), np.nan))


def _newton(x: Floats, y: Floats, kind: Kind, ridge: Floats) -> Floats:
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        mean, curve = _mean(x @ beta, kind)
        step = np.linalg.solve((x * curve[:, None]).T @ x + ridge, x.T @ (y - mean) - ridge @ beta)
        beta = beta + np.clip(step, -2.0, 2.0)  # a cut step keeps a separable outcome from running away
        if np.abs(step).max() < 1e-8:  # noqa: PLR2004  converged
            break
    return beta


def _mean(linear: Floats, kind: Kind) -> tuple[Floats, Floats]:
    """Expected outcome and its derivative."""
    if kind == "number":
        return linear, np.ones(len(linear))
    mean = expit(linear)
    return mean, np.maximum(mean * (1 - mean), 1e-9)


def _group_sums(x: Floats, y: Floats, beta: Floats, kind: Kind, redraws: Redraws) -> tuple[Floats, Floats]:
    """Gradient [groups, p] and Hessian [groups, p, p] of the log likelihood by group of patients."""
    mean, curve = _mean(x @ beta, kind)
    slopes, curves = [], []
    for group in range(redraws.groups):
        mine = redraws.group == group
        slopes.append(x[mine].T @ (y - mean)[mine])
        curves.append((x[mine] * curve[mine, None]).T @ x[mine])
    return np.array(slopes), np.array(curves)


def _finding(task: Task, fits: list[Fit], n: int) -> Finding:
    real, synthetic, fresh, null = fits
    headline, floor, ceiling = (overlap(real, side).mean(axis=1) for side in (synthetic, fresh, null))
    name = "mean overlap of intervals"
    return Finding(
        family=Family.UTILITY,
        test="coefficients",
        title=f"Regression of {task.title}: overlap of intervals",
        headline=estimate(name, headline, low=-np.inf),
        verdict=Verdict.MEASURED,
        subject=task.outcome,
        n=n,
        floor=estimate("floor: real holdout", floor, low=-np.inf),
        ceiling=estimate("ceiling: shuffled holdout", ceiling, low=-np.inf),
        others=(
            estimate("same sign, of those clear of zero", same_sign(real, synthetic)),
            estimate("same sign in real holdout", same_sign(real, fresh)),
            estimate("same sign and clear of zero", same_conclusion(real, synthetic)),
            estimate("same sign and clear of zero in real holdout", same_conclusion(real, fresh)),
            *_shown(real, synthetic),
        ),
        citation="Karr, Kohnen, Oganian, Reiter and Sanil, The American Statistician 60(3), 2006",
    )


def _shown(real: Fit, synthetic: Fit) -> tuple[Estimate, ...]:
    """The strongest coefficients of the real fit, on both sides."""
    order = np.argsort(-np.abs(real.coefficient[0] / real.error[0]), kind="stable")[:SHOWN]
    return tuple(
        _wald(f"{side.names[place]}, {words}", side.coefficient[0, place], side.error[0, place])
        for place in order
        for words, side in (("synthetic", synthetic), ("real", real))
    )


def _wald(name: str, value: float, error: float) -> Estimate:
    half = SIGNIFICANT * float(error)
    return Estimate(
        name=name, value=float(value), interval=Interval(low=value - half, high=value + half, method="Wald")
    )
