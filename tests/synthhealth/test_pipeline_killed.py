from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from killed_run import PLACES
from tiny_project import lay_out, stand_in

from privacy.schema import Schema
from synthhealth import pipeline, spending
from synthhealth.config import Config

TESTS = Path(__file__).parent.parent
PAID_FOR_NOTHING = (
    "after the charge is reserved",
    "while rows are counted",
    "after training",
    "before the model is in place",
)


def layout(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("unbroken")
    config = lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        pipeline.run(Config.load(config))
    return layout(folder / "out")


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_run_goes_on_to_the_same_layout(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: list[str]
) -> None:
    path = lay_out(tmp_path)
    killed = subprocess.run(
        [sys.executable, TESTS / "killed_run.py", path, place],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr

    stand_in(monkeypatch)
    config = Config.load(path)
    pipeline.run(config)

    assert layout(tmp_path / "out") == unbroken
    runs = spending.account(spending.population_of(config, Schema.load(tmp_path / "schema.toml"))).entries
    states = [run.state for run in runs]
    assert states == (["aborted", "finished"] if place in PAID_FOR_NOTHING else ["finished"])


def test_every_broken_off_fit_stays_charged_until_the_ceiling_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    path = lay_out(tmp_path)
    config = Config.load(path)

    def breaks_off(*_: object) -> None:
        raise KeyboardInterrupt

    spent = []
    with monkeypatch.context() as patch:
        patch.setattr("tiny_engine.TinyEngine.fit", breaks_off)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                pipeline.run(config)
            spent.append(pipeline.ledger(config).population.epsilon)
    assert spent[0] == pytest.approx(2.0, abs=0.01)
    assert spent[0] < spent[1] < 4.0
    pipeline.run(config)
    line = pipeline.ledger(config).population
    assert (line.releases, line.aborted, line.unfinished) == (1, 2, 0)
