from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from report_evidence import evidence, plan

from privacy.budget import Budget
from privacy.errors import CheckError, ConfigError
from privacy.population import Population
from synthhealth.report import ComplianceReport
from synthhealth.report.canonical import sha256
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.dsse import key_id, load_key, new_key, public_pem
from synthhealth.report.evidence import Artefact
from synthhealth.report.publish import SEAL, SUMS, publish, sums
from synthhealth.report.signing import Signer, sign
from synthhealth.report.verification import FAILED, OPEN, VERIFIED, Verification, verify

ROLES = ("data_controller", "privacy_officer", "hipaa_expert")
TODAY = date(2026, 12, 1)
PATIENTS = b"patient_id,sex\n1,F\n2,M\n"


def signer(role: str = "privacy_officer", decision: str = "signed") -> Signer:
    return Signer(
        role=role,
        name="P. Officer",
        decision="signed" if decision == "signed" else "declined",
        on=date(2026, 11, 23),
        valid_until=date(2027, 6, 1),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    (out / "release").mkdir()
    (out / "release" / "patients.csv").write_bytes(PATIENTS)
    files = (Artefact(path="patients.csv", sha256=hashlib.sha256(PATIENTS).hexdigest(), bytes=len(PATIENTS)),)
    ComplianceReport.of(evidence(files=files)).write(out, pdf=False)
    return out / "release"


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def signed(written: Path, key: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("signed") / "release"
    shutil.copytree(written, place)
    for role in ROLES:
        sign(place, signer(role), key, pdf=False)
    return place


@pytest.fixture
def folder(signed: Path, tmp_path: Path) -> Path:
    shutil.copytree(signed, tmp_path / "release")
    return tmp_path / "release"


def broken(result: Verification) -> list[str]:
    return [r.name for r in result.results if not r.holds]


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


def rehash(folder: Path) -> None:
    (folder / SUMS).write_text(sums(folder))


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


def test_signed_by_every_role_is_verified(signed: Path, key: Ed25519PrivateKey, tmp_path: Path):
    (tmp_path / "trusted.pem").write_bytes(public_pem(key.public_key()))
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


def test_a_decline_leaves_the_role_open(written: Path, key: Ed25519PrivateKey, tmp_path: Path):
    shutil.copytree(written, tmp_path / "release")
    sign(tmp_path / "release", signer(decision="declined"), key, pdf=False)
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


def test_a_role_the_policy_does_not_ask_for_cannot_sign(folder: Path, key: Ed25519PrivateKey):
    with pytest.raises(ConfigError, match="data_controller"):
        sign(folder, signer("ethics_board"), key, pdf=False)


def test_changed_files_cannot_be_signed(folder: Path, key: Ed25519PrivateKey):
    (folder / "patients.csv").write_bytes(PATIENTS + b"3,F\n")
    with pytest.raises(CheckError, match=r"patients\.csv"):
        sign(folder, signer(), key, pdf=False)


def test_keys_are_made_once_and_read_back(tmp_path: Path):
    made = new_key(tmp_path / "key.pem")
    assert key_id(load_key(tmp_path / "key.pem").public_key()) == made
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="not exist yet"):
        new_key(tmp_path / "key.pem")
    (tmp_path / "bad.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="Ed25519"):
        load_key(tmp_path / "bad.pem")


def own_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def flip(path: Path, chance: random.Random) -> None:
    """Change one byte to another one."""
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    content[place] ^= chance.randrange(1, 256)
    path.write_bytes(bytes(content))


def assert_flips_are_caught(folder: Path, *, count: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # which byte to break is no secret
    files = own_files(folder)
    for k in range(count):
        target = files[k % len(files)]
        before = target.read_bytes()
        flip(target, chance)
        result = verify(folder, today=TODAY)
        assert result.exit_code == FAILED, target.name
        target.write_bytes(before)


def test_one_changed_byte_in_any_file_is_found(folder: Path):
    assert_flips_are_caught(folder, count=40, seed=1)


@pytest.mark.slow
def test_five_hundred_changed_bytes_are_found(folder: Path):
    assert_flips_are_caught(folder, count=500, seed=2)


def test_one_changed_byte_is_found_without_the_list_of_hashes(folder: Path):
    """An attacker who writes SHA256SUMS again still meets the report's own hashes and the signatures."""
    chance = random.Random(3)  # noqa: S311  # the same
    for target in own_files(folder):
        if target.name == SUMS:
            continue
        before, listing = target.read_bytes(), (folder / SUMS).read_bytes()
        flip(target, chance)
        rehash(folder)
        assert verify(folder, today=TODAY).exit_code == FAILED, target.name
        target.write_bytes(before)
        (folder / SUMS).write_bytes(listing)


@pytest.mark.parametrize(
    "name", ["patients.csv", "ledger.json", "policy.toml", "report.html", "VERIFY.txt", "annexes/dpia.md"]
)
def test_a_missing_file_is_found(folder: Path, name: str):
    (folder / name).unlink()
    assert verify(folder, today=TODAY).exit_code == FAILED


@pytest.mark.parametrize("name", ["SHA256SUMS", "report.json", SEAL])
def test_a_missing_frame_is_found(folder: Path, name: str):
    (folder / name).unlink()
    result = verify(folder, today=TODAY)
    assert result.exit_code == FAILED


def test_a_stray_file_is_found(folder: Path):
    (folder / "extra.csv").write_text("x\n")
    rehash(folder)
    assert "policy, ledger and released files are those the report names" in broken(verify(folder, today=TODAY))


def test_an_empty_folder_is_not_verified(tmp_path: Path):
    assert verify(tmp_path, today=TODAY).exit_code == FAILED


def told(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "report.json").read_text())
    return content


def rewritten(folder: Path, document: dict[str, object]) -> None:
    """What a forger without keys can do: a consistent, unsigned bundle around a changed report."""
    shutil.rmtree(folder / "signatures", ignore_errors=True)
    (folder / SEAL).unlink(missing_ok=True)
    publish(folder, ReleaseDocument.model_validate(document), pdf=False)


def at(document: dict[str, object], *path: str | int) -> dict[str, object]:
    here: object = document
    for part in path:
        here = here[part]  # type: ignore[index]
    return here  # type: ignore[return-value]


OTHER_EVENT = '{"count":1,"kind":"Gaussian","noise_multiplier":9.0}'
FORGERIES = {
    "a smaller epsilon": ("epsilon and the profile follow", ("common", "promise", "epsilon"), "value", 1.0),
    "a smaller delta of the profile": ("epsilon and the profile", ("common", "promise", "profile", 50), "delta", 0.0),
    "a cheaper charge": ("every charge of the report", ("common", "ledger", "lines", 0), "epsilon_alone", 0.1),
    "another charge": ("every charge of the report", ("common", "ledger", "lines", 1), "event", OTHER_EVENT),
    "another accountant": ("two other accountants", ("common", "promise", "accountants", 1), "epsilon", 1.0),
    "a cheaper population": ("the population's total", ("common", "population"), "epsilon", 1.0),
    "a cheaper run": ("the population's total", ("common", "population", "runs", 0), "epsilon_alone", 0.01),
    "better odds": ("the odds follow", ("common", "odds"), "right_in_100", 51),
    "a better attack result": ("the verdict follows", ("common", "attacks", 0, "measures", 0), "high", 0.6),
    "a kinder verdict": ("the verdict follows", ("common", "verdict"), "outcome", "pass"),
    "a kinder check": ("the verdict follows", ("common", "verdict", "checks", 1), "outcome", "pass"),
    "another fingerprint": ("the fingerprint", ("common", "header"), "fingerprint", "0" * 64),
    "another day": ("the fingerprint", ("common", "header"), "created_on", "2026-11-21"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_consistent_forgery_is_caught_by_computing_again(folder: Path, name: str):
    named, path, field, value = FORGERIES[name]
    document = told(folder)
    at(document, *path)[field] = value
    rewritten(folder, document)
    result = verify(folder, today=TODAY)
    assert any(check.startswith(named) for check in broken(result)), broken(result)
    assert result.exit_code == FAILED


def leaves(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(node, dict):
        return [leaf for key, value in node.items() for leaf in leaves(value, (*path, key))]
    if isinstance(node, list):
        return [leaf for place, value in enumerate(node) for leaf in leaves(value, (*path, place))]
    return [path]


@pytest.mark.parametrize("seed", range(4))
def test_no_changed_value_passes_or_crashes(folder: Path, seed: int):
    """A forger who changes one value and writes every hash again, but cannot draw the page anew."""
    chance = random.Random(seed)  # noqa: S311  # which value to break is no secret
    shutil.rmtree(folder / "signatures")
    (folder / SEAL).unlink()
    whole = told(folder)
    values: list[object] = ["", "x", -1, 0, 1e300, None, True, [], {}, "2026-99-99", "{}"]
    for path in chance.sample(leaves(whole), 12):
        document = json.loads(json.dumps(whole))
        at(document, *path[:-1])[path[-1]] = chance.choice(values)  # type: ignore[index]
        (folder / "report.json").write_bytes(rfc8785.dumps(document))
        rehash(folder)
        assert document == whole or verify(folder, today=TODAY).exit_code == FAILED, path


def test_a_policy_loosened_after_the_run_is_caught(folder: Path):
    edit(folder / "policy.toml", "epsilon_pass = 3.0", "epsilon_pass = 9.0")
    document = told(folder)
    at(document, "common", "verdict", "policy")["sha256"] = sha256((folder / "policy.toml").read_bytes())
    rewritten(folder, document)
    result = verify(folder, today=TODAY)
    assert broken(result) == ["the verdict follows from the policy"]
    assert "fails policy" in next(r.detail for r in result.results if not r.holds)


def test_a_ledger_without_its_last_charge_is_caught(folder: Path):
    ledger = json.loads((folder / "ledger.json").read_text())
    ledger["charges"] = ledger["charges"][:-1]
    (folder / "ledger.json").write_text(json.dumps(ledger))
    document = told(folder)
    at(document, "common", "ledger")["file_sha256"] = sha256((folder / "ledger.json").read_bytes())
    rewritten(folder, document)
    result = verify(folder, today=TODAY)
    assert "every charge of the report is the ledger's, at its price" in broken(result)


def test_a_ledger_of_another_run_is_caught_by_the_signatures(folder: Path):
    edit(folder / "ledger.json", '"run_id": "0123456789abcdef"', '"run_id": "fedcba9876543210"')
    rehash(folder)
    assert verify(folder, today=TODAY).exit_code == FAILED


def test_a_signature_of_another_report_does_not_fit(folder: Path, written: Path, key: Ed25519PrivateKey):
    document = told(folder)
    at(document, "common", "header")["purpose"] = "something else"
    foreign = (folder / "signatures" / "privacy_officer.dsse.json").read_bytes()
    publish(folder, ReleaseDocument.model_validate(document), pdf=False)
    assert (folder / "signatures" / "privacy_officer.dsse.json").read_bytes() == foreign
    assert "every signature holds over this report" in broken(verify(folder, today=TODAY))
    assert written.is_dir()
    with pytest.raises(CheckError):
        sign(folder, signer("hipaa_expert"), key, pdf=False)


def test_a_role_cannot_be_borrowed(folder: Path):
    place = folder / "signatures"
    shutil.copy(place / "privacy_officer.dsse.json", place / "data_steward.dsse.json")
    rehash(folder)
    assert "every signature holds over this report" in broken(verify(folder, today=TODAY))


def test_an_envelope_with_a_second_signature_is_not_canonical(folder: Path):
    path = folder / "signatures" / "privacy_officer.dsse.json"
    envelope = json.loads(path.read_text())
    envelope["signatures"].append({"keyid": "0" * 64, "sig": "AAAA"})
    path.write_bytes(rfc8785.dumps(envelope))
    rehash(folder)
    assert "every signature holds over this report" in broken(verify(folder, today=TODAY))


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
