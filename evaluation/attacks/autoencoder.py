"""Entity auto-encoder: who is rebuilt too well by a network that learnt to compress synthetic patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor

from evaluation.attacks.membership import membership_reading
from evaluation.attacks.reading import Attack, Reading
from evaluation.attacks.stage import Side, Stage
from evaluation.finding import Family, ThreatModel

Floats = NDArray[np.float64]

_HIDDEN = (96, 24, 96)
_STEPS = 1_500
_BATCH = 128
_REACH = 6.0
AUTOENCODER = Attack(
    test="autoencoder",
    title="Patients rebuilt by an auto-encoder of the synthetic patients",
    family=Family.MEMBERSHIP,
    threat=ThreatModel(
        name="no box, with a reference sample",
        sees="the synthetic patients with their labs",
        knows="one real patient in full, and a sample of other patients of the same population",
        wants="to learn whether that patient was among those the generator learnt from",
    ),
    citation="Ward et al. 2026, Finding Connections (MT-MIA), arXiv:2602.07126; on lab summaries, not on a graph",
)
ATTACKS = (AUTOENCODER,)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The log reconstruction error by a network of the reference minus that by a network of the synthetic.

    Privacy: internal only.
    """
    return (membership_reading(AUTOENCODER, loss(stage, stage.reference) - loss(stage, stage.synthetic), stage),)


def loss(stage: Stage, teacher: Side) -> Floats:
    """Log mean squared error with which a network fitted on `teacher` rebuilds the targets, [targets].

    The entity is a patient's point: attributes and six summaries of every test, cut to +-6
    spreads. The number of steps is fixed, whatever the size of `teacher`.

    Privacy: internal only.
    """
    rng = stage.rng("autoencoder")
    known = np.clip(teacher.embedding.points, -_REACH, _REACH)
    asked = np.clip(stage.targets.embedding.points, -_REACH, _REACH)
    network = MLPRegressor(
        hidden_layer_sizes=_HIDDEN, batch_size=min(_BATCH, len(known)), random_state=int(rng.integers(2**31))
    )
    centre = known.mean(axis=0)
    for _ in range(max(1, _STEPS * _BATCH // max(1, len(known)))):
        network.partial_fit(known - centre, known - centre)
    rebuilt = network.predict(asked - centre) + centre
    return np.asarray(np.log(((rebuilt - asked) ** 2).mean(axis=1, dtype=np.float64) + 1e-6), dtype=np.float64)
