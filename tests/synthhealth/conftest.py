"""A report written and signed once for all tests that verify or spoil it; steps in one thread, or without noise."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
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


@pytest.fixture(scope="module")
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def silent_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Private steps without their noise."""

    def as_it_is(total: NDArray[np.float64], *, max_norm: float, noise_multiplier: float) -> NDArray[np.float64]:
        del max_norm, noise_multiplier
        return total

    monkeypatch.setattr("synthhealth.generators.training.private_sum", as_it_is)
