"""A classifier that tries to tell synthetic patients from real ones, and the columns that gave them away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from evaluation.features import Features, patient_features
from evaluation.fidelity.arms import Arms
from evaluation.fidelity.comparison import not_measurable
from evaluation.fidelity.histograms import Floats, Ints
from evaluation.fidelity.rhythm import frequent_tests
from evaluation.finding import Estimate, Family, Finding, Interval, Verdict
from evaluation.intervals import auc_interval, auc_parts
from privacy.randomness import public

FOLDS, MOST_PATIENTS, FEWEST, TOLD = 3, 3000, 50, 8
TITLE = "Area under the curve of real against synthetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Scores of a cross-validated classifier and what a shuffled column costs it.

    `synthetic` and `real` are the scores of the patients of both sides [n], higher when taken for
    synthetic; `losses` [folds, p] is the fall of the area under the curve with the columns of `sources` [p]
    permuted.
    """

    synthetic: Floats
    real: Floats
    sources: tuple[str, ...]
    losses: Floats

    def estimate(self, name: str) -> Estimate:
        """The area under the curve with its interval."""
        auc, variance = auc_parts(self.synthetic, self.real)
        interval = auc_interval(auc, variance, min(len(self.real), len(self.synthetic)))
        return Estimate(name=name, value=auc, interval=interval)


def two_sample(arms: Arms, *, seed: int = 0) -> Finding:
    """Boosted trees between synthetic and holdout patients; train against holdout is the floor.

    0.5 is what indistinguishable patients give. Features are attributes and per-test summaries.
    Lopez-Paz and Oquab 2017.

    Privacy: internal only.
    """
    if min(len(arms.holdout.cohort), len(arms.synthetic.cohort)) < FEWEST:
        return not_measurable(test="two-sample", title=TITLE, reason=f"fewer than {FEWEST} patients on a side")
    tests = frequent_tests(arms)
    real, *others = (
        patient_features(side.cohort, tests=tests) for side in (arms.holdout, arms.synthetic, arms.train, arms.shuffled)
    )
    told = detect(others[0], real, seed=seed, blame=True)
    floor, ceiling = (detect(other, real, seed=seed) for other in others[1:])
    mean = told.losses.mean(axis=0)
    away = tuple(_loss(told, int(place)) for place in np.argsort(-mean, kind="stable")[:TOLD] if mean[place] > 0)
    return Finding(
        family=Family.FIDELITY,
        test="two-sample",
        title=TITLE,
        headline=told.estimate("boosted trees"),
        verdict=Verdict.MEASURED,
        n=len(told.real),
        floor=floor.estimate("floor: real train against holdout"),
        ceiling=ceiling.estimate("ceiling: shuffled holdout"),
        others=away,
        citation="Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR 2017",
    )


def detect(synthetic: Features, real: Features, *, seed: int = 0, blame: bool = False) -> Detection:
    """Cross-validated scores of boosted trees on equal numbers of both, at most 3,000 of each.

    With `blame` the columns are shuffled in turn and the losses measured, else they are 0.

    Privacy: internal only.
    """
    chance = public(seed, "fidelity", "two sample")
    size = min(len(synthetic.values), len(real.values), MOST_PATIENTS)
    x = np.concatenate([side.values[chance.permutation(len(side.values))[:size]] for side in (synthetic, real)])
    y = np.repeat([1, 0], size)
    sources = tuple(dict.fromkeys(synthetic.sources))
    groups = [[place for place, one in enumerate(synthetic.sources) if one == source] for source in sources]
    scores, losses = np.empty(len(y)), np.zeros((FOLDS, len(sources)))
    for fold, (learn, judge) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y)):
        model = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, random_state=seed)
        model.fit(x[learn], y[learn])
        scores[judge] = model.decision_function(x[judge])
        if blame:
            losses[fold] = _losses(model, x[judge], y[judge], groups, chance)
    return Detection(synthetic=scores[y == 1], real=scores[y == 0], sources=sources, losses=losses)


def _losses(
    model: HistGradientBoostingClassifier, x: Floats, y: Ints, groups: list[list[int]], chance: np.random.Generator
) -> Floats:
    """How far the area under the curve falls when the columns of each group are permuted together, [groups]."""
    whole = roc_auc_score(y, model.decision_function(x))
    result = np.empty(len(groups))
    for number, group in enumerate(groups):
        mixed = x.copy()
        mixed[:, group] = x[chance.permutation(len(x))][:, group]
        result[number] = whole - roc_auc_score(y, model.decision_function(mixed))
    return result


def _loss(told: Detection, place: int) -> Estimate:
    folds = told.losses[:, place]
    mean, half = float(folds.mean()), float(t.ppf(0.975, FOLDS - 1) * folds.std(ddof=1) / np.sqrt(FOLDS))
    return Estimate(
        name=f"given away by {told.sources[place]}",
        value=mean,
        interval=Interval(low=mean - half, high=mean + half, method="t over folds"),
        note="fall of the area under the curve when the column is shuffled",
    )
