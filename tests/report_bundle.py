"""Release folders for the tests of verification: who signs, and small ways to spoil a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from synthhealth.report.publish import SUMS, sums
from synthhealth.report.signing import Signer
from synthhealth.report.verification import Verification

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


def broken(result: Verification) -> list[str]:
    return [r.name for r in result.results if not r.holds]


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


def rehash(folder: Path) -> None:
    (folder / SUMS).write_text(sums(folder))


def own_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())
