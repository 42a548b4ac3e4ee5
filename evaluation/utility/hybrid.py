"""Does adding synthetic patients to real ones make a better model than the real ones alone?"""

from __future__ import annotations

import numpy as np

from evaluation.fidelity.histograms import Floats, Ints
from evaluation.finding import Family, Finding, Verdict
from evaluation.utility.learners import boosted
from evaluation.utility.scores import auroc, average_precision
from evaluation.utility.tasks import Rows
from evaluation.utility.transfer import Bench, Transfer, by_patient


def hybrid_finding(bench: Bench, transfer: Transfer) -> Finding:
    """Real patients with synthetic ones of the rarer class, up to twice as many of it, against real alone.

    All synthetic patients on top of all real ones stand beside it.

    Privacy: internal only.
    """
    real, synthetic, judge = bench.rows(transfer.task)
    everyone = np.arange(len(synthetic.y))
    scores = [_trained(real, synthetic, rows, judge) for rows in (topping(real, synthetic), everyone)]
    weights = transfer.weights
    alone, topped, whole = (auroc(judge.y, side, weights) for side in (transfer.real.score, *scores))
    precise = [average_precision(judge.y, side, weights) for side in (transfer.real.score, *scores)]
    return Finding(
        family=Family.UTILITY,
        test="hybrid",
        title=f"Real and synthetic together for {transfer.task.title}",
        headline=by_patient("AUROC, real with rare synthetic", topped, low=0.0, high=1.0),
        verdict=Verdict.MEASURED,
        subject=transfer.task.outcome,
        n=len(judge.y),
        baseline=by_patient("AUROC, real alone", alone, low=0.0, high=1.0),
        others=(
            by_patient("AUROC, rare topped up minus real alone", topped - alone),
            by_patient("AUPRC, rare topped up minus real alone", precise[1] - precise[0]),
            by_patient("AUROC, all synthetic added minus real alone", whole - alone),
            by_patient("AUPRC, all synthetic added minus real alone", precise[2] - precise[0]),
        ),
    )


def topping(real: Rows, synthetic: Rows) -> Ints:
    """The synthetic patients of the class that is rarer among the real, as many as the real ones of it, [k]."""
    rare = 1.0 if real.y.mean() <= 0.5 else 0.0  # noqa: PLR2004  the rarer of two
    return np.flatnonzero(synthetic.y == rare)[: int((real.y == rare).sum())]


def _trained(real: Rows, synthetic: Rows, rows: Ints, judge: Rows) -> Floats:
    x = np.concatenate([real.x.values, synthetic.x.values[rows]])
    return boosted(x, np.concatenate([real.y, synthetic.y[rows]]), "class")(judge.x.values)
