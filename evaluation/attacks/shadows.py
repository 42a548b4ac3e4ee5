"""Shadow models: the attacker trains the same generator on own patients and learns what membership looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from evaluation.attacks.calls import Call, Combination, outcomes_of
from evaluation.attacks.column_errors import column_log_errors
from evaluation.attacks.ground import TrainGenerator, prepared
from evaluation.attacks.membership import membership_reading
from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Ground, Side, Stage
from evaluation.finding import Estimate, Family, ThreatModel
from evaluation.neighbours import nearest
from evaluation.strata import pooled_ranks
from privacy.randomness import public

Floats = NDArray[np.float64]
QUICK_SHADOWS = 2
FULL_SHADOWS = 4
DENSITY_K = 5
_TINY = 1e-9
_ASKED_SHARE = 2 / 3


def _attack(test: str, title: str, citation: str) -> Attack:
    threat = ThreatModel(
        name="black box, with shadow models",
        sees="the synthetic patients",
        knows="one real patient in full, a sample of other patients, and the generator's code and settings",
        wants="to learn whether that patient was among those the generator learnt from",
    )
    return Attack(test=test, title=title, family=Family.MEMBERSHIP, threat=threat, citation=citation)


RMIA_DENSITY = _attack(
    "rmia-density",
    "Density of the release against that of shadow releases",
    "Zarifzadeh et al. 2024, RMIA, arXiv:2312.03262, with nearest-neighbour densities as the signal",
)
EPT_SHADOW = _attack(
    "mia-ept-shadow",
    "Column errors, weighed by what shadow models taught",
    "German et al. 2025, MIA-EPT",
)
ENSEMBLE_SHADOW = _attack(
    "ensemble-shadow",
    "All attacks together, weighed by what shadow models taught",
    "After the MIDST challenge's ensembles (2025): out-of-sample labels from shadow models",
)
ATTACKS = (RMIA_DENSITY, EPT_SHADOW, ENSEMBLE_SHADOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """One shadow model as a stage whose targets are the attacker's own patients, half of them its members.

    Privacy: internal only.
    """

    stage: Stage
    scores: Mapping[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A linear rule learnt from shadow models: the names of what goes in, and its weight."""

    names: tuple[str, ...]
    weights: Floats


def train_shadows(
    ground: Ground, train_shadow: TrainGenerator, calls: tuple[Call, ...], *, count: int
) -> tuple[Shadow, ...]:
    """`count` shadow models on the reference, and every call's scores on them.

    `train_shadow` fits the generator as it was fitted for the release, privacy included.

    Two thirds of the reference are asked about: each shadow learns from a random half of them.
    The last third stays the attacker's sample in shadow stages. No target of the evaluation
    is in any of it, so to targets every shadow is a model that did not see them.

    Privacy: internal only.
    """
    order = public(ground.seed, "shadows").permutation(len(ground.reference))
    asked, kept = np.split(order, [int(len(order) * _ASKED_SHARE)])
    patients, sample = ground.reference.cohort.take(asked), ground.reference.take(kept)
    shadows = []
    for place in range(count):
        inside = public(ground.seed, "shadow", str(place)).permutation(len(asked)) < len(asked) // 2
        synthetic = train_shadow(patients.take(np.flatnonzero(inside)), ground.seed + place)
        small = prepared(
            Side.of(patients, ground.metric), inside, sample, ground.metric, quick=ground.quick, seed=ground.seed
        )
        stage = small.stage(f"shadow {place}", synthetic)
        readings = [one for one in outcomes_of(stage, calls).values() if isinstance(one, Reading)]
        scores = {one.attack.test: one.scores for one in readings if one.scores is not None}
        shadows.append(Shadow(stage=stage, scores=scores))
    return tuple(shadows)


def shadow_calls(shadows: tuple[Shadow, ...]) -> tuple[tuple[Call, ...], tuple[Combination, ...]]:
    """The attacks that shadow models make possible; the rules are learnt here, once for all stages.

    Privacy: internal only.
    """
    columns = _learnt([(_column_features(one.stage), one.stage.member) for one in shadows])
    names = tuple(sorted(set.intersection(*(set(one.scores) for one in shadows))))
    rule = _learnt([(_score_features(one.scores, names, one.stage), one.stage.member) for one in shadows])
    weighed = Weights(names=names, weights=rule)
    return (
        (
            Call(attacks=(RMIA_DENSITY,), measure=lambda stage: (rmia_density(stage, shadows),)),
            Call(attacks=(EPT_SHADOW,), measure=lambda stage: (_ept(stage, columns, len(shadows)),)),
        ),
        (
            Combination(
                attacks=(ENSEMBLE_SHADOW,),
                combine=lambda readings, stage: (_ensemble(readings, stage, weighed, len(shadows)),),
            ),
        ),
    )


def rmia_density(stage: Stage, shadows: tuple[Shadow, ...]) -> Reading:
    """Log p(x | release) - log mean p(x | shadow), with p ~ 1 / distance to the 5th nearest synthetic patient.

    RMIA compares this ratio with that of population patients; the share of them below it is
    a monotone function of the ratio itself, so the ratio is the score. All shadows are OUT
    models of all targets, and the correction for that (a in the paper) is 1.

    Privacy: internal only.
    """
    here = -np.log(stage.near.kth(DENSITY_K) + _TINY)
    points = stage.targets.embedding.points
    away = [
        -np.log(nearest(points, one.stage.synthetic.embedding.points, DENSITY_K).kth(DENSITY_K) + _TINY)
        for one in shadows
    ]
    ratio = here - np.logaddexp.reduce(np.stack(away), axis=0) + np.log(len(shadows))
    return _counted(membership_reading(RMIA_DENSITY, ratio, stage), len(shadows))


def _ept(stage: Stage, weights: Floats, shadows: int) -> Reading:
    return _counted(membership_reading(EPT_SHADOW, _column_features(stage) @ weights, stage), shadows)


def _ensemble(readings: Sequence[Reading], stage: Stage, rule: Weights, shadows: int) -> Reading:
    scores = {one.attack.test: one.scores for one in readings if one.scores is not None}
    if any(name not in scores for name in rule.names) or len(rule.names) == 0:
        raise NotMeasurableError("an attack that the shadow models were scored by gave no scores")
    return _counted(
        membership_reading(ENSEMBLE_SHADOW, _score_features(scores, rule.names, stage) @ rule.weights, stage), shadows
    )


def _counted(reading: Reading, shadows: int) -> Reading:
    return replace(reading, others=(*reading.others, Estimate(name="shadow models trained", value=float(shadows))))


def _column_features(stage: Stage) -> Floats:
    """Errors of the synthetic patients' models, and their gap to the reference's, column by column, [targets, 2 c]."""
    ours, theirs = column_log_errors(stage, stage.synthetic), column_log_errors(stage, stage.reference)
    features = np.concatenate([-ours, theirs - ours], axis=1)
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0), dtype=np.float64)


def _score_features(scores: Mapping[str, Floats], names: tuple[str, ...], stage: Stage) -> Floats:
    """-log of each score's rank from the top of its stratum, [targets, names]."""
    columns = [-np.log(pooled_ranks(scores[name], stage.stratum)) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(stage.targets), 0))


def _learnt(labelled: Sequence[tuple[Floats, NDArray[np.bool_]]]) -> Floats:
    """Weights of a logistic regression of membership on features, over all shadows together."""
    features = np.concatenate([one for one, _ in labelled])
    member = np.concatenate([one for _, one in labelled])
    if features.shape[1] == 0:
        return np.zeros(0)
    return np.asarray(LogisticRegression(C=0.1, max_iter=500).fit(features, member).coef_[0], dtype=np.float64)
