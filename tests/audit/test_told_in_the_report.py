"""A whole run and its audit: the report tells of an audit of its own plan and code, and of no other."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from audit.test_verdict import quick_scan
from tiny_project import CONFIG, lay_out, stand_in

from privacy.events import SampledGaussian
from synthhealth import pipeline
from synthhealth.audit import canary_audit, verdict
from synthhealth.audit.answer import audit_of
from synthhealth.audit.canary_audit import audit_steps
from synthhealth.config import Config
from synthhealth.report.document import AuditRow
from synthhealth.report.signing import read_document

CANARIES = 1_000
EVENT = SampledGaussian(noise_multiplier=1.2, sample_rate=1.0, steps=1)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A project that the tiny engine runs; since that has no sums, canaries stand in steps of their own."""
    stand_in(monkeypatch)
    monkeypatch.setattr(verdict, "scan", quick_scan)
    monkeypatch.setattr(canary_audit, "held_against", partial(canary_audit.held_against, alpha=1e-5))
    monkeypatch.setattr(verdict, "audit_sums", lambda _schema, _plan, **terms: audit_steps(EVENT, delta=1e-5, **terms))
    return Config.load(lay_out(tmp_path, config=CONFIG))


def told(config: Config) -> AuditRow | None:
    """What the report says of an audit after another `run`."""
    pipeline.run(config)
    return read_document(config.release.out / "release").common.audit


def test_the_report_tells_of_an_audit_of_its_own_plan_and_code_alone(config: Config):
    assert told(config) is None
    answer = verdict.audit(config, canaries=CANARIES)
    row = told(config)
    assert row is not None
    assert (row.canaries, row.profile_falsified, row.planted_caught) == (CANARIES, False, True)
    assert row.epsilon_lower <= row.epsilon_ceiling
    internal, ledger = config.release.out / "internal", config.release.out / "release" / "ledger.json"
    for part in ("plan", "code"):
        foreign = {**json.loads(answer.model_dump_json()), part: "0" * 64}
        (internal / "audit.json").write_text(json.dumps(foreign), encoding="utf-8")
        assert audit_of(internal, ledger.read_bytes()) is None
    assert told(config) is None


def test_a_falsified_claim_fails_the_policy(config: Config, monkeypatch: pytest.MonkeyPatch):
    leaky = partial(quick_scan, leak=True)
    monkeypatch.setattr(verdict, "scan", leaky)
    assert verdict.audit(config, canaries=CANARIES).verdict == "falsified"
    ran = pipeline.run(config)
    assert ran.reported.outcome == "fail"
    assert any("the audit contradicts the ledger" in reason for reason in ran.reported.reasons)
