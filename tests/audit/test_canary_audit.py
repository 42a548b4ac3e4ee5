"""The canary audit: the running code keeps its claim, planted leaks are found, and the short form can be trusted."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from privacy.budget import Budget
from privacy.events import SampledGaussian
from privacy.plan import Charge, calibrate
from synthhealth.audit.canaries import Flock
from synthhealth.audit.canary_audit import held_against, steps_with
from synthhealth.audit.profile_test import Claim

DELTA = 1e-6
SHORT = 2_000  # canaries of the short form; with 600, a tripled clip slipped through in 21 of 200 runs
ALPHA = 1e-5  # so that the gate does not cry wolf; the long form tests at 1 %


@cache
def event_of(rate: float, steps: int, epsilon: float = 3.0) -> SampledGaussian:
    """Steps at the noise that `epsilon` buys them."""

    def charges(scale: float) -> tuple[Charge, ...]:
        event = SampledGaussian(noise_multiplier=scale, sample_rate=rate, steps=steps)
        return (Charge(name="steps", event=event, reads="", mechanism="", sensitivity=""),)

    event = calibrate(Budget(epsilon=epsilon, delta=DELTA), charges, cohort_size=10_000).events[0]
    assert isinstance(event, SampledGaussian)
    return event


@cache
def claim_of(event: SampledGaussian) -> Claim:
    return Claim.of((event,), DELTA)


FULL_BATCH, POISSON = (1.0, 2), (0.05, 30)


def falsified(terms: tuple[float, int], *, canaries: int = SHORT, alpha: float = ALPHA, seed: int = 0) -> bool:
    torch.set_num_threads(1)
    event, flock = event_of(*terms), Flock.of(canaries, seed)
    return held_against(steps_with(event, flock), flock, claim_of(event), alpha=alpha).falsified


def test_the_running_code_is_not_falsified():
    assert not falsified(FULL_BATCH)


def test_poisson_steps_are_not_falsified():
    assert not falsified(POISSON)


def test_records_are_clipped_together():
    """Half of the canaries are far above the cap of records, each record with a gradient of its own."""
    event, flock = event_of(*FULL_BATCH), Flock.of(1_000, 0)
    claim, scores = claim_of(event), steps_with(event, flock)
    assert not held_against(scores, flock, claim, among=flock.heavy, alpha=ALPHA).falsified


def test_a_coin_that_decides_on_three_patients_is_found_out():
    """The positive control needs no broken code: group privacy alone breaks the claim for one."""
    event, flock = event_of(*FULL_BATCH), Flock.of(SHORT, 1, copies=3)
    assert held_against(steps_with(event, flock), flock, claim_of(event), alpha=1e-3).falsified


def test_canaries_that_are_out_look_like_noise():
    event, flock = event_of(*FULL_BATCH), Flock.of(SHORT, 2)
    scores = steps_with(event, flock)
    mu = np.sqrt(event.steps) / event.noise_multiplier
    # the log likelihood ratio is normal with mean -+ mu^2 / 2 and standard deviation mu
    for inside, mean in ((True, mu**2 / 2), (False, -(mu**2) / 2)):
        mine = scores[flock.inside == inside]
        assert abs(mine.mean() - mean) < 5.5 * mu / np.sqrt(len(mine))
        assert 0.8 * mu < mine.std() < 1.2 * mu
