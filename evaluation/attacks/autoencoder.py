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

_WIDTH = 256
_STEPS = 2_000
_BATCH = 128
_RATE = 3e-3
_LEAST_ERROR = 1e-9
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
    """Log mean squared error with which an auto-encoder of `teacher` rebuilds the targets, [targets].

    The entity is a patient's point: attributes and six summaries of every test, cut to +-6
    spreads. A quick stage takes the best linear auto-encoder, whose optimum is the principal
    subspace (Baldi and Hornik 1989); a full one a network with one hidden layer.

    Privacy: internal only.
    """
    known = np.clip(teacher.embedding.points, -_REACH, _REACH).astype(np.float64)
    asked = np.clip(stage.targets.embedding.points, -_REACH, _REACH).astype(np.float64)
    centre = known.mean(axis=0)
    rebuild = _linear if stage.quick else _network
    missed = rebuild(known - centre, asked - centre, stage.rng("autoencoder")) - (asked - centre)
    return np.asarray(np.log((missed**2).mean(axis=1) + _LEAST_ERROR), dtype=np.float64)


def _linear(known: Floats, asked: Floats, _rng: np.random.Generator) -> Floats:
    """`asked` [t, d] projected on the leading third of the principal axes of `known` [n, d]."""
    kept = max(1, known.shape[1] // 3)
    axes = np.linalg.eigh(known.T @ known)[1][:, -kept:]
    return np.asarray((asked @ axes) @ axes.T, dtype=np.float64)


def _network(known: Floats, asked: Floats, rng: np.random.Generator) -> Floats:
    """`asked` [t, d] through a network that was fitted, for a fixed number of steps, to rebuild `known` [n, d]."""
    batch = min(_BATCH, len(known))
    network = MLPRegressor(
        hidden_layer_sizes=(_WIDTH,),
        batch_size=batch,
        learning_rate_init=_RATE,
        alpha=0.0,
        random_state=int(rng.integers(2**31)),
    )
    for _ in range(max(1, _STEPS * batch // len(known))):
        network.partial_fit(known, known)
    return np.asarray(network.predict(asked), dtype=np.float64).reshape(asked.shape)
