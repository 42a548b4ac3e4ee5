"""Several processes take a step as one would: the same law of batches, the same clipped sum, one noise, one ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from audit.stage import people, silence
from numpy.typing import NDArray
from scipy.stats import binom
from small_world import gate_of
from tiny_project import CONFIG, lay_out

from privacy.cohort import Cohort
from privacy.events import SampledGaussian
from synthhealth.generators.crew import Crew
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.training import Training, batch_sum
from synthhealth.together import assisted, leading

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(("patients", "size"), [(0, 2), (1, 3), (10, 1), (11, 3)])
def test_every_patient_is_in_one_process(patients: int, size: int):
    parts = [Crew(rank=rank, size=size).mine(patients) for rank in range(size)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(patients))
    assert all(np.array_equal(Crew(size=size).part(rank, patients), parts[rank]) for rank in range(size))


def test_without_torchrun_a_crew_is_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Crew.joined() == Crew(rank=0, size=1)
    assert not assisted()
    total = np.ones(3)
    assert Crew().added(total) is total
    with leading():
        pass


class Pretended(Crew):
    """One of two processes, the other of which has left its total in `left`."""

    __slots__ = ()
    left: Floats | None = None

    def added(self, total: Floats) -> Floats:
        assert Pretended.left is not None
        return total + Pretended.left


def test_a_step_adds_the_other_processes_clipped_sums():
    table = np.random.default_rng(0).normal(size=(9, 4)) * 10
    event = SampledGaussian(noise_multiplier=1.0, sample_rate=1.0, steps=1)
    rooms = [people(9)] * 2
    with silence():
        alone = room(rooms[0], event).step(lambda rows: [table[rows]], 4, max_grad_norm=1.0)
        other = room(rooms[1], event, Pretended(rank=1, size=2))
        Pretended.left = np.zeros(4)
        Pretended.left = other.step(lambda rows: [table[rows]], 4, max_grad_norm=1.0)
        together = room(rooms[1], event, Pretended(rank=0, size=2))
        assert np.allclose(together.step(lambda rows: [table[rows]], 4, max_grad_norm=1.0), alone, rtol=1e-14)


def room(cohort: Cohort, event: SampledGaussian, crew: Crew | None = None) -> Training:
    gate = gate_of(cohort, {"training": event})
    return Training.enter(gate, "training") if crew is None else Training.enter(gate, "training", crew)


def test_two_processes_draw_batches_of_the_same_law_as_one():
    """Each patient is in with the rate, alone; sizes of both parts together vary as a binomial."""
    n, rate, steps = 101, 0.3, 400
    parts = [Crew(rank=rank, size=2).mine(n) for rank in range(2)]
    times, sizes = np.zeros(n), []
    for _ in range(steps):
        drawn: list[Places] = []

        def gradients(rows: Places, into: list[Places] = drawn) -> Iterable[Floats]:
            into.append(rows)
            return [np.zeros((len(rows), 1))]

        for part in parts:
            batch_sum(gradients, part, 1, rate=rate, norm=1.0)
        together = np.concatenate(drawn)
        assert len(np.unique(together)) == len(together)
        times[together] += 1
        sizes.append(len(together))
    assert times.min() >= binom.ppf(1e-8, steps, rate)
    assert times.max() <= binom.isf(1e-8, steps, rate)
    expected = n * rate * (1 - rate)
    assert 0.6 * expected < np.var(sizes) < 1.5 * expected


def test_a_part_of_encoded_patients_is_what_they_are():
    chance, count = np.random.default_rng(0), np.array([3, 0, 2, 5])
    start = np.concatenate(([0], np.cumsum(count)))
    whole = Encoded(
        codes=chance.integers(0, 9, (4, 2)),
        start=start,
        step=np.arange(10),
        value=chance.integers(0, 9, (10, 3)).astype(np.int8),
        last=chance.integers(0, 9, (10, 3)).astype(np.int8),
    )
    for rows in ([3, 0], [1], [], [0, 1, 2, 3]):
        part = whole.take(np.array(rows, dtype=np.int64))
        assert part.draws.tolist() == count[rows].tolist()
        assert np.array_equal(part.codes, whole.codes[rows])
        for place, row in enumerate(rows):
            mine, its = (slice(*of.start[at : at + 2]) for of, at in ((part, place), (whole, row)))
            for name in ("step", "value", "last"):
                assert np.array_equal(getattr(part, name)[mine], getattr(whole, name)[its])


@pytest.mark.slow
def test_two_processes_fit_as_one_does(tmp_path: Path):
    """The sums of all steps are the same to rounding, and the ledger to the letter."""
    script, found = TESTS / "fit_together.py", {}
    world = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    for number, words in ((1, []), (2, ["-m", "torch.distributed.run", "--nproc-per-node", "2"])):
        file = tmp_path / f"{number}.json"
        subprocess.run([sys.executable, *words, script, file], check=True, env=world, capture_output=True, timeout=300)
        found[number] = json.loads(file.read_text(encoding="utf-8"))
    one, two = (np.array(found[number]["sums"]) for number in (1, 2))
    assert one.shape == two.shape
    lengths = np.linalg.norm(one, axis=1)
    assert (lengths > 1).all()
    assert (np.linalg.norm(two - one, axis=1) < 1e-9 * lengths).all()
    assert found[1]["ledger"] == found[2]["ledger"]


@pytest.mark.slow
def test_the_command_fits_in_two_processes(tmp_path: Path):
    """From the command line, as the how-to has it: one model, one ledger, and the run goes on from there in one."""
    config = lay_out(tmp_path, config=CONFIG.replace('"marginal"', '"vae-dpsgd"'))
    world = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS.parent)}
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "synthhealth"]
    for words in ([*launch, "fit"], [sys.executable, "-m", "synthhealth", "sample"]):
        line = [*words, "--config", config]
        subprocess.run(line, check=True, env=world, cwd=tmp_path, capture_output=True, timeout=300)
    out = tmp_path / "out"
    ledger = json.loads((out / "release" / "ledger.json").read_text(encoding="utf-8"))
    assert ledger["spent"] == [charge["name"] for charge in ledger["charges"]]
    assert len((out / "release" / "patients.csv").read_text(encoding="utf-8").splitlines()) == 1 + 150
