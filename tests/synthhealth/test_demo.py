from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command
from tiny_project import stand_in

from privacy.cohort import Cohort
from privacy.schema import Schema
from synthhealth import demo


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    stand_in(monkeypatch)
    monkeypatch.setattr(demo, "PATIENTS", 400)
    return Command(monkeypatch, capsys)


def test_the_demo_ends_with_the_place_of_its_report(shell: Command, tmp_path: Path) -> None:
    answer = shell("demo", "--cohort", "simulated", "--engine", "marginal", "--out", tmp_path / "demo")
    assert answer.code == 0, answer.err
    assert "release/report.html" in answer.out.replace("\n", "")
    assert (tmp_path / "demo" / "release" / "report.html").exists()
    assert (tmp_path / "demo" / "internal" / "report.html").exists()


def test_the_demo_is_a_project_as_any_other(shell: Command, tmp_path: Path) -> None:
    shell("demo", "--cohort", "simulated", "--engine", "marginal", "--out", tmp_path / "demo")
    told = json.loads(shell("run", "--config", tmp_path / "demo" / "synthhealth.toml", "--json").out)
    assert told["skipped"] == ["fit", "sample", "evaluate", "attack", "report"]
    assert told["planned"]["delta"] == 1e-6


def test_an_earlier_demo_is_replaced_and_nothing_else(shell: Command, tmp_path: Path) -> None:
    words = ("demo", "--cohort", "simulated", "--engine", "marginal", "--json")
    for _ in range(2):
        assert shell(*words, "--out", tmp_path / "demo").code == 0
    told = json.loads(shell("ledger", "--config", tmp_path / "demo" / "synthhealth.toml", "--json").out)
    assert told["population"]["releases"] == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    answer = shell(*words, "--out", tmp_path / "mine")
    assert answer.code == 2
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_an_impossible_budget_leaves_the_earlier_demo(shell: Command, tmp_path: Path) -> None:
    words = ("demo", "--cohort", "simulated", "--engine", "marginal", "--out", tmp_path / "demo")
    shell(*words)
    answer = shell(*words, "--epsilon", "-1")
    assert answer.code == 2
    assert "budget.epsilon" in answer.err
    assert (tmp_path / "demo" / "release" / "report.html").exists()


def test_the_default_cohort_is_laid_out_as_it_is_published(tmp_path: Path) -> None:
    config = demo.prepare("nafld", tmp_path / "demo", epsilon=3, engine="vae")
    schema = Schema.load(config.data.schema_file)
    cohort = Cohort.read(schema, patients=config.data.patients, labs=config.data.labs)
    assert len(cohort) == 17_549
    assert set(schema.tests) == {"hdl", "sbp", "fib4", "smoke"}
    assert len(cohort.records) > 150_000
