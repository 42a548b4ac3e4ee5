"""The five cohorts that stand beside each other in every measure of fidelity, each read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evaluation.fidelity.draws import Draws, scaled_values
from evaluation.fidelity.histograms import Floats, Ints, place_within, quantile_edges
from evaluation.fidelity.nulls import scattered, shuffled
from evaluation.resampling import Redraws
from privacy.cohort import Cohort
from privacy.randomness import public
from privacy.schema import Schema

CLASSES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One cohort, its draws, its values on the declared scale and in classes of the training data, its redraws.

    `scaled` and `classes` have shape [r] like the records in `draws`.
    """

    cohort: Cohort
    draws: Draws
    scaled: Floats
    classes: Ints
    redraws: Redraws

    @staticmethod
    def of(cohort: Cohort, edges: tuple[Floats, ...] | None, chance: np.random.Generator) -> Side:
        """Read a cohort; without `edges` its own quantiles cut the classes.

        Privacy: internal only.
        """
        draws = Draws.of(cohort)
        mine = class_edges(draws) if edges is None else edges
        return Side(
            cohort=cohort,
            draws=draws,
            scaled=scaled_values(cohort, draws),
            classes=place_within(draws.value, draws.test, mine),
            redraws=Redraws.of(len(cohort), chance),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Train is what all are compared to; holdout gives the floor, `shuffled` or `scattered` the ceiling."""

    train: Side
    holdout: Side
    synthetic: Side
    shuffled: Side
    scattered: Side

    @staticmethod
    def of(train: Cohort, holdout: Cohort, synthetic: Cohort, *, seed: int = 0) -> Arms:
        """Holdout and synthetic cut to one size by public lots, so that both carry the same sampling noise.

        Privacy: internal only.
        """
        size = min(len(holdout), len(synthetic))
        real, other = some_patients(holdout, size, seed), some_patients(synthetic, size, seed)
        learnt = Draws.of(train)
        edges = class_edges(learnt)
        chance = public(seed, "fidelity", "redraws")
        null = public(seed, "fidelity", "nulls")
        return Arms(
            train=Side.of(train, edges, chance),
            holdout=Side.of(real, edges, chance),
            synthetic=Side.of(other, edges, chance),
            shuffled=Side.of(shuffled(real, null), edges, chance),
            scattered=Side.of(scattered(real, null), edges, chance),
        )

    @property
    def schema(self) -> Schema:
        """The schema all five share."""
        return self.train.cohort.schema

    @property
    def measured(self) -> tuple[int, ...]:
        """The places of the tests that the training data hold at all."""
        return tuple(int(place) for place in np.flatnonzero(np.bincount(self.train.draws.test, minlength=1)))


def class_edges(draws: Draws) -> tuple[Floats, ...]:
    """Eight quantile classes of each test's values."""
    return tuple(quantile_edges(values, CLASSES) for values in values_by_test(draws))


def values_by_test(draws: Draws) -> Iterator[Floats]:
    """The values of each test in turn."""
    order = np.argsort(draws.test, kind="stable")
    borders = np.searchsorted(draws.test[order], np.arange(draws.tests + 1))
    for low, high in pairwise(borders):
        yield draws.value[order[low:high]]


def some_patients(cohort: Cohort, size: int, seed: int) -> Cohort:
    """`size` patients by public lots, all of them where there are no more."""
    if len(cohort) <= size:
        return cohort
    return cohort.take(np.sort(public(seed, "fidelity", "some patients").permutation(len(cohort))[:size]))
