"""White box: RMIA and LiRA on the released model's loss of each patient, against shadow models of the same kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.calls import CRASHES
from evaluation.attacks.ground import ground_of
from evaluation.attacks.membership import membership_reading
from evaluation.attacks.planted import joined
from evaluation.attacks.reading import Attack, Reading
from evaluation.attacks.stage import Ground
from evaluation.attacks.verdict import Failure, Known, Outcome, Trial, judge, unread
from evaluation.embedding import embed
from evaluation.exhibit import Exhibit
from evaluation.finding import Estimate, Family, Finding, ThreatModel, Verdict
from evaluation.neighbours import nearest
from privacy.cohort import Cohort
from privacy.errors import ConfigError, SynthhealthError, refusal
from privacy.randomness import public

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Loss = Callable[[Cohort], Floats]
"""The loss of each patient of a cohort under one model, [n], lower for what the model knows better."""
TrainLoss = Callable[[Cohort, int], Loss]
"""Trains a model of the released kind on a cohort with a seed, and returns its loss."""

_LEAST_SPREAD = 1e-12
_THREAT = ThreatModel(
    name="white box, with shadow models",
    sees="the released model's weights",
    knows="one real patient in full, a sample of other patients, and how the model was trained",
    wants="to learn whether that patient was among those the model learnt from",
)
RMIA = Attack(
    test="rmia",
    title="The model's loss against that of models without the patient",
    family=Family.MEMBERSHIP,
    threat=_THREAT,
    citation="Zarifzadeh et al. 2024, RMIA, arXiv:2312.03262",
)
LIRA = Attack(
    test="lira",
    title="The model's loss against those of models with and without the patient",
    family=Family.MEMBERSHIP,
    threat=_THREAT,
    citation="Carlini et al. 2022, LiRA, arXiv:2112.03570, with variances pooled over patients",
)
ATTACKS = (RMIA, LIRA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadows:
    """Losses of the targets under shadow models, [shadows, targets], and which shadows learnt from which targets.

    Privacy: internal only.
    """

    loss: Floats
    inside: Mask


def white_box(
    train: Cohort,
    holdout: Cohort,
    loss: Loss,
    train_loss: TrainLoss,
    *,
    reference: Cohort | None = None,
    shadows: int = 4,
    overfit: TrainLoss | None = None,
    quick: bool = True,
    seed: int = 0,
) -> tuple[Finding, ...]:
    """Attack a model whose weights are released, by its `loss` of each patient.

    `train_loss` is called `shadows` times (an even number) on random halves of all patients,
    in complementary pairs, and once on the reference alone for NEG-fresh. `overfit`, where
    given, trains a model of the same kind without privacy and for too long; the attacks must
    find it, else they have NO POWER against this kind of model. A memoriser (its loss is the
    distance to the closest training patient) must be found in any case. Raises ConfigError where
    `shadows` is odd or below 2.

    Privacy: internal only; every number is outside the guarantee.
    """
    if shadows < 2 or shadows % 2:  # noqa: PLR2004 - shadows come in pairs
        raise ConfigError(
            refusal(what=f"shadows ({shadows})", must="be an even number from 2", got=f"{shadows}", fix="try 4")
        )
    # white-box attacks see no synthetic patients; the reference stands in their place
    exhibit = Exhibit.of(train, holdout, holdout, reference=reference, key=f"split {seed}".encode())
    ground = ground_of(exhibit, quick=quick, seed=seed)
    try:
        trained = shadow_losses(ground, train_loss, shadows)
        release = _outcomes(ground, loss, trained)
        trials = _trials(ground, train_loss, trained, overfit)
    except (SynthhealthError, *CRASHES) as error:
        reason = f"{type(error).__name__} while losses were computed"
        return tuple(unread(Failure(attack=one, verdict=Verdict.INCONCLUSIVE, reason=reason)) for one in ATTACKS)
    return judge(release, trials)


def shadow_losses(ground: Ground, train_loss: TrainLoss, count: int) -> Shadows:
    """`count` shadow models in complementary pairs: each patient is in one of a pair and out of the other.

    Privacy: internal only.
    """
    targets = ground.targets.cohort
    pool = joined(targets, ground.reference.cohort)
    losses, inside = [], []
    for pair in range(count // 2):
        first = public(ground.seed, "white box", str(pair)).permutation(len(pool)) < len(pool) // 2
        for place, half in enumerate((first, ~first)):
            model = train_loss(pool.take(np.flatnonzero(half)), ground.seed + 2 * pair + place)
            losses.append(_values(model, targets))
            inside.append(half[: len(targets)])
    return Shadows(loss=np.stack(losses), inside=np.stack(inside))


def rmia_scores(loss: Floats, shadows: Shadows) -> Floats:
    """Log p(x | model) - log mean p(x | shadow that did not see x), p = exp(-loss), [targets].

    The share of population patients with a lower ratio, RMIA's score, is monotone in it.

    Privacy: internal only.
    """
    away = np.where(shadows.inside, -np.inf, -shadows.loss)
    count = np.count_nonzero(~shadows.inside, axis=0)
    return np.asarray(-loss - np.logaddexp.reduce(away, axis=0) + np.log(count), dtype=np.float64)


def lira_scores(loss: Floats, shadows: Shadows) -> Floats:
    """Log N(loss; mean with x, spread) - log N(loss; mean without x, spread), [targets].

    Means are each patient's own over the shadows; spreads are pooled over all patients, as
    Carlini et al. advise for few shadows.

    Privacy: internal only.
    """
    score = np.zeros(len(loss))
    for mask, sign in ((shadows.inside, 1), (~shadows.inside, -1)):
        count = mask.sum(axis=0)
        mean = np.where(mask, shadows.loss, 0).sum(axis=0) / count
        left = np.where(mask, shadows.loss - mean, 0)
        variance = (left**2).sum() / max(1, mask.sum() - len(loss)) + _LEAST_SPREAD
        score += sign * (-((loss - mean) ** 2) / (2 * variance) - 0.5 * np.log(variance))
    return score


def memoriser(ground: Ground) -> TrainLoss:
    """A model that learns its patients by heart: the loss is the distance to the closest of them.

    Privacy: internal only.
    """

    def trained(cohort: Cohort, _seed: int) -> Loss:
        known = ground.metric(embed(cohort)).points
        return lambda asked: nearest(ground.metric(embed(asked)).points, known, 1).nearest

    return trained


def _trials(ground: Ground, train_loss: TrainLoss, trained: Shadows, overfit: TrainLoss | None) -> tuple[Trial, ...]:
    members = ground.targets.cohort.take(np.flatnonzero(ground.member))
    fresh = train_loss(ground.reference.cohort, ground.seed)
    by_heart = memoriser(ground)
    planted = [("POS-memoriser", by_heart)] + ([("POS-overfit", overfit)] if overfit is not None else [])
    return (
        Trial(
            known=Known(name="NEG-fresh", expected="no signal", answer="nothing"),
            outcomes=_outcomes(ground, fresh, trained),
        ),
        *(
            Trial(
                known=Known(
                    name=name, expected="found", answer="must", limit=f"a {name[4:]}", scale=name, size=len(members)
                ),
                outcomes=_outcomes(
                    ground, maker(members, ground.seed), shadow_losses(ground, maker, len(trained.loss))
                ),
            )
            for name, maker in planted
        ),
    )


def _outcomes(ground: Ground, loss: Loss, shadows: Shadows) -> dict[str, Outcome]:
    begin = time.perf_counter()
    values = _values(loss, ground.targets.cohort)
    readings = (
        membership_reading(RMIA, rmia_scores(values, shadows), ground),
        membership_reading(LIRA, lira_scores(values, shadows), ground),
    )
    seconds = (time.perf_counter() - begin) / len(readings)
    return {one.attack.test: _counted(one, len(shadows.loss), seconds) for one in readings}


def _values(loss: Loss, cohort: Cohort) -> Floats:
    """The losses of a cohort's patients; raises FloatingPointError where one is no number."""
    values = np.asarray(loss(cohort), dtype=np.float64)
    if not np.isfinite(values).all():
        raise FloatingPointError("losses must be finite")
    return values


def _counted(reading: Reading, shadows: int, seconds: float) -> Reading:
    trained = Estimate(name="shadow models trained", value=float(shadows))
    return replace(reading, others=(*reading.others, trained), seconds=seconds)
