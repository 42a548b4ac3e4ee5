"""One run of the training room with canaries in it, held against the profile of what was charged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.cohort import Cohort, Records
from privacy.events import SampledGaussian
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.patient_frame import patient_frame
from privacy.plan import Charge, Plan
from privacy.schema import Schema
from synthhealth.audit.canaries import PLANTED, CanaryRoom, Flock
from synthhealth.audit.profile_test import ALPHA, Claim, ProfileTest, profile_test
from synthhealth.generators.training import Training

Floats = NDArray[np.float64]
CANARIES = 2000
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
class TrainingAudit:
    """What one run showed of `event`, whose claimed epsilon is `claimed` at `delta`.

    `found` is the test of all canaries, `static` and `heavy` those of each kind; `control` is
    the test of a second run in which each coin decided on several patients at once, so that the
    claim, which is for one, is truly broken: an audit whose control is not falsified had no power.
    """

    event: SampledGaussian
    claimed: float
    delta: float
    canaries: int
    found: ProfileTest
    static: ProfileTest
    heavy: ProfileTest
    control: ProfileTest


def audit_training(event: SampledGaussian, *, delta: float, seed: int, canaries: int = CANARIES) -> TrainingAudit:
    """Run the steps of `event` twice through the production room and test the claim.

    Privacy: free; there is no real row.
    """
    claim = Claim.of((event,), delta)
    flock = Flock.of(canaries, seed)
    scores = steps_with(event, flock)
    planted = Flock.of(canaries, seed + 1, copies=PLANTED)
    return TrainingAudit(
        event=event,
        claimed=claim.headline,
        delta=delta,
        canaries=canaries,
        found=held_against(scores, flock, claim),
        static=held_against(scores, flock, claim, among=~flock.heavy),
        heavy=held_against(scores, flock, claim, among=flock.heavy),
        control=held_against(steps_with(event, planted), planted, claim),
    )


def steps_with(event: SampledGaussian, flock: Flock) -> Floats:
    """The canaries' scores [m] after all steps of `event` in the production room, with nothing else to learn.

    Privacy: free; there is no real row.
    """
    cohort = flock.among(_nobody_known())
    budget = Budget(epsilon=1.001 * max(epsilon_of((event,), 1e-9), 1e-6), delta=1e-9)
    charge = Charge(name=NAME, event=event, reads="canaries", mechanism="the training room", sensitivity="clipped")
    gate = Gate(cohort, Ledger(Plan(budget=budget, charges=(charge,), cohort_size=1)))
    room = CanaryRoom(Training.enter(gate, NAME), flock)
    for _ in range(event.steps):
        room.step(lambda rows: [np.zeros((len(rows), 0))], 0, max_grad_norm=1.0)
    return room.scores()


def held_against(
    scores: Floats, flock: Flock, claim: Claim, *, among: NDArray[np.bool_] | None = None, alpha: float = ALPHA
) -> ProfileTest:
    """The test of the canaries of `among`, of all by default."""
    chosen = np.ones(len(flock), dtype=bool) if among is None else among
    return profile_test(scores[chosen & flock.inside], scores[chosen & ~flock.inside], claim, alpha=alpha)


def _nobody_known() -> Cohort:
    """One patient without a record, behind whom the canaries stand."""
    empty = np.zeros(0)
    return Cohort(
        schema=_STAGE,
        patients=patient_frame(_STAGE, ["nobody"], {"ward": np.zeros(1, dtype=np.int64)}),
        records=Records.sorted(owner=empty.astype(np.int64), time=empty, test=empty.astype(np.int64), value=empty),
    )
