"""A Dask cluster gives what one process gives, to the cell and the number; what stands in its way is said in words."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command import Command
from strategies import assert_same
from tiny_engine import make_tiny
from tiny_project import lay_out, stand_in

from evaluation import neighbours
from evaluation.attacks import distances
from evaluation.attacks.ground import ground_of
from evaluation.attacks.reading import Reading
from evaluation.exhibit import Exhibit
from evaluation.spread import by_workers_of, spread
from privacy.budget import Budget
from privacy.errors import ConfigError
from synthhealth import block_sampling
from synthhealth import cluster as module
from synthhealth.cluster import cluster
from synthhealth.generators.simulator import simulate
from synthhealth.synthesizer import Synthesizer

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")


# Threads that a busy machine starts late would break them now and then: they are no part of the gate.
on_a_cluster = pytest.mark.slow


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    """A scheduler and a worker of two threads in this process."""
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as made:
        yield made


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "QUERIES_A_BLOCK", 64)
    monkeypatch.setattr(block_sampling, "PATIENTS_A_BLOCK", 40)


def square_and_where(number: int) -> tuple[int, str]:
    return number**2, threading.current_thread().name


@on_a_cluster
def test_the_workers_do_it_and_nobody_else(client: distributed.Client):
    here = spread(square_and_where, ((k,) for k in range(20)))
    with by_workers_of(client):
        there = spread(square_and_where, ((k,) for k in range(20)))
    assert [told for told, _ in here] == [told for told, _ in there] == [k**2 for k in range(20)]
    assert {name for _, name in here} == {threading.current_thread().name}
    assert threading.current_thread().name not in {name for _, name in there}
    assert spread(square_and_where, [(3,)])[0][1] == threading.current_thread().name


@on_a_cluster
def test_neighbours_are_the_same_with_copies_and_ties_among_them(client: distributed.Client):
    rng = np.random.default_rng(0)
    points = rng.integers(0, 3, (900, 6)).astype(np.float32)
    queries = np.concatenate([points[:150], rng.normal(size=(151, 6)).astype(np.float32)])
    here = neighbours.nearest(queries, points, 7)
    with by_workers_of(client):
        there = neighbours.nearest(queries, points, 7)
    np.testing.assert_array_equal(there.index, here.index)
    np.testing.assert_array_equal(there.distance, here.distance)


@on_a_cluster
def test_the_distance_attacks_find_the_same(client: distributed.Client):
    train, holdout, synthetic = (simulate(150, seed, cohort_size=150) for seed in (1, 2, 3))

    def found() -> tuple[Reading, ...]:
        ground = ground_of(Exhibit.of(train, holdout, synthetic, key=b"same"), quick=True, seed=0)
        return distances.measure(ground.stage("release", synthetic))

    here = found()
    with by_workers_of(client):
        there = found()
    assert [repr(one) for one in there] == [repr(one) for one in here]


@on_a_cluster
def test_a_sample_is_the_same_to_the_cell(client: distributed.Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("synthhealth.synthesizer.make_engine", make_tiny)
    train = simulate(100, 1, cohort_size=100)
    synthesizer = Synthesizer(train.schema, budget=Budget(epsilon=2, delta=1e-5), engine="marginal", seed=4)
    synthesizer.fit(train)
    here = synthesizer.sample(130)
    with by_workers_of(client):
        assert_same(synthesizer.sample(130), here)
    assert len(here) == 130


@on_a_cluster
def test_the_command_writes_the_same_files(
    client: distributed.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stand_in(monkeypatch)
    shell, config = Command(monkeypatch, capsys), lay_out(tmp_path)
    assert shell("fit", "--config", config, "--quiet").code == 0
    assert shell("sample", "--config", config, "--quiet").code == 0
    files = [tmp_path / "out" / "release" / name for name in ("patients.csv", "labs.csv")]
    here = [file.read_bytes() for file in files]
    answer = shell("sample", "--config", config, "--quiet", "--dask", client.scheduler.address)
    assert answer.code == 0, answer.err
    assert [file.read_bytes() for file in files] == here


def test_without_an_address_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with cluster(None):
        assert spread(square_and_where, [(2,)])[0][0] == 4


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r'to fix: pip install "synthhealth\[dask\]"'), cluster("local"):
        pass


@on_a_cluster
def test_an_address_where_nobody_answers_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.5)
    with pytest.raises(ConfigError, match="must be the address of a Dask scheduler"), cluster("tcp://127.0.0.1:1"):
        pass


@on_a_cluster
def test_workers_of_another_version_are_refused(client: distributed.Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "__version__", "99.0")
    with pytest.raises(ConfigError, match=r"must have synthhealth 99.0, as here; got 0"):
        module._require_same_version(client)
