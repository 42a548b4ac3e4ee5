"""Runs every attack on the synthetic patients and on controls whose answer is known, and says what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evaluation.attacks import (
    attribute_inference,
    autoencoder,
    column_errors,
    density_ratio,
    distances,
    duplicates,
    inference,
    lab_sets,
    linkability,
    marginals,
    shadows,
    singling_out,
)
from evaluation.attacks.calls import CRASHES, Call, Combination, outcomes_of
from evaluation.attacks.ensemble import ENSEMBLE, ensemble
from evaluation.attacks.ground import TrainGenerator, World, control_worlds, ground_of
from evaluation.attacks.reading import Attack
from evaluation.attacks.stage import Ground
from evaluation.attacks.verdict import Failure, Trial, judge, unread
from evaluation.attacks.whole import whole
from evaluation.exhibit import Exhibit
from evaluation.finding import Finding, Verdict
from privacy.cohort import Cohort
from privacy.errors import SynthhealthError

LEAST_PATIENTS = 100

Progress = Callable[[str, int, int], None]

SUITE = (
    Call(attacks=duplicates.PATIENTS, measure=duplicates.patients),
    Call(attacks=(duplicates.RUNS,), measure=duplicates.runs),
    Call(attacks=distances.ATTACKS, measure=distances.measure),
    Call(attacks=lab_sets.ATTACKS, measure=lab_sets.measure),
    Call(attacks=marginals.ATTACKS, measure=marginals.measure),
    Call(attacks=density_ratio.ATTACKS, measure=density_ratio.measure),
    Call(attacks=column_errors.ATTACKS, measure=column_errors.measure),
    Call(attacks=autoencoder.ATTACKS, measure=autoencoder.measure),
    Call(attacks=attribute_inference.ATTACKS, measure=attribute_inference.measure),
    Call(attacks=singling_out.ATTACKS, measure=singling_out.measure),
    Call(attacks=linkability.ATTACKS, measure=linkability.measure),
    Call(attacks=inference.ATTACKS, measure=inference.measure),
)
TOGETHER: tuple[Combination, ...] = (Combination(attacks=(ENSEMBLE,), combine=ensemble),)


def attack(
    train: Cohort,
    holdout: Cohort,
    synthetic: Cohort,
    *,
    reference: Cohort | None = None,
    quick: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
    train_shadow: TrainGenerator | None = None,
    train_overfit: TrainGenerator | None = None,
) -> tuple[Finding, ...]:
    """Attack `synthetic` as if it had been learnt from `train`, with `holdout` as patients it cannot know.

    `reference` is the attacker's own sample of the same population; without one, half of the
    holdout is taken. `train_shadow(cohort, seed)` fits the same generator with the same
    settings and returns synthetic patients; it is called twice (four times when not `quick`),
    and the attacks that need it are NOT MEASURABLE without it. `train_overfit(cohort, seed)`
    does the same without privacy and for too long, for the control POS-overfit. `seed` steers
    the evaluation alone. Returns one finding an attack and one for the suite as a whole.
    Raises CheckError when the cohorts are in different schemas, and whatever `train_overfit` raises.

    Privacy: internal only; every number is outside the guarantee.
    """
    exhibit = Exhibit.of(train, holdout, synthetic, reference=reference, key=f"split {seed}".encode())
    return examine(
        exhibit,
        SUITE,
        quick=quick,
        seed=seed,
        progress=progress,
        train_shadow=train_shadow,
        train_overfit=train_overfit,
    )


def examine(
    exhibit: Exhibit,
    calls: tuple[Call, ...],
    *,
    quick: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
    train_shadow: TrainGenerator | None = None,
    train_overfit: TrainGenerator | None = None,
) -> tuple[Finding, ...]:
    """The attacks of `calls`, their ensemble and the shadow attacks on the exhibit and on every control.

    With fewer than 100 patients on any side every attack is NOT MEASURABLE.

    Privacy: internal only.
    """
    small = _too_small(exhibit)
    if small:
        everything = (*(one for call in calls for one in call.attacks), ENSEMBLE, *shadows.ATTACKS)
        findings = _unread(everything, Verdict.NOT_MEASURABLE, small)
        return (*findings, whole(findings))
    ground = ground_of(exhibit, quick=quick, seed=seed)
    cast = _cast(ground, calls, train_shadow)
    worlds = control_worlds(ground, train_overfit)
    findings = (*_judged(ground, exhibit.synthetic, worlds, cast, progress), *cast.absent)
    return (*findings, whole(findings))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cast:
    """Who takes part: calls, what combines them, and the findings of attacks that could not be made ready."""

    calls: tuple[Call, ...]
    together: tuple[Combination, ...] = TOGETHER
    absent: tuple[Finding, ...] = ()


def _cast(ground: Ground, calls: tuple[Call, ...], train_shadow: TrainGenerator | None) -> _Cast:
    """`calls`, and the shadow attacks where shadow models can be trained."""
    if train_shadow is None:
        reason = "no function that trains shadow models was given"
        return _Cast(calls=calls, absent=_unread(shadows.ATTACKS, Verdict.NOT_MEASURABLE, reason))
    count = shadows.QUICK_SHADOWS if ground.quick else shadows.FULL_SHADOWS
    try:
        more = shadows.shadow_calls(shadows.train_shadows(ground, train_shadow, calls, count=count))
    except (SynthhealthError, *CRASHES) as error:
        reason = f"{type(error).__name__} while shadow models were trained"
        return _Cast(calls=calls, absent=_unread(shadows.ATTACKS, Verdict.INCONCLUSIVE, reason))
    return _Cast(calls=(*calls, *more[0]), together=(*TOGETHER, *more[1]))


def _judged(
    ground: Ground, synthetic: Cohort, worlds: tuple[World, ...], cast: _Cast, progress: Progress | None
) -> tuple[Finding, ...]:
    release = outcomes_of(ground.stage("release", synthetic), cast.calls, cast.together)
    trials = []
    for done, world in enumerate(worlds, 1):
        if progress is not None:
            progress(f"attack: {world.known.name}", done, len(worlds) + 1)
        stage = ground.stage(world.known.name, world.planted, world.rows)
        trials.append(Trial(known=world.known, outcomes=outcomes_of(stage, cast.calls, cast.together)))
    if progress is not None:
        progress("attack", len(worlds) + 1, len(worlds) + 1)
    return judge(release, tuple(trials))


def _too_small(exhibit: Exhibit) -> str:
    """Why this exhibit cannot be measured; empty when it can."""
    sides = (
        ("train", exhibit.train),
        ("holdout", exhibit.holdout),
        ("reference", exhibit.reference),
        ("synthetic", exhibit.synthetic),
    )
    small = [f"{name} has {len(cohort)}" for name, cohort in sides if len(cohort) < LEAST_PATIENTS]
    return f"at least {LEAST_PATIENTS} patients are needed on each side; {', '.join(small)}" if small else ""


def _unread(attacks: tuple[Attack, ...], verdict: Verdict, reason: str) -> tuple[Finding, ...]:
    return tuple(unread(Failure(attack=one, verdict=verdict, reason=reason)) for one in attacks)
