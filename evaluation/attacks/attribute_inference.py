"""Attribute inference: what a model of the synthetic patients says of members beyond what it says of anybody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from evaluation.attacks.reading import Attack, Reading, permuted_labels
from evaluation.attacks.secrets import right, secrets
from evaluation.attacks.stage import Side, Stage
from evaluation.finding import Estimate, Family, ThreatModel
from evaluation.intervals import bootstrap_mean, difference, effective, wilson
from evaluation.strata import rank_test

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TREES = 20
_MOST_ROWS = 10_000
ATTRIBUTE = Attack(
    test="attribute-inference",
    title="A secret predicted from everything else",
    family=Family.INFERENCE,
    threat=ThreatModel(
        name="no box, with a reference sample",
        sees="the synthetic patients",
        knows="everything about one real patient but a secret attribute, and a sample of other patients",
        wants="the secret attribute",
    ),
    citation="Houssiau et al. 2022, TAPAS, arXiv:2211.06550; excess over holdout and over a reference model",
)
ATTACKS = (ATTRIBUTE,)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """Accuracy of models of the synthetic minus that of models of the reference, on train minus on holdout.

    What a model of other patients predicts as well is knowledge about the population and no
    leak; only the excess counts. Each patient's accuracy is averaged over the secrets.

    Privacy: internal only.
    """
    places = secrets(stage)
    ours = np.mean([_right(stage, stage.synthetic, place) for place in places], axis=0)
    theirs = np.mean([_right(stage, stage.reference, place) for place in places], axis=0)
    gain = np.asarray(ours - theirs, dtype=np.float64)
    shuffled = permuted_labels(stage, ATTRIBUTE.test)
    excess = _excess(stage, gain, stage.member)
    return (
        Reading(
            attack=ATTRIBUTE,
            headline=excess,
            others=(
                _rate("success on train", ours[stage.member]),
                _rate("success on holdout", ours[stage.others]),
                _rate("success on train, reference model", theirs[stage.member]),
                _rate("success on holdout, reference model", theirs[stage.others]),
            ),
            baseline=_rate("success on train, reference model", theirs[stage.member]),
            power=excess,
            p_value=rank_test(gain, stage.member, stage.stratum),
            permuted=_excess(stage, gain, shuffled),
            permuted_p=rank_test(gain, shuffled, stage.stratum),
            n=len(gain),
            scores=gain,
        ),
    )


def _right(stage: Stage, teacher: Side, secret: int) -> Floats:
    """1 where a model of `teacher` guesses the secret of a target right, [targets]."""
    feature = stage.targets.table.features[secret]
    places = np.delete(np.arange(len(stage.targets.table.features)), secret)
    answers = teacher.table.values[:, secret]
    rng = stage.rng("attribute-inference", feature.name)
    rows = rng.permutation(np.flatnonzero(np.isfinite(answers)))[:_MOST_ROWS]
    if len(rows) == 0:
        return np.zeros(len(stage.targets))
    known, asked = teacher.embedding.axes(places), stage.targets.embedding.axes(places)
    maker = ExtraTreesClassifier if feature.kind == "code" else ExtraTreesRegressor
    model = maker(n_estimators=_TREES, max_features="sqrt", random_state=int(rng.integers(2**31)), n_jobs=1)
    guess = model.fit(known[rows], answers[rows]).predict(asked)
    return right(np.asarray(guess, dtype=np.float64), stage.targets.table.values[:, secret], feature)


def _excess(stage: Stage, gain: Floats, member: Mask) -> Estimate:
    """The mean gain of members minus that of non-members, patients redrawn on both sides."""
    rng = stage.rng("attribute-inference", "bootstrap")
    inside, outside = bootstrap_mean(gain[member], rng), bootstrap_mean(gain[~member], rng)
    one, two = float(gain[member].mean()), float(gain[~member].mean())
    return Estimate(
        name="excess accuracy",
        value=one - two,
        interval=difference(one, inside, two, outside, method="bootstrap by patient"),
    )


def _rate(name: str, hit: Floats) -> Estimate:
    return Estimate(name=name, value=float(hit.mean()), interval=wilson(*effective(hit)))
