"""The bars of the canary audit, at epsilon 3 and 1 %: the real code holds in 20 of 20 runs, each break is found out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from audit import breaks_of_clips as clips
from audit import breaks_of_noise as noise
from audit import breaks_of_rows as rows
from audit.test_canary_audit import falsified

from synthhealth.audit.canary_audit import CANARIES
from synthhealth.audit.profile_test import ALPHA

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
