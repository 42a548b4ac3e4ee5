from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from report_bundle import TODAY, broken, edit, own_files, rehash, signer

from privacy.errors import CheckError
from synthhealth.report.canonical import sha256
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.publish import SEAL, SUMS, publish
from synthhealth.report.signing import sign
from synthhealth.report.verification import FAILED, Verification, verify


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
        assert target.relative_to(folder).as_posix() in refused(result)
        target.write_bytes(before)


def refused(result: Verification) -> str:
    """All that a reader is told of the checks that fail."""
    return " ".join(f"{r.name}: {r.detail}" for r in result.results if not r.holds)


def test_one_changed_byte_in_any_file_is_found_and_the_file_is_named(folder: Path):
    assert_flips_are_caught(folder, count=100, seed=1)


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


def test_a_signature_of_another_report_does_not_fit(folder: Path, written: Path, officer_key: Ed25519PrivateKey):
    document = told(folder)
    at(document, "common", "header")["purpose"] = "something else"
    foreign = (folder / "signatures" / "privacy_officer.dsse.json").read_bytes()
    publish(folder, ReleaseDocument.model_validate(document), pdf=False)
    assert (folder / "signatures" / "privacy_officer.dsse.json").read_bytes() == foreign
    assert "every signature holds over this report" in broken(verify(folder, today=TODAY))
    assert written.is_dir()
    with pytest.raises(CheckError):
        sign(folder, signer("hipaa_expert"), officer_key, pdf=False)


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
