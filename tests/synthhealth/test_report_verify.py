from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from report_bundle import PATIENTS, ROLES, TODAY, broken, edit, own_files, rehash, signer
from report_evidence import evidence, plan

from privacy.budget import Budget
from privacy.errors import CheckError, ConfigError
from privacy.population import Population
from synthhealth.report import ComplianceReport
from synthhealth.report.canonical import sha256
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.dsse import key_id, load_key, new_key, public_pem
from synthhealth.report.evidence import Artefact
from synthhealth.report.publish import SEAL, publish
from synthhealth.report.signing import sign
from synthhealth.report.verification import FAILED, OPEN, VERIFIED, verify


def test_files_of_both_editions(written: Path):
    assert {p.name for p in written.iterdir()} == {
        "report.html", "report.json", "policy.toml", "ledger.json", "VERIFY.txt", "SHA256SUMS", "patients.csv",
        "annexes", "ro-crate-metadata.json",
    }  # fmt: skip
    assert {p.name for p in (written.parent / "internal").iterdir()} == {"report.html", "report.json", "findings.json"}
    assert len(json.loads((written.parent / "internal" / "findings.json").read_text())) == len(evidence().findings)


def test_unsigned_is_verified_but_not_in_force(written: Path):
    result = verify(written, today=TODAY)
    assert broken(result) == []
    assert result.missing == ROLES
    assert result.exit_code == OPEN
    assert len(result.results) == 13


def test_signed_by_every_role_is_verified(signed: Path, officer_key: Ed25519PrivateKey, tmp_path: Path):
    (tmp_path / "trusted.pem").write_bytes(public_pem(officer_key.public_key()))
    result = verify(signed, today=TODAY, trusted=(tmp_path / "trusted.pem",))
    assert broken(result) == []
    assert result.exit_code == VERIFIED
    assert str(result).endswith("verified")
    assert "signed by 3 of 3 roles" in (signed / "report.html").read_text()


def test_writing_twice_gives_the_same_bytes(written: Path, tmp_path: Path):
    files = (Artefact(path="patients.csv", sha256=hashlib.sha256(PATIENTS).hexdigest(), bytes=len(PATIENTS)),)
    ComplianceReport.of(evidence(files=files)).write(tmp_path, pdf=False)
    for name in ("report.json", "report.html", "VERIFY.txt"):
        assert (tmp_path / "release" / name).read_bytes() == (written / name).read_bytes()


@pytest.mark.parametrize(
    ("today", "expired"),
    [
        (date(2027, 6, 1), ()),
        (date(2027, 6, 2), tuple(f"the signature of {role}" for role in sorted(ROLES))),
    ],
)
def test_signatures_run_out(signed: Path, today: date, expired: tuple[str, ...]):
    result = verify(signed, today=today)
    assert result.expired == expired
    assert result.exit_code == (OPEN if expired else VERIFIED)


def test_the_report_runs_out(signed: Path):
    result = verify(signed, today=date(2027, 11, 22) + timedelta(days=1))
    assert {"the report", "the policy"} <= set(result.expired)
    assert result.exit_code == OPEN


def test_a_decline_leaves_the_role_open(written: Path, officer_key: Ed25519PrivateKey, tmp_path: Path):
    shutil.copytree(written, tmp_path / "release")
    sign(tmp_path / "release", signer(decision="declined"), officer_key, pdf=False)
    result = verify(tmp_path / "release", today=TODAY)
    assert broken(result) == []
    assert "privacy_officer" in result.missing
    assert "DECLINED by P. Officer" in (tmp_path / "release" / "report.html").read_text()


def test_another_key_is_not_the_trusted_one(signed: Path, tmp_path: Path):
    stranger = Ed25519PrivateKey.generate()
    (tmp_path / "trusted.pem").write_bytes(public_pem(stranger.public_key()))
    result = verify(signed, today=TODAY, trusted=(tmp_path / "trusted.pem",))
    assert len(broken(result)) == 2
    assert result.exit_code == FAILED


def test_a_role_the_policy_does_not_ask_for_cannot_sign(folder: Path, officer_key: Ed25519PrivateKey):
    with pytest.raises(ConfigError, match="data_controller"):
        sign(folder, signer("ethics_board"), officer_key, pdf=False)


def test_changed_files_cannot_be_signed(folder: Path, officer_key: Ed25519PrivateKey):
    (folder / "patients.csv").write_bytes(PATIENTS + b"3,F\n")
    with pytest.raises(CheckError, match=r"patients\.csv"):
        sign(folder, signer(), officer_key, pdf=False)


def test_keys_are_made_once_and_read_back(tmp_path: Path):
    made = new_key(tmp_path / "key.pem")
    assert key_id(load_key(tmp_path / "key.pem").public_key()) == made
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="not exist yet"):
        new_key(tmp_path / "key.pem")
    (tmp_path / "bad.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="Ed25519"):
        load_key(tmp_path / "bad.pem")


def of_another_version(folder: Path) -> Path:
    document = ReleaseDocument.model_validate_json((folder / "report.json").read_bytes())
    header = document.common.header.model_copy(update={"software": "synthhealth 0.0.9"})
    older = document.model_copy(update={"common": document.common.model_copy(update={"header": header})})
    shutil.rmtree(folder / "signatures")
    (folder / SEAL).unlink()
    publish(folder, older, pdf=False)
    return folder


def test_a_report_of_another_version_is_held_by_its_numbers(folder: Path):
    of_another_version(folder)
    edit(folder / "report.html", "What is promised</h2>", "What this version promised</h2>")
    rehash(folder)
    result = verify(folder, today=TODAY)
    assert broken(result) == []
    assert "only that version can draw it again" in str(result)


@pytest.mark.parametrize(
    ("old", "new"),
    [('data-as="epsilon">', 'data-as="epsilon">0'), ("SHA-256 of report.json <code>", "<code>x"), ("<data ", "<b ")],
)
def test_a_changed_number_is_found_in_a_report_of_another_version(folder: Path, old: str, new: str):
    of_another_version(folder)
    page = folder / "report.html"
    digest = sha256((folder / "report.json").read_bytes())
    text = page.read_text().replace(old, new)
    page.write_text(text.replace(digest, "0" * 64) if "code" in old else text)
    rehash(folder)
    assert broken(verify(folder, today=TODAY)) == ["every marked number of the page is the one in report.json"]


@pytest.fixture
def population(tmp_path: Path) -> Population:
    made = Population(
        path=tmp_path / "ledger.jsonl",
        population_id="ward-2019-2025",
        ceiling=Budget(epsilon=10.0, delta=1e-6),
        key=b"institution",
    )
    made.reserve("0123456789abcdef", plan())
    return made


def reported(population: Population, out: Path) -> Path:
    given = replace(evidence(), population=population.standing(), files=())
    ComplianceReport.of(given).write(out, pdf=False)
    return out / "release"


def test_the_populations_own_ledger_must_hold_what_the_report_names(population: Population, tmp_path: Path):
    release = reported(population, tmp_path / "out")
    population.finish("0123456789abcdef")
    result = verify(release, today=TODAY, account=population.path, account_key=b"institution")
    assert broken(result) == []
    assert result.results[-1].name == "the population's ledger holds what the report names"


def test_another_ledger_of_the_population_is_caught(population: Population, tmp_path: Path):
    release = reported(population, tmp_path / "out")
    for leftover in tmp_path.glob("ledger.jsonl*"):
        leftover.unlink()
    population.reserve("feedfeedfeedfeed", plan())
    told = verify(release, today=TODAY, account=population.path, account_key=b"institution")
    assert broken(told) == ["the population's ledger holds what the report names"]


@pytest.mark.parametrize("way", ["key", "cut", "gone"])
def test_a_ledger_of_the_population_that_does_not_hold_is_caught(population: Population, tmp_path: Path, way: str):
    release = reported(population, tmp_path / "out")
    if way == "cut":
        lines = population.path.read_bytes().splitlines(keepends=True)
        population.path.write_bytes(b"".join(lines[:-1]))
    if way == "gone":
        population.path.unlink()
    key = b"another" if way == "key" else b"institution"
    assert verify(release, today=TODAY, account=population.path, account_key=key).exit_code == FAILED


OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@OPENSSL
@pytest.mark.parametrize("spoil", [False, True])
def test_the_commands_of_verify_txt_work(folder: Path, *, spoil: bool):
    commands = [line.strip() for line in (folder / "VERIFY.txt").read_text().splitlines() if line.startswith("     ")]
    wanted = [
        re.sub(r" {3,}\(.*", "", line) for line in commands if re.match(r"(sha256sum|F=|sed|printf|openssl)", line)
    ]
    assert len(wanted) == 7
    if spoil:
        path = folder / "signatures" / f"{re.findall(r'signatures/([a-z_]+)[.]dsse', ' '.join(wanted))[0]}.dsse.json"
        body = path.read_text()
        path.write_text(body.replace(body[40:44], body[44:48] if body[40:44] != body[44:48] else "AAAA", 1))
    ran = subprocess.run(
        ["bash", "-ec", "\n".join(wanted[1:] if spoil else wanted)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("Signature Verified Successfully" in ran.stdout) is not spoil
    if not spoil:
        assert "FAILED" not in ran.stdout
        assert key_of(folder) in ran.stdout


def key_of(folder: Path) -> str:
    envelope = json.loads((folder / SEAL).read_text())
    return str(envelope["signatures"][0]["keyid"])


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_reads_the_list(folder: Path):
    ran = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0
    assert ran.stdout.count(": OK") == len(own_files(folder)) - 2
