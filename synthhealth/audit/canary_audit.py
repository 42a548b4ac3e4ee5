"""One run of the code that an engine runs, with canaries in it, held against the profile of what was charged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.events import Event, SampledGaussian
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Charge, Plan
from privacy.schema import Schema
from synthhealth.audit.canaries import PLANTED, CanaryRoom, Flock
from synthhealth.audit.looks_audit import sums_of, sums_with
from synthhealth.audit.profile_test import ALPHA, Claim, ProfileTest, profile_test
from synthhealth.audit.stand_ins import stand_ins
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import Progress, quiet
from synthhealth.generators.training import Room, Training
from synthhealth.generators.vae.engine import VaeEngine

Floats = NDArray[np.float64]
CANARIES = 2000
STAND_INS = 100  # patients to learn from beside the canaries
NAME = "audited steps"
_STAGE = Schema.parse(
    """
name = "stage"
cohort_size = 20
[privacy_unit]
max_records = 6
window = [0, 24]
[columns.ward]
kind = "categorical"
codes = ["A"]
[tests.na]
unit = "mmol/L"
low = 100
high = 180
precision = 1
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryAudit:
    """What one run showed of `events`, whose claimed epsilon together is `claimed` at `delta`.

    `found` is the test of all canaries, `static` and `heavy` those of each kind; `control` is
    the test of a second run in which each coin decided on several patients at once, so that the
    claim, which is for one, is truly broken: an audit whose control is not falsified had no power.
    """

    events: tuple[Event, ...]
    claimed: float
    delta: float
    canaries: int
    found: ProfileTest
    static: ProfileTest
    heavy: ProfileTest
    control: ProfileTest


def audit_steps(event: SampledGaussian, *, delta: float, seed: int, canaries: int = CANARIES) -> CanaryAudit:
    """Take the steps of `event` in the production room with canaries and nothing else to learn, and test the claim.

    Privacy: free; there is no real row.
    """
    return _audited((event,), lambda flock: steps_with(event, flock), delta=delta, seed=seed, canaries=canaries)


def audit_engine(
    engine: VaeEngine | DpsgdEngine, plan: Plan, *, seed: int, canaries: int = CANARIES, progress: Progress = quiet
) -> CanaryAudit:
    """Fit an engine as it ships, under its own plan, to stand-ins with canaries, and test the claim of its steps.

    The canaries pass through every look of the fit and every step of the training; they are
    scored in the coordinates of the noisy sums that are theirs.

    Privacy: free; there is no real row.
    """
    (event,) = (charge.event for charge in plan.charges if isinstance(charge.event, SampledGaussian))
    return _audited(
        (event,),
        lambda flock: fit_with(engine, plan, flock, progress),
        delta=plan.budget.delta,
        seed=seed,
        canaries=canaries,
    )


def audit_sums(schema: Schema, plan: Plan, *, seed: int, canaries: int = CANARIES) -> CanaryAudit:
    """Answer the noisy sums of a plan with canaries among the patients, and test the claim of all of them together.

    Privacy: free; there is no real row.
    """
    return _audited(
        tuple(charge.event for charge in sums_of(plan)),
        lambda flock: sums_with(schema, plan, flock),
        delta=plan.budget.delta,
        seed=seed,
        canaries=canaries,
    )


def steps_with(event: SampledGaussian, flock: Flock) -> Floats:
    """The canaries' scores [m] after all steps of `event` in the production room.

    Privacy: free; there is no real row.
    """
    budget = Budget(epsilon=1.001 * max(epsilon_of((event,), 1e-9), 1e-6), delta=1e-9)
    charge = Charge(name=NAME, event=event, reads="canaries", mechanism="the training room", sensitivity="clipped")
    ledger = Ledger(Plan(budget=budget, charges=(charge,), cohort_size=1))
    room = CanaryRoom(Training.enter(Gate(flock.among(stand_ins(_STAGE, 1, 0)), ledger), NAME), flock)
    for _ in range(event.steps):
        room.step(lambda rows: [np.zeros((len(rows), 0))], 0, max_grad_norm=1.0)
    return room.scores()


def fit_with(engine: VaeEngine | DpsgdEngine, plan: Plan, flock: Flock, progress: Progress = quiet) -> Floats:
    """The canaries' scores [m] after a whole fit of `engine` to stand-ins and canaries.

    Privacy: free; there is no real row.
    """
    rooms: list[CanaryRoom] = []

    def enter(gate: Gate, name: str) -> Room:
        rooms.append(CanaryRoom(Training.enter(gate, name), flock))
        return rooms[-1]

    cohort = flock.among(stand_ins(engine.schema, STAND_INS, engine.seed))
    replace(engine, enter=enter).fit(Gate(cohort, Ledger(plan)), progress)
    (room,) = rooms
    return room.scores()


def _audited(
    events: tuple[Event, ...], run: Callable[[Flock], Floats], *, delta: float, seed: int, canaries: int
) -> CanaryAudit:
    """Two runs: one with a canary a coin, one with several, which the claim does not cover."""
    claim, flock = Claim.of(events, delta), Flock.of(canaries, seed)
    planted = Flock.of(canaries, seed + 1, copies=PLANTED)
    scores = run(flock)
    return CanaryAudit(
        events=events,
        claimed=claim.headline,
        delta=delta,
        canaries=canaries,
        found=held_against(scores, flock, claim),
        static=held_against(scores, flock, claim, among=~flock.heavy),
        heavy=held_against(scores, flock, claim, among=flock.heavy),
        control=held_against(run(planted), planted, claim),
    )


def held_against(
    scores: Floats, flock: Flock, claim: Claim, *, among: NDArray[np.bool_] | None = None, alpha: float = ALPHA
) -> ProfileTest:
    """The test of the canaries of `among` [canaries], of all by default, by their `scores` [canaries]."""
    chosen = np.ones(len(flock), dtype=bool) if among is None else among
    return profile_test(scores[chosen & flock.inside], scores[chosen & ~flock.inside], claim, alpha=alpha)
