from __future__ import annotations

import subprocess
import sys

import pytest
from house_sources import ROOT, calls, imports

# The sceptics may know what everyone may know, and nothing of what was spent.
OPEN_TO_SCEPTICS = {
    "privacy.blocks",
    "privacy.cohort",
    "privacy.constraints",
    "privacy.errors",
    "privacy.formula",
    "privacy.grid",
    "privacy.notebook",
    "privacy.patient_frame",
    "privacy.randomness",
    "privacy.schema",
    "privacy.schema_parts",
}


def test_privacy_knows_nothing_above_it() -> None:
    above = {"torch", "opacus", "synthhealth", "evaluation", "typer", "rich", "jinja2"}
    for path, names in imports().items():
        if path.startswith("privacy/"):
            assert above.isdisjoint(name.split(".")[0] for name in names), path


def test_the_sceptics_import_only_what_is_open_to_them() -> None:
    for path, names in imports().items():
        if path.startswith("evaluation/"):
            assert {"synthhealth", "torch", "opacus"}.isdisjoint(name.split(".")[0] for name in names), path
            assert {name for name in names if name.startswith("privacy")} <= OPEN_TO_SCEPTICS, path


def test_no_file_pickles_or_evaluates_text() -> None:
    for path, names in imports().items():
        picklers = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
        assert picklers.isdisjoint(name.split(".")[0] for name in names), path
    # `eval` of a network is a method of torch; the builtin is refused by the linter (S307)
    assert "exec" not in calls()


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
