"""Deliberate breaks of the privacy rooms, each of which a named test must notice; the kill table is printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from audit.mutants_of_sources import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
FOLDERS = ("privacy", "evaluation", "synthhealth", "tests")


def run(folder: Path, killer: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--noconftest",
        f"tests/privacy/{killer}",
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def copied(folder: Path) -> Path:
    """The source and the tests, where they may be broken."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken(mutant: Mutant, copy: Path) -> subprocess.CompletedProcess[str]:
    """How the killer fares while the break stands in the copy's source."""
    source = (copy / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1
    try:
        (copy / mutant.file).write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
        return run(copy, mutant.killer)
    finally:
        (copy / mutant.file).write_text(source, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("mutants"))


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_named_test_notices_the_break(mutant: Mutant, copy: Path):
    result = broken(mutant, copy)
    assert result.returncode == 1, result.stdout[-2_000:] + result.stderr[-2_000:]


@pytest.mark.slow
def test_without_a_break_the_named_tests_pass(copy: Path):
    for killer in sorted({mutant.killer for mutant in MUTANTS}):
        assert run(copy, killer).returncode == 0, killer


def test_every_break_still_fits_the_source():
    for mutant in MUTANTS:
        assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1, mutant.name
        name = mutant.killer.split("::")
        assert f"def {name[1]}(" in (ROOT / "tests" / "privacy" / name[0]).read_text(encoding="utf-8"), mutant.name
