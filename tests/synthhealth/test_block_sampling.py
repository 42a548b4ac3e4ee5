"""Many patients are drawn by blocks: as many as were asked for, each block another, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from privacy.cohort import Cohort
from synthhealth import block_sampling
from synthhealth.block_sampling import sample_blocks
from synthhealth.generators.protocol import ModelState
from synthhealth.generators.simulator import simulate


class Hospital:
    """A model that simulates, and notes how many it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def sample(self, n: int, seed: int) -> Cohort:
        self.asked.append((n, seed))
        return simulate(n, seed)

    def state(self) -> ModelState:
        return ModelState(arrays={}, meta="{}")


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_sampling, "PATIENTS_A_BLOCK", 7)


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (7, [7]), (8, [7, 1]), (21, [7, 7, 7]), (24, [7, 7, 7, 3])])
def test_blocks_add_up_and_have_chances_of_their_own(n: int, sizes: list[int]):
    model = Hospital()
    drawn = sample_blocks(model, n, 5)
    assert len(drawn) == n
    assert len(set(drawn.ids)) == n
    assert [size for size, _ in model.asked] == sizes
    assert len({seed for _, seed in model.asked}) == len(sizes)
    assert model.asked[0][1] == 5


def test_every_block_is_what_the_model_draws():
    model = Hospital()
    drawn, start = sample_blocks(model, 17, 5), 0
    for size, seed in model.asked:
        mine, alone = drawn.take(np.arange(start, start + size)), simulate(size, seed)
        assert mine.patients.drop(columns="patient_id").equals(alone.patients.drop(columns="patient_id"))
        assert np.array_equal(mine.records.value, alone.records.value)
        assert np.array_equal(mine.records.owner, alone.records.owner)
        start += size


def test_the_same_seed_gives_the_same_patients():
    one, same, other = (sample_blocks(Hospital(), 17, seed) for seed in (1, 1, 2))
    assert one.patients.equals(same.patients)
    assert np.array_equal(one.records.value, same.records.value)
    assert not one.patients.equals(other.patients)
