"""Do models trained on synthetic and on real patients lean on the same columns?"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from evaluation.fidelity.histograms import Floats
from evaluation.finding import Family, Finding, Verdict
from evaluation.utility.learners import Predictor
from evaluation.utility.scores import Measure
from evaluation.utility.tasks import Rows
from evaluation.utility.transfer import Transfer, by_patient
from privacy.randomness import public

REDRAWS, TOP = 51, 5


def importance_finding(transfer: Transfer, *, seed: int = 0) -> Finding:
    """Rank correlation of permutation importances; a second real model, of redrawn patients, is the floor.

    An importance is what the score on the holdout loses when a column (or all summaries of a test) is
    permuted. Breiman 2001; Fisher, Rudin and Dominici 2019.

    Privacy: internal only.
    """
    score, weights = transfer.scores[0].measure, transfer.weights[:REDRAWS]
    real, synthetic, second = (
        importances(model.predict, transfer.judge, score, weights, seed)
        for model in (transfer.real, transfer.synthetic, transfer.again)
    )
    return Finding(
        family=Family.UTILITY,
        test="importance",
        title=f"Agreement of column importances for {transfer.task.title}",
        headline=by_patient("rank correlation of importances", agreement(real, synthetic), low=-1.0, high=1.0),
        verdict=Verdict.MEASURED,
        subject=transfer.task.outcome,
        n=len(transfer.judge.y),
        floor=by_patient("two models of real patients", agreement(real, second), low=-1.0, high=1.0),
        others=(by_patient(f"shared among the {TOP} most important", top_shared(real, synthetic), low=0.0, high=1.0),),
        citation="Fisher, Rudin and Dominici, All models are wrong, but many are useful, JMLR 2019",
    )


def importances(model: Predictor, judge: Rows, score: Measure, weights: Floats, seed: int) -> Floats:
    """What permuting each source costs, shape [redraws, sources]."""
    x, chance = judge.x.values, public(seed, "utility", "permutation")
    sources = tuple(dict.fromkeys(judge.x.sources))
    whole = score(judge.y, model(x), weights)
    result = np.empty((len(weights), len(sources)))
    for number, source in enumerate(sources):
        columns = [place for place, of in enumerate(judge.x.sources) if of == source]
        mixed = x.copy()
        mixed[:, columns] = x[chance.permutation(len(x))][:, columns]
        result[:, number] = whole - score(judge.y, model(mixed), weights)
    return result


def agreement(left: Floats, right: Floats) -> Floats:
    """Spearman's correlation between two sets of importances [redraws, sources], shape [redraws]; 1 when equal."""
    a, b = (rankdata(side, axis=1) for side in (left, right))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    spread = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray(np.where(spread > 0, (a * b).sum(axis=1) / np.where(spread > 0, spread, 1.0), np.nan))


def top_shared(left: Floats, right: Floats) -> Floats:
    """The share of the most important sources that both sides name, shape [redraws]."""
    width = min(TOP, left.shape[1])
    best = [np.argsort(-side, axis=1, kind="stable")[:, :width] for side in (left, right)]
    shared = (best[0][:, :, None] == best[1][:, None, :]).any(axis=2)
    return np.asarray(shared.mean(axis=1))
