from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import typer
from command import Command
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from forbidden_words import said
from report_evidence import attack, estimate, evidence
from tiny_project import CONFIG, lay_out, stand_in
from typer.testing import CliRunner

from evaluation.finding import Family, Verdict
from synthhealth.cli import app
from synthhealth.report import ComplianceReport
from synthhealth.report.evidence import EngineFacts, Evidence, Recipient, TrainingPractices
from synthhealth.report.policy import PolicyFile
from synthhealth.report.signing import Signer, sign
from synthhealth.report.verification import verify

ROOT = Path(__file__).parents[2]


def fail() -> Evidence:
    """Everything bad at once, so that every reason is printed."""
    loud = (
        attack(Family.MEMBERSHIP, "loud", estimate("AUC", 0.7, 0.8, 0.9), verdict=Verdict.LEAK),
        attack(Family.LINKABILITY, "blind", estimate("residual risk", 0.2, 0.3, 0.4), verdict=Verdict.NO_POWER),
        attack(Family.INFERENCE, "broken", estimate("residual risk", 0.2, 0.3, 0.4), verdict=Verdict.INVALID),
        attack(Family.COPIES, "copy", estimate("residual risk", 0.2, 0.3, 0.4), verdict=Verdict.LEAK),
    )
    return replace(
        evidence(policy=PolicyFile.default()),
        findings=loud,
        audit=None,
        practices=TrainingPractices(),
        policy_recorded="",
        rehearsal=True,
        recipient=Recipient(tier="named", onward_sharing_limited=False),
        population=None,
        commitment=None,
        files=(),
        approved_by="",
    )


def unsafe() -> Evidence:
    return replace(evidence(), engine=EngineFacts(name="vae-nonprivate", private=False), population=None)


@pytest.fixture(scope="module", params=[evidence, fail, unsafe], ids=["quiet", "loud", "without privacy"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wording")
    ComplianceReport.of(replace(request.param(), files=())).write(out, pdf=False)
    return out


def test_everything_a_report_writes(written: Path):
    files = [p for p in written.rglob("*") if p.is_file()]
    assert len(files) >= 13
    found = {}
    for path in files:
        found[path.name] = said(path.read_text(encoding="utf-8"))
    assert {name: words for name, words in found.items() if words} == {}


def test_what_verify_says(written: Path):
    assert said(str(verify(written / "release", today=date(2026, 12, 1)))) == []
    (written / "release" / "report.html").write_text("broken")
    assert said(str(verify(written / "release", today=date(2026, 12, 1)))) == []


def test_what_signing_adds(tmp_path: Path):
    ComplianceReport.of(replace(evidence(), files=())).write(tmp_path, pdf=False)
    who = Signer(
        role="hipaa_expert", name="E. Xpert", decision="signed", on=date(2026, 11, 23), valid_until=date(2027, 1, 1)
    )
    sign(tmp_path / "release", who, Ed25519PrivateKey.generate(), pdf=False)
    for name in ("report.html", "VERIFY.txt"):
        assert said((tmp_path / "release" / name).read_text()) == []


def fields(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a data file with the name of its field."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from fields(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from fields(value, name)
    elif isinstance(node, str):
        yield name, node


@lru_cache(maxsize=1)
def data_files() -> tuple[Path, ...]:
    return tuple(sorted((ROOT / "synthhealth" / "report" / "data").glob("*.toml")))


def test_words_of_law_stand_in_quotations_only():
    assert {path.name for path in data_files()} >= {"clauses.toml", "hazards.toml", "texts.toml", "policy.toml"}
    for path in data_files():
        texts = list(fields(tomllib.loads(path.read_text(encoding="utf-8"))))
        assert [text for name, text in texts if name != "quotation" and said(text)] == []


def test_quotations_are_marked_as_quotations(written: Path):
    texts = fields(tomllib.loads((data_files()[0].parent / "clauses.toml").read_text(encoding="utf-8")))
    quotations = [text for name, text in texts if name == "quotation" and text]
    page = (written / "internal" / "report.html").read_text()
    assert len(quotations) >= 3
    assert all(f'<q class="quote">{text}</q>' in page for text in quotations)


def test_what_the_command_line_says_of_itself():
    commands = [command.name or "" for command in typer.main.get_group(app).commands.values()]
    assert len(commands) > 5
    for command in ("", *commands):
        ran = CliRunner().invoke(app, [*command.split(), "--help"])
        assert ran.exit_code == 0
        assert len(ran.output) > 100
        assert said(ran.output) == []


def test_what_every_command_says_of_a_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    stand_in(monkeypatch)
    shell, path = Command(monkeypatch, capsys), lay_out(tmp_path, config=CONFIG + "quality_epsilon = 2.5\n")
    release, key = tmp_path / "out" / "release", tmp_path / "key.pem"
    fits = ("--config", path)
    draw = ("sample", *fits, "--to", tmp_path / "more", "--patients", 20)
    both = ("evaluate", *fits, "--compare", release, "--compare", tmp_path / "more")
    sign_it = ("sign", release, "--role", "privacy_officer", "--name", "P. Officer", "--key", key)
    commands: tuple[tuple[object, ...], ...] = (
        ("init", tmp_path / "new"), ("check", *fits), ("plan", *fits), ("fit", *fits), ("sample", *fits), draw,
        ("quality", *fits), ("evaluate", *fits), both, ("attack", *fits), ("report", *fits), ("ledger", *fits),
        ("run", *fits), ("key", key), sign_it, ("verify", release), ("fit", *fits), ("verify", tmp_path),
    )  # fmt: skip
    codes = []
    for words in commands:
        for form in ((), ("--json",)) if words[0] in ("plan", "ledger", "verify") else ((),):
            answer = shell(*words, *form)
            codes.append(answer.code)
            assert len(answer.out + answer.err) > 20, words
            assert said(answer.out + answer.err) == [], words
    assert codes.count(0) == 17
    assert set(codes) == {0, 2, 5, 6}  # refusals and open releases are among them


@pytest.mark.parametrize(
    "word", ["HIPAA compliant", "Anonymised data", "de-identified", "deidentified", "this is SAFE"]
)
def test_the_search_finds_the_words(word: str):
    assert said(f"we say: {word}.") != []


@pytest.mark.parametrize("word", ["safetensors", "compliance", "UNSAFE", "anonymeter", "safe_norm", "unsafely"])
def test_the_search_leaves_other_words_alone(word: str):
    assert said(f"we say: {word}.") == []


def test_a_quotation_is_left_alone():
    assert said('<q class="quote">is de-identified if</q>') == []
    assert said("<q>is de-identified if</q>") != []
