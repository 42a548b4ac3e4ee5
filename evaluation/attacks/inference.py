"""WP216 inference: a secret read off the synthetic patient that is most like a real one in everything else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.reading import Attack, Reading
from evaluation.attacks.secrets import right, secrets
from evaluation.attacks.stage import Stage
from evaluation.attacks.success import rate_reading
from evaluation.finding import Estimate, Family, ThreatModel
from evaluation.neighbours import nearest

Floats = NDArray[np.float64]

INFERENCE = Attack(
    test="inference",
    title="A secret read off the most similar synthetic patient",
    family=Family.INFERENCE,
    threat=ThreatModel(
        name="no box",
        sees="the synthetic patients",
        knows="everything about one real patient but a secret attribute",
        wants="the secret attribute",
    ),
    citation="Giomi et al. 2023, Anonymeter, arXiv:2211.10459; Article 29 Working Party, WP216",
)
ATTACKS = (INFERENCE,)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The share of secrets guessed right, patient by patient, for train against holdout.

    The baseline draws the secret from a synthetic patient at random.

    Privacy: internal only.
    """
    places = secrets(stage)
    truth, answers = stage.targets.table, stage.synthetic.table
    rng = stage.rng("inference")
    hit, chance = np.zeros(len(truth)), np.zeros(len(truth))
    for place in places:
        feature = truth.features[place]
        closest = most_similar(stage, place)
        hit += right(answers.values[closest, place], truth.values[:, place], feature) / len(places)
        blind = rng.integers(len(answers), size=len(truth))
        chance += right(answers.values[blind, place], truth.values[:, place], feature) / len(places)
    baseline = Estimate(name="random synthetic patient", value=float(chance.mean()))
    return (rate_reading(INFERENCE, hit, stage, chance=baseline),)


def most_similar(stage: Stage, secret: int) -> NDArray[np.int64]:
    """For each target the synthetic patient nearest to it on all features but `secret`, [targets]."""
    places = np.delete(np.arange(len(stage.targets.table.features)), secret)
    near = nearest(stage.targets.embedding.axes(places), stage.synthetic.embedding.axes(places), 1)
    return near.index[:, 0]
