from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("privacy", "evaluation", "synthhealth")
# The sceptics may know what everyone may know, and nothing of what was spent.
OPEN_TO_SCEPTICS = {
    "privacy.cohort",
    "privacy.constraints",
    "privacy.errors",
    "privacy.formula",
    "privacy.grid",
    "privacy.patient_frame",
    "privacy.randomness",
    "privacy.schema",
    "privacy.schema_parts",
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def test_privacy_knows_nothing_above_it() -> None:
    heavy = {"torch", "opacus", "synthhealth", "evaluation", "typer", "rich", "jinja2"}
    for path in sources("privacy"):
        assert heavy.isdisjoint(name.split(".")[0] for name in imported(path)), path


def test_the_sceptics_import_only_what_is_open_to_them() -> None:
    for path in sources("evaluation"):
        for name in imported(path):
            assert name.split(".")[0] not in ("synthhealth", "torch", "opacus"), f"{path}: {name}"
            assert not name.startswith("privacy") or name in OPEN_TO_SCEPTICS, f"{path}: {name}"


def test_no_file_pickles_or_evaluates_text() -> None:
    for package in PACKAGES:
        for path in sources(package):
            names = {name.split(".")[0] for name in imported(path)}
            assert names.isdisjoint({"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}), path
            calls = {
                node.func.id
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert calls.isdisjoint({"eval", "exec"}), path


def test_every_module_can_be_imported() -> None:
    for package in PACKAGES:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            importlib.import_module(found.name)


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("privacy.population", ("torch", "opacus", "matplotlib", "rich")),
        ("evaluation.attacks.suite", ("torch", "opacus", "dp_accounting", "diffprivlib")),
        ("synthhealth", ("numpy", "pandas", "torch", "pydantic")),
        ("synthhealth.cli", ("numpy", "pandas", "torch", "pydantic", "rich")),
    ],
)
def test_a_module_brings_no_more_than_it_needs(module: str, kept_out: tuple[str, ...]) -> None:
    words = f"import sys, {module}; print(*sorted(set(sys.modules) & set({kept_out!r})))"
    told = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
