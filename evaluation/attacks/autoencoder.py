"""Entity auto-encoder: who is rebuilt too well by a model that learnt to rebuild synthetic patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.membership import membership_reading, with_a_sample
from evaluation.attacks.reading import Attack, Reading
from evaluation.attacks.stage import Side, Stage
from evaluation.finding import Family

Floats = NDArray[np.float64]

_WIDTH = {True: 1_000, False: 2_000}
_WAVELENGTH = 0.7
_RIDGE = 1e-2
_REACH = 6.0
_LEAST_ERROR = 1e-9
_BLOCK = 4_096
AUTOENCODER = Attack(
    test="autoencoder",
    title="Patients rebuilt by an auto-encoder of the synthetic patients",
    family=Family.MEMBERSHIP,
    threat=with_a_sample("the synthetic patients with their labs"),
    citation="Ward et al. 2026, Finding Connections (MT-MIA), arXiv:2602.07126; on lab summaries, not on a graph",
)
ATTACKS = (AUTOENCODER,)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The log reconstruction error by a model of the reference minus that by a model of the synthetic.

    Privacy: internal only.
    """
    return (membership_reading(AUTOENCODER, loss(stage, stage.reference) - loss(stage, stage.synthetic), stage),)


def loss(stage: Stage, teacher: Side) -> Floats:
    """Log mean squared error with which an auto-encoder of `teacher` rebuilds the targets, [targets].

    The entity is a patient's point: attributes and six summaries of every test, cut to +-6
    spreads. The auto-encoder has one wide hidden layer of random cosine features (Rahimi and
    Recht 2007) and an output layer fitted by ridge regression, so its optimum is exact. On a
    full copy of 2,500 patients it told members with an AUC of 0.70 (NAFLD) and 0.94 (ICU);
    a network with 256 hidden units trained by gradients reached 0.65 and 0.72, a linear
    auto-encoder 0.53 and 0.61.

    Privacy: internal only.
    """
    known, asked = _entities(teacher), _entities(stage.targets)
    width = _WIDTH[stage.quick]
    hidden = _hidden_layer(known.shape[1], width, stage.rng("autoencoder"))
    centre = known.mean(axis=0)
    output = _fitted(hidden, known - centre, width)
    missed = [((hidden(part) @ output - part) ** 2).mean(axis=1) for part in _blocks(asked - centre)]
    return np.asarray(np.log(np.concatenate(missed) + _LEAST_ERROR), dtype=np.float64)


def _entities(side: Side) -> Floats:
    return np.clip(side.embedding.points, -_REACH, _REACH).astype(np.float64)


def _hidden_layer(axes: int, width: int, rng: np.random.Generator) -> Callable[[Floats], Floats]:
    """Random cosine features of points [n, axes], [n, width]."""
    direction = rng.normal(size=(axes, width)) / (np.sqrt(axes) * _WAVELENGTH)
    phase = rng.uniform(0, 2 * np.pi, size=width)
    return lambda points: np.sqrt(2 / width) * np.cos(points @ direction + phase)


def _fitted(hidden: Callable[[Floats], Floats], known: Floats, width: int) -> Floats:
    """The output layer [width, axes] that rebuilds `known` [n, axes] best from its hidden layer."""
    gram, cross = _RIDGE * np.eye(width), np.zeros((width, known.shape[1]))
    for part in _blocks(known):
        features = hidden(part)
        gram += features.T @ features
        cross += features.T @ part
    return np.asarray(np.linalg.solve(gram, cross), dtype=np.float64)


def _blocks(points: Floats) -> Iterator[Floats]:
    """Points a few thousand at a time, so that a wide hidden layer fits into memory."""
    return (points[start : start + _BLOCK] for start in range(0, len(points), _BLOCK))
