"""The command `convert`, from folder to folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command
from strategies import assert_same
from tiny_project import lay_out

from privacy.cohort import Cohort
from privacy.errors import ConfigError
from privacy.schema import Schema
from synthhealth.io import exchange


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "100")
    return Command(monkeypatch, capsys)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    lay_out(tmp_path / "project")
    return tmp_path / "project"


def test_round_about_through_every_format(shell: Command, project: Path, tmp_path: Path) -> None:
    schema, here = project / "schema.toml", project
    for form in ("fhir", "omop", "meds", "parquet", "csv"):
        answer = shell("convert", "--schema", schema, "--from", here, "--to", tmp_path / form, "--format", form)
        assert answer.code == 0, answer.err
        here = tmp_path / form
    before, after = (
        Cohort.read(Schema.load(schema), patients=folder / "patients.csv", labs=folder / "labs.csv")
        for folder in (project, here)
    )
    assert_same(after, before)
    assert "every cell keeps the schema's rules" in answer.out


def test_what_was_checked_is_said(shell: Command, project: Path, tmp_path: Path) -> None:
    words = ("--schema", project / "schema.toml", "--from", project, "--validate", "--json")
    told = json.loads(shell("convert", *words, "--to", tmp_path / "meds", "--format", "meds").out)
    assert told["valid"] == 3
    assert told["patients"] == 240
    assert json.loads(shell("convert", *words, "--to", tmp_path / "csv", "--format", "csv").out)["valid"] is None


def test_a_folder_with_files_is_not_written_into(shell: Command, project: Path) -> None:
    before = sorted(project.iterdir())
    answer = shell(
        "convert", "--schema", project / "schema.toml", "--from", project, "--to", project, "--format", "omop"
    )
    assert answer.code == 2
    assert "must be new or empty" in answer.err
    assert sorted(project.iterdir()) == before


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(exchange, "import_module", absent)
    with pytest.raises(ConfigError, match=r'package fhir must be installed .* pip install "synthhealth\[fhir\]"'):
        exchange.needed("fhir.resources.R4B.patient", extra="fhir")


def test_no_cell_reaches_the_screen(shell: Command, project: Path, tmp_path: Path) -> None:
    for name in ("patients.csv", "labs.csv"):
        table = (project / name).read_text().splitlines()
        spoilt = [",".join([f"CANARY{row}", *line.split(",")[1:-1], "CANARY"]) for row, line in enumerate(table[1:])]
        (project / name).write_text("\n".join([table[0], *spoilt]))
    words = ("--schema", project / "schema.toml", "--from", project, "--to", tmp_path / "out", "--format", "omop")
    for more in ((), ("--json",)):
        answer = shell("convert", *words, *more)
        assert "CANARY" not in answer.out + answer.err
        assert answer.code == 3
