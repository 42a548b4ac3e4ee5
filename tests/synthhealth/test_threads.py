"""A fit computes in one thread, whatever the libraries would take, and gives their threads back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from tiny_engine import TinyEngine, TinyModel, make_tiny

from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.gate import Gate
from synthhealth.generators.protocol import EngineName, Progress
from synthhealth.synthesizer import Synthesizer
from synthhealth.threads import one_thread


def threads() -> tuple[set[int], int]:
    return {pool["num_threads"] for pool in threadpool_info()}, torch.get_num_threads()


@pytest.fixture(autouse=True)
def _two_at_first() -> Iterator[None]:
    """Two threads wherever a test begins, also on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(limits=2):
        yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("engine", ["vae", "marginal"])
def test_a_fit_computes_in_one_thread(
    simulated_small: Cohort, monkeypatch: pytest.MonkeyPatch, engine: EngineName
) -> None:
    seen = []
    whole = TinyEngine.fit

    def watched(self: TinyEngine, gate: Gate, progress: Progress) -> TinyModel:
        seen.append(threads())
        return whole(self, gate, progress)

    monkeypatch.setattr("synthhealth.synthesizer.make_engine", make_tiny)
    monkeypatch.setattr(TinyEngine, "fit", watched)
    before = threads()
    synthesizer = Synthesizer(simulated_small.schema, budget=Budget(epsilon=2, delta=1e-6), engine=engine)
    synthesizer.fit(simulated_small)
    ((pools, of_torch),) = seen
    assert pools == {1}
    assert engine == "marginal" or of_torch == 1
    assert threads() == before


def test_threads_come_back_after_an_error() -> None:
    before = threads()
    assert 2 in before[0]
    with pytest.raises(KeyboardInterrupt), one_thread(torch_too=True):
        raise KeyboardInterrupt
    assert threads() == before
