"""`synthhealth audit`: what it says, what it exits with, what the report learns of it, and that it reads no rows."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from audit import breaks_of_noise as noise
from command import Answer, Command
from tiny_project import CONFIG, lay_out

from privacy.budget import Budget
from privacy.errors import CheckError
from privacy.plan import calibrate
from privacy.schema import Schema
from synthhealth.audit import canary_audit, verdict
from synthhealth.audit.answer import Audited, audit_of
from synthhealth.audit.tiny_world import OneWorldEvent, Scan
from synthhealth.engines import make_engine
from synthhealth.generators.protocol import EngineName, Progress

CANARIES = 3_000  # a planted leak is missed less than once in a million runs


def quick_scan(name: EngineName, patient: str, *, runs: int, progress: Progress, leak: bool = False) -> Scan:
    progress(f"tiny worlds, {patient}", runs, runs)
    leaks = OneWorldEvent(event="patients: 13", with_patient=True, times=runs, runs=runs, chance=1e-9)
    return Scan(
        engine=name,
        patient=patient,
        runs=runs,
        events=1,
        suspects=(leaks,) if leak else (),
        loudest="",
        profile=None,
    )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose tables are gone; scans that take no time; tests that are wrong once in 100,000 runs."""
    monkeypatch.setattr(verdict, "scan", quick_scan)
    monkeypatch.setattr(canary_audit, "held_against", partial(canary_audit.held_against, alpha=1e-5))
    path = lay_out(tmp_path, config=CONFIG)
    for table in ("patients.csv", "labs.csv"):
        (tmp_path / table).unlink()
    return path


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def ask(shell: Command, config: Path, *words: str, canaries: int = CANARIES) -> Answer:
    return shell("audit", "--config", config, "--canaries", f"{canaries}", "--quiet", *words)


def test_the_running_code_passes_without_its_tables(shell: Command, config: Path):
    answer = ask(shell, config)
    assert answer.code == 0, answer.err
    assert "not falsified, and a planted leak was found out" in answer.out
    assert "no row was read" in answer.out


def test_the_answer_is_kept_for_the_report_of_the_same_plan(shell: Command, config: Path):
    told = json.loads(ask(shell, config, "--json").out)
    internal = config.parent / "out" / "internal"
    assert Audited.model_validate_json((internal / "audit.json").read_bytes()) == Audited.model_validate(told)
    ledgers = []
    for epsilon in (2.0, 1.0):
        schema = Schema.load(config.parent / "schema.toml")
        engine = make_engine("marginal", schema, Budget(epsilon=epsilon, delta=1e-5), cohort_size=168, seed=0)
        plan = calibrate(Budget(epsilon=epsilon, delta=1e-5), engine.charges, cohort_size=168)
        ledgers.append(json.dumps({**plan.to_json(), "run_id": "x"}).encode())
    same = audit_of(internal, ledgers[0])
    assert same is not None
    assert same.canaries == CANARIES
    assert same.planted_caught
    assert not same.profile_falsified
    assert same.epsilon_lower <= same.epsilon_ceiling
    assert audit_of(internal, ledgers[1]) is None
    assert audit_of(config.parent, ledgers[0]) is None
    (internal / "audit.json").write_text("{}")
    with pytest.raises(CheckError, match="must be as it was written"):
        audit_of(internal, ledgers[0])


def test_too_little_noise_exits_with_five(shell: Command, config: Path, monkeypatch: pytest.MonkeyPatch):
    noise.of_tables(0.3)(monkeypatch)
    answer = ask(shell, config)
    assert answer.code == 5
    assert "FALSIFIED" in answer.out


def test_an_event_of_one_world_only_exits_with_five(shell: Command, config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verdict, "scan", lambda *given, **named: quick_scan(*given, **named, leak=True))
    answer = ask(shell, config, "--json")
    assert answer.code == 5
    told = json.loads(answer.out)
    assert told["verdict"] == "falsified"
    assert told["scans"][0]["suspects"] == ["with the patient only: patients: 13"]


def test_a_missed_control_is_no_pass(shell: Command, config: Path):
    answer = ask(shell, config, canaries=100)  # so few that the planted leak cannot be told
    assert answer.code == 0
    assert "no power" in answer.out
    assert "not falsified" not in answer.out


def test_an_engine_without_a_claim_is_refused(shell: Command, config: Path):
    config.write_text(CONFIG.replace('"marginal"', '"vae-nonprivate"'))
    answer = ask(shell, config)
    assert answer.code == 2
    assert "must promise something that an audit can try" in answer.err
    assert not (config.parent / "out").exists()
