"""Which attributes of a patient an attacker would want to infer, and when a guess counts as right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.reading import NotMeasurableError
from evaluation.attacks.stage import Stage
from evaluation.patient_table import Feature

Floats = NDArray[np.float64]

TOLERANCE = 0.05
_QUICK = 4
_FULL = 12


def secrets(stage: Stage) -> tuple[int, ...]:
    """Positions in the patient table of the attributes to infer: the schema's outcomes first, then the others.

    Four in a quick stage, twelve in a full one. Raises NotMeasurableError when the schema has
    nothing to infer them from.
    """
    features = stage.targets.table.features
    if len({feature.source for feature in features}) < 2:  # noqa: PLR2004 - a secret, and something else
        raise NotMeasurableError("the schema has only one column")
    outcomes = stage.schema.outcomes
    attributes = [place for place, feature in enumerate(features) if feature.part == "attribute"]
    ordered = sorted(attributes, key=lambda place: features[place].name not in outcomes)
    return tuple(ordered[: _QUICK if stage.quick else _FULL])


def right(guess: Floats, truth: Floats, feature: Feature) -> Floats:
    """1 where a guess counts as right, else 0, [n]: the same code, or a number within 5 % of the true one or one step.

    A missing truth is guessed right by a missing guess. The distance is measured in absolute
    values: with a signed one (as in anonymeter 1.1) every negative guess would count as right.
    """
    both = np.isfinite(guess) & np.isfinite(truth)
    reach = np.zeros(len(truth)) if feature.kind == "code" else np.maximum(TOLERANCE * np.abs(truth), feature.step)
    with np.errstate(invalid="ignore"):
        close = np.abs(guess - truth) <= reach * (1 + 1e-9)
    return np.where(both, close, np.isnan(guess) & np.isnan(truth)).astype(np.float64)
