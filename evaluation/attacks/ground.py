"""Prepares the real side of an evaluation: whom to score, the attacker's sample, and the control worlds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.planted import jittered, joined, renamed
from evaluation.attacks.stage import NEAREST, Ground, Side, farthest, rarest
from evaluation.attacks.verdict import Known
from evaluation.embedding import Metric, embed
from evaluation.exhibit import Exhibit
from evaluation.neighbours import nearest
from evaluation.strata import record_strata
from privacy.cohort import Cohort
from privacy.randomness import public

Ints = NDArray[np.int64]

TrainGenerator = Callable[[Cohort, int], Cohort]
"""Fits a generator on a cohort with a seed, and returns synthetic patients."""

COPIED_WORLD = "POS-2 %"
OVERFIT_WORLD = "POS-overfit"
_MOST_SCORED = {True: 10_000, False: 50_000}
_MOST_PLANTED = {True: 3_000, False: 10_000}
_COPIED = {True: (0.02,), False: (0.005, 0.01, 0.02, 0.05)}
_JITTERS = {True: (0.03, 0.3), False: (0.01, 0.03, 0.1, 0.3)}
_LEAST_COPIES = 5
_MOST_OVERFITTED = 600  # the fewer patients a model learns from, the better it knows each of them


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A control: what is known of it, patients planted in the place of the synthetic ones, the targets at `rows`."""

    known: Known
    planted: Cohort
    rows: Ints


def ground_of(exhibit: Exhibit, *, quick: bool, seed: int) -> Ground:
    """The targets (members first), their strata and groups, and the reference, from an exhibit.

    All patients are scored up to 10,000 members and 10,000 non-members (50,000 when not
    quick), above that a sample; the reference is used whole.

    Privacy: internal only.
    """
    metric = Metric.of(embed(exhibit.reference))
    scored = [
        _sample(cohort, _MOST_SCORED[quick], seed, name)
        for cohort, name in ((exhibit.train, "train"), (exhibit.holdout, "holdout"))
    ]
    targets = Side.of(joined(*scored), metric)
    member = np.arange(len(targets)) < len(scored[0])
    return prepared(targets, member, Side.of(exhibit.reference, metric), metric, quick=quick, seed=seed)


def prepared(
    targets: Side, member: NDArray[np.bool_], reference: Side, metric: Metric, *, quick: bool, seed: int
) -> Ground:
    """The ground of targets whose membership is known: their neighbours in the reference, strata and groups.

    Privacy: internal only.
    """
    known = nearest(targets.embedding.points, reference.embedding.points, NEAREST)
    return Ground(
        targets=targets,
        member=member,
        stratum=record_strata(targets.cohort.records_per_patient(), member),
        outlier=farthest(known),
        rare=rarest(targets, reference),
        reference=reference,
        metric=metric,
        near_reference=known,
        seed=seed,
        quick=quick,
    )


def _sample(cohort: Cohort, most: int, seed: int, name: str) -> Cohort:
    if len(cohort) <= most:
        return cohort
    return cohort.take(np.sort(public(seed, "scored", name).permutation(len(cohort))[:most]))


def control_worlds(ground: Ground, overfit: TrainGenerator | None = None) -> tuple[World, ...]:
    """The controls: fresh patients, a full copy, fresh patients with 2 % copies, copies with noise, an overfit.

    A third of the training patients (3,000 at most when quick) leaves the members and stands
    in as the third split: neither scored nor copied, fresh to the members that remain. Those
    remaining, 3,000 at most, are what gets copied; 600 of them are what `overfit` learns from
    where it is given: a generator without privacy, trained for too long.

    Privacy: internal only.
    """
    order = public(ground.seed, "controls").permutation(np.flatnonzero(ground.member))
    most = _MOST_PLANTED[ground.quick]
    fresh, members = np.split(order, [min(len(order) // 3, most)])
    members = members[:most]
    rows = np.concatenate([np.sort(members), np.flatnonzero(~ground.member)])
    real = ground.targets.cohort
    fresh_patients, copied = real.take(fresh), real.take(members)
    return (
        World(
            known=Known(name="NEG-fresh", expected="no signal", answer="nothing"),
            planted=renamed(fresh_patients),
            rows=rows,
        ),
        World(
            known=Known(name="POS-copy", expected="found", answer="must", size=len(copied)),
            planted=renamed(copied),
            rows=rows,
        ),
        *(_copied_world(fresh_patients, copied, share, rows) for share in _COPIED[ground.quick]),
        *(_noisy_world(ground, copied, spread, rows) for spread in _JITTERS[ground.quick]),
        *(() if overfit is None else (_overfit_world(ground, members[:_MOST_OVERFITTED], overfit),)),
    )


def _copied_world(fresh: Cohort, copied: Cohort, share: float, rows: Ints) -> World:
    few = copied.take(np.arange(max(_LEAST_COPIES, round(share * len(copied)))))
    known = Known(
        name=f"POS-{share * 100:g} %",
        expected="found by at least one attack",
        answer="dose",
        limit=f"copies of {share * 100:g} % of the patients",
        scale="copies",
        ease=share,
        size=len(few),
    )
    return World(known=known, planted=joined(fresh, few), rows=rows)


def _noisy_world(ground: Ground, copied: Cohort, spread: float, rows: Ints) -> World:
    known = Known(
        name=f"POS-jitter {spread:g} sd",
        expected="found, less with more noise",
        answer="dose",
        limit=f"copies of every patient with noise of {spread:g} sd",
        scale="noise",
        ease=-spread,
        size=len(copied),
    )
    noisy = jittered(copied, spread, public(ground.seed, "jitter", f"{spread:g}"))
    return World(known=known, planted=noisy, rows=rows)


def _overfit_world(ground: Ground, few: Ints, overfit: TrainGenerator) -> World:
    members = ground.targets.cohort.take(few)
    rows = np.concatenate([np.sort(few), np.flatnonzero(~ground.member)])
    known = Known(
        name=OVERFIT_WORLD,
        expected="found by at least one attack",
        answer="dose",
        limit="a generator of this kind, overfitted without privacy",
        scale="overfit",
        size=len(members),
    )
    return World(known=known, planted=overfit(members, ground.seed), rows=rows)
