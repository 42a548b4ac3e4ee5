from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Command
from tiny_project import lay_out, stand_in

Spoil = Callable[[bytes], bytes]
HEADER_AND = 1


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "200")
    stand_in(monkeypatch)
    return Command(monkeypatch, capsys)


def first_row(content: bytes) -> bytes:
    return content.splitlines()[HEADER_AND]


def with_cell(column: str, word: str) -> Spoil:
    """Put `word` into the first row's cell of `column`."""

    def spoil(content: bytes) -> bytes:
        header, row, *rest = content.decode().splitlines()
        cells = row.split(",")
        cells[header.split(",").index(column)] = word
        return "\n".join([header, ",".join(cells), *rest, ""]).encode()

    return spoil


def and_row(row: str) -> Spoil:
    return lambda content: content + row.encode() + b"\n"


REFUSED: dict[str, tuple[str, Spoil, str]] = {
    "duplicate id": ("patients.csv", lambda c: c + first_row(c) + b"\n", "must name each patient once"),
    "empty file": ("patients.csv", lambda _: b"", "hold a header and rows; got an empty file"),
    "empty labs file": ("labs.csv", lambda _: b"", "the labs table must hold a header and rows"),
    "header alone": ("patients.csv", lambda c: c.splitlines()[0] + b"\n", "have a patient who fits the schema"),
    "Latin-1": ("patients.csv", lambda c: c + "Müller,1\n".encode("latin-1"), "must be UTF-8 text"),
    "UTF-16": ("labs.csv", lambda c: c.decode().encode("utf-16"), "must be UTF-8 text"),
    "ragged row": ("labs.csv", and_row("a,b"), "each row as long as the header"),
    "open quote": ("labs.csv", and_row('"a,1,K,4,mmol/L'), "close every quote"),
    "missing column": ("labs.csv", lambda c: c.replace(b"value", b"result", 1), "must have the column 'value'"),
    "no id column": (
        "patients.csv",
        lambda c: c.replace(b"patient_id", b"case", 1),
        "must have the column 'patient_id'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_cannot_be_read_is_refused_and_nothing_is_written(
    shell: Command, tmp_path: Path, name: str
) -> None:
    file, spoil, words = REFUSED[name]
    config = lay_out(tmp_path)
    (tmp_path / file).write_bytes(spoil((tmp_path / file).read_bytes()))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for command in ("check", "fit", "run"):
        answer = shell(command, "--config", config, "--quiet")
        assert answer.code == 3
        assert answer.err.startswith(f"refused: the {file.removesuffix('.csv')} table")
        assert words in answer.err
        assert "to fix: " in answer.err
        assert answer.out == ""
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_that_is_not_there_is_refused(shell: Command, tmp_path: Path) -> None:
    config = lay_out(tmp_path)
    (tmp_path / "labs.csv").unlink()
    answer = shell("run", "--config", config, "--quiet")
    assert answer.code == 3
    assert "the labs table must be a file that exists" in answer.err
    assert not (tmp_path / "out").exists()


MENDED: dict[str, tuple[str, Spoil, str, str]] = {
    "unknown test": ("labs.csv", with_cell("test", "Crea"), "test that the schema does not list", "row left out"),
    "out of bounds": ("labs.csv", with_cell("value", "1e9"), "out of bounds", "clipped to the bounds"),
    "other unit": ("labs.csv", with_cell("unit", "furlong"), "unit that the schema does not list", "row left out"),
    "orphan": (
        "labs.csv",
        with_cell("patient_id", "nobody"),
        "patient id that is not in the patients table",
        "row left",
    ),
    "lab without id": ("labs.csv", with_cell("patient_id", ""), "missing patient id", "row left out"),
    "patient without id": ("patients.csv", with_cell("patient_id", ""), "missing patient id", "row left out"),
    "text for a number": ("labs.csv", with_cell("value", "positive"), "not a number", "row left out"),
    "text for an age": ("patients.csv", with_cell("age", "old"), "not a number", "patient left out"),
    "unknown code": ("patients.csv", with_cell("sex", "Q"), "code that the schema does not list", "patient left out"),
    "out of the window": ("labs.csv", with_cell("time", "-5"), "time outside the window", "row left out"),
    "quoted line break": ("labs.csv", with_cell("test", '"Crea\ntinine"'), "test that the schema does not", "row left"),
}


@pytest.mark.parametrize("name", MENDED)
def test_a_cell_that_breaks_a_rule_is_mended_and_told_by_table_column_and_rule(
    shell: Command, tmp_path: Path, name: str
) -> None:
    file, spoil, rule, done = MENDED[name]
    config = lay_out(tmp_path)
    (tmp_path / file).write_bytes(spoil((tmp_path / file).read_bytes()))
    answer = shell("check", "--config", config, "--quiet", "--json")
    assert answer.code == 0, answer.err
    notices = json.loads(answer.out)["notices"]
    met = [line for line in notices if line["table"] == file.removesuffix(".csv")]
    assert [line["count"] for line in met if line["rule"].startswith(rule) and line["done"].startswith(done)] == [1]
    assert not (tmp_path / "out").exists(), "a check writes nothing"


HARMLESS: dict[str, tuple[str, Spoil]] = {
    "unsorted": ("labs.csv", lambda c: b"\n".join([c.splitlines()[0], *reversed(c.splitlines()[1:]), b""])),
    "byte order mark": ("patients.csv", lambda c: b"\xef\xbb\xbf" + c),
    "Windows line ends": ("labs.csv", lambda c: c.replace(b"\n", b"\r\n")),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_no_harm_is_read_without_a_word(shell: Command, tmp_path: Path, name: str) -> None:
    file, spoil = HARMLESS[name]
    config = lay_out(tmp_path)
    clean = json.loads(shell("check", "--config", config, "--json").out)
    (tmp_path / file).write_bytes(spoil((tmp_path / file).read_bytes()))
    assert json.loads(shell("check", "--config", config, "--json").out) == clean


def test_a_tie_keeps_both_records(shell: Command, tmp_path: Path) -> None:
    config = lay_out(tmp_path)
    labs = (tmp_path / "labs.csv").read_bytes()
    clean = json.loads(shell("check", "--config", config, "--json").out)["records"]
    (tmp_path / "labs.csv").write_bytes(labs + first_row(labs) + b"\n")
    assert json.loads(shell("check", "--config", config, "--json").out)["records"] == clean + 1
