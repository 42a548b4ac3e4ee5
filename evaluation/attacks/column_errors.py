"""MIA-EPT: who is predicted too well, column by column, by models that saw nothing but synthetic patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from evaluation.attacks.membership import membership_reading, with_a_sample
from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Side, Stage
from evaluation.finding import Family

Floats = NDArray[np.float64]

_TREES = 10
_FEWEST_COLUMNS = 2
_LEAST_ERROR = 1e-3
_MOST_ROWS = 10_000
EPT = Attack(
    test="mia-ept",
    title="Columns predicted from one another by models of the synthetic patients",
    family=Family.MEMBERSHIP,
    threat=with_a_sample("the synthetic patients"),
    citation="German et al. 2025, MIA-EPT; calibrated on the reference, not on shadows",
)
ATTACKS = (EPT,)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The log of the error of models of the reference minus that of models of the synthetic, over columns.

    Privacy: internal only.
    """
    gap = column_log_errors(stage, stage.reference) - column_log_errors(stage, stage.synthetic)
    return (membership_reading(EPT, np.asarray(gap.mean(axis=1), dtype=np.float64), stage),)


def column_log_errors(stage: Stage, teacher: Side) -> Floats:
    """Log squared error with which `teacher`'s patients predict each source of the targets, [targets, sources].

    A source is an attribute, or a test with all its summaries at once; it is predicted from
    all the others by fully grown random trees (Geurts et al. 2006), which reproduce a copied
    patient exactly. Half the sources at most are attributes; quick stages take 8 in all.

    Raises NotMeasurableError when the schema has fewer than two sources.

    Privacy: internal only.
    """
    features = stage.targets.table.features
    columns = []
    rng = stage.rng("mia-ept")
    rows = rng.permutation(len(teacher))[:_MOST_ROWS]
    for source in _chosen(stage):
        own = np.isin(teacher.embedding.feature, [place for place, one in enumerate(features) if one.source == source])
        known, asked = teacher.embedding.points[rows], stage.targets.embedding.points
        forest = ExtraTreesRegressor(
            n_estimators=_TREES, max_features="sqrt", random_state=int(rng.integers(2**31)), n_jobs=1
        )
        forest.fit(known[:, ~own], known[:, own])
        guess = forest.predict(asked[:, ~own]).reshape(len(asked), -1)
        columns.append(np.log(((guess - asked[:, own]) ** 2).mean(axis=1, dtype=np.float64) + _LEAST_ERROR))
    return np.stack(columns, axis=1)


def _chosen(stage: Stage) -> list[str]:
    """The sources that are predicted: the first attributes, and the tests most often done in the reference."""
    features = stage.reference.table.features
    most = 8 if stage.quick else 24
    attributes = [one.source for one in features if one.part == "attribute"]
    done = [
        (float((stage.reference.table.values[:, place] > 0).mean()), one.source)
        for place, one in enumerate(features)
        if one.summary == "count"
    ]
    tests = [source for _, source in sorted(done, key=lambda pair: -pair[0])]
    if len(attributes) + len(tests) < _FEWEST_COLUMNS:
        raise NotMeasurableError("one column cannot be predicted from others")
    few = attributes[: max(most // 2, most - len(tests))]
    return [*few, *tests[: most - len(few)]]
