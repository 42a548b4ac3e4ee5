"""Two families of models, one of trees and one of weighted sums, each a function from rows to a predictor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from evaluation.fidelity.histograms import Floats
from evaluation.utility.tasks import Kind

Predictor = Callable[[Floats], Floats]
Learner = Callable[[Floats, Floats, Kind], Predictor]
FARTHEST = 5.0


def boosted(x: Floats, y: Floats, kind: Kind) -> Predictor:
    """Gradient-boosted trees; missing values are a branch of their own."""
    if len(np.unique(y)) <= 1:
        return _constant(y)
    if kind == "number":
        return _number(HistGradientBoostingRegressor(max_iter=80, learning_rate=0.06, random_state=0).fit(x, y))
    return _risk(HistGradientBoostingClassifier(max_iter=80, learning_rate=0.06, random_state=0).fit(x, y))


def linear(x: Floats, y: Floats, kind: Kind) -> Predictor:
    """Ridge or logistic regression on standardised columns with indicators of missing values."""
    if len(np.unique(y)) <= 1:
        return _constant(y)
    scale = Scale.of(x)
    if kind == "number":
        predict = _number(Ridge(alpha=10.0).fit(scale.apply(x), y))
    else:
        predict = _risk(LogisticRegression(C=0.1, max_iter=1000).fit(scale.apply(x), y))
    return lambda rows: predict(scale.apply(rows))


LEARNERS: tuple[tuple[str, Learner], ...] = (("boosted trees", boosted), ("linear model", linear))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Centre and spread [p] of the columns that a model was trained on."""

    centre: Floats
    spread: Floats

    @staticmethod
    def of(x: Floats) -> Scale:
        """Mean and standard deviation without missing values; a column without any is centred on 0."""
        known = np.isfinite(x)
        number = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, x, 0.0).sum(axis=0) / number
        spread = np.sqrt((np.where(known, x - centre, 0.0) ** 2).sum(axis=0) / number)
        return Scale(centre=centre, spread=np.where(spread > 0, spread, 1.0))

    def apply(self, x: Floats) -> Floats:
        """Columns in standard deviations, at most five, 0 for missing, then one indicator of missing each, [n, 2 p]."""
        known = np.isfinite(x)
        scaled = np.clip(np.where(known, (x - self.centre) / self.spread, 0.0), -FARTHEST, FARTHEST)
        return np.concatenate([scaled, (~known).astype(np.float64)], axis=1)


def _constant(y: Floats) -> Predictor:
    value = float(y[0]) if len(y) else 0.0
    return lambda rows: np.full(len(rows), value)


def _risk(model: HistGradientBoostingClassifier | LogisticRegression) -> Predictor:
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1])  # type: ignore[no-untyped-call]


def _number(model: HistGradientBoostingRegressor | Ridge) -> Predictor:
    return lambda rows: np.asarray(model.predict(rows))  # type: ignore[no-untyped-call]
