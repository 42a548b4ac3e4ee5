"""The bars of the canary audit, at epsilon 3 and 1 %: the real code holds in 20 of 20 runs, each break is found out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from audit import breaks_of_clips as clips
from audit import breaks_of_noise as noise
from audit import breaks_of_rows as rows
from audit.test_canary_audit import falsified

from privacy.budget import Budget
from privacy.plan import calibrate
from synthhealth.audit.canary_audit import CANARIES, audit_engine
from synthhealth.audit.profile_test import ALPHA
from synthhealth.engines import make_engine
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import EngineName
from synthhealth.generators.simulator import simulated_schema
from synthhealth.generators.vae.engine import VaeEngine

RUNS = 20
FULL_BATCH, POISSON = (1.0, 4), (0.04, 100)  # the steps of the engines vae and vae-dpsgd
Break = Callable[[pytest.MonkeyPatch], None]


def times_falsified(terms: tuple[float, int]) -> int:
    return sum(falsified(terms, canaries=CANARIES, alpha=ALPHA, seed=run) for run in range(RUNS))


@pytest.mark.slow
@pytest.mark.parametrize("terms", [FULL_BATCH, POISSON], ids=["everybody", "Poisson"])
def test_the_real_code_is_falsified_in_no_run(terms: tuple[float, int]):
    assert times_falsified(terms) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terms", "break_it", "least"),
    [
        (FULL_BATCH, noise.of_steps(0.5), 17),
        (POISSON, noise.of_steps(0.5), 17),
        (FULL_BATCH, clips.wider(3.0), 20),
        (POISSON, clips.wider(3.0), 20),
        (POISSON, rows.rate_times(4.0), 20),
    ],
    ids=["noise halved", "noise halved, Poisson", "clip tripled", "clip tripled, Poisson", "rate quadrupled"],
)
def test_a_break_is_found_out(monkeypatch: pytest.MonkeyPatch, terms: tuple[float, int], break_it: Break, least: int):
    break_it(monkeypatch)
    assert times_falsified(terms) >= least


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vae", "vae-dpsgd"])
def test_a_whole_fit_keeps_its_claim_and_a_wide_clip_does_not(name: EngineName, monkeypatch: pytest.MonkeyPatch):
    """The engine as it ships, all its steps, at epsilon 3 for the whole plan."""
    torch.set_num_threads(1)
    budget, schema, size = Budget(epsilon=3.0, delta=1e-6), simulated_schema(20_000), 20_000
    engine = make_engine(name, schema, budget, cohort_size=size, seed=0)
    assert isinstance(engine, VaeEngine | DpsgdEngine)
    plan = calibrate(budget, engine.charges, cohort_size=size)
    found = audit_engine(engine, plan, seed=0, canaries=CANARIES)
    assert not found.found.falsified
    assert found.control.falsified
    clips.wider(3.0)(monkeypatch)
    assert audit_engine(engine, plan, seed=0, canaries=CANARIES).found.falsified
