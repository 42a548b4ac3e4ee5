"""A report written once, and signed once by every role, for all tests that verify or spoil it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from report_bundle import PATIENTS, ROLES, signer
from report_evidence import evidence

from synthhealth.report import ComplianceReport
from synthhealth.report.evidence import Artefact
from synthhealth.report.signing import sign


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    (out / "release").mkdir()
    (out / "release" / "patients.csv").write_bytes(PATIENTS)
    files = (Artefact(path="patients.csv", sha256=hashlib.sha256(PATIENTS).hexdigest(), bytes=len(PATIENTS)),)
    ComplianceReport.of(evidence(files=files)).write(out, pdf=False)
    return out / "release"


@pytest.fixture(scope="session")
def officer_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def signed(written: Path, officer_key: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("signed") / "release"
    shutil.copytree(written, place)
    for role in ROLES:
        sign(place, signer(role), officer_key, pdf=False)
    return place


@pytest.fixture
def folder(signed: Path, tmp_path: Path) -> Path:
    shutil.copytree(signed, tmp_path / "release")
    return tmp_path / "release"
