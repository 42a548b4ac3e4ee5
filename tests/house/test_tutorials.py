"""Tutorials are run as they stand, cell by cell: Python in one namespace, commands by the command line itself."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command import Command
from house_sources import ROOT
from tiny_project import stand_in

CELL = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# `make demo` sets up an environment, which the tests have, and then runs this.
SET_UP = {"make demo": "synthhealth demo --quiet"}
# Nobody has signed the demo's release.
ENDS = {".venv/bin/synthhealth verify out/demo/release": 6}
TUTORIALS = ROOT / "docs" / "tutorials"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "120")
    return Command(monkeypatch, capsys)


def cells(page: str) -> list[tuple[str, str]]:
    return CELL.findall((TUTORIALS / page).read_text(encoding="utf-8"))


def follow(page: str, shell: Command) -> list[tuple[str, str]]:
    """Run every cell of a page in the present folder; returns each command with what it said."""
    names: dict[str, object] = {"__name__": "__main__"}
    said = []
    for language, text in cells(page):
        if language == "python":
            exec(compile(text, page, "exec"), names)  # noqa: S102  # the page's own words
            continue
        for line in text.replace("\\\n", " ").splitlines():
            program, *words = shlex.split(SET_UP.get(line, line), comments=True)
            assert Path(program).name == "synthhealth", line
            answer = shell(*words)
            assert answer.code == ENDS.get(line, 0), f"{line}\n{answer.err}"
            said.append((line, answer.out))
    return said


def test_the_notebook(shell: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow("notebook.md", shell)
    assert {path.name for path in tmp_path.iterdir()} == {"notebook.svg", "model"}


def test_the_first_cohort(shell: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    said = follow("first-cohort.md", shell)
    assert len(said) == 5
    women = (tmp_path / "women" / "patients.csv").read_text(encoding="utf-8").splitlines()
    assert len(women) == 1001


def test_a_hospitals_release(shell: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    said = dict(follow("hospital-release.md", shell))
    assert "Hb variant" in said["synthhealth init project --tests dictionary.csv"]
    assert len(list((tmp_path / "handed-over").glob("*.ndjson"))) == 2
    assert (tmp_path / "project/out/internal/report.html").exists()


def test_no_tutorial_is_left_out() -> None:
    assert {path.name for path in TUTORIALS.glob("*.md")} == {"first-cohort.md", "notebook.md", "hospital-release.md"}
