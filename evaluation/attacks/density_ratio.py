"""Density ratio by a classifier: whom a model that tells synthetic from reference patients takes for synthetic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from evaluation.attacks.membership import membership_reading, with_a_sample
from evaluation.attacks.reading import Attack, Reading
from evaluation.attacks.stage import Stage
from evaluation.finding import Family

_MOST_ROWS = 10_000
_TREES, _LEAVES, _LEAST_LEAF, _CLASSES = 60, 31, 20, 64
RATIO = Attack(
    test="density-classifier",
    title="Taken for synthetic, not for reference, by a classifier",
    family=Family.MEMBERSHIP,
    threat=with_a_sample("the synthetic patients with their labs"),
    citation="van Breugel et al. 2023, DOMIAS, arXiv:2302.12580, with a classifier's odds as the density ratio",
)
ATTACKS = (RATIO,)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The log odds of being synthetic, from boosted trees on the patient table.

    With as many of each, the odds estimate p_synthetic / p_reference (Sugiyama et al. 2012,
    section 4.2). What makes the two alike for everybody cancels between members and
    non-members; what the generator knows of its own patients does not.

    Privacy: internal only.
    """
    rng = stage.rng(RATIO.test)
    sides = [side.table.values[rng.permutation(len(side))[:_MOST_ROWS]] for side in (stage.synthetic, stage.reference)]
    made = np.repeat([1, 0], [len(side) for side in sides])
    weight = np.where(made == 1, 1 / len(sides[0]), 1 / len(sides[1])) * len(made) / 2
    model = HistGradientBoostingClassifier(
        max_iter=_TREES,
        max_leaf_nodes=_LEAVES,
        min_samples_leaf=_LEAST_LEAF,
        max_bins=_CLASSES,
        early_stopping=False,
        random_state=int(rng.integers(2**31)),
    )
    # small trees one after the other: threads would mostly wait for one another
    with threadpool_limits(limits=1, user_api="openmp"):
        model.fit(np.concatenate(sides), made, sample_weight=weight)
        odds: NDArray[np.float64] = model.decision_function(stage.targets.table.values)
    return (membership_reading(RATIO, odds, stage),)
