from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from command import Command
from tiny_project import lay_out, stand_in

CANARY = "CANARY7f3a"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    stand_in(monkeypatch)
    return Command(monkeypatch, capsys)


def rewrite(path: Path, change: list[tuple[int, str, str]], *, prefix_ids: bool = True) -> None:
    """Put words into cells (row, column, word), and the canary in front of every patient's id."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    for row, column, word in change:
        rows[row][column] = word
    if prefix_ids:
        for line in rows:
            line["patient_id"] = CANARY + line["patient_id"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def plant(folder: Path) -> Path:
    """A project whose tables hold the canary in every column, in a row of its own each."""
    config = lay_out(folder)
    for name in ("patients.csv", "labs.csv"):
        columns = (folder / name).read_text(encoding="utf-8").splitlines()[0].split(",")
        words = [(row, column, f"{CANARY}-{column}") for row, column in enumerate(columns) if column != "patient_id"]
        rewrite(folder / name, words)
    return config


def leaks(folder: Path) -> list[str]:
    """The files below `folder` in which the canary stands, as text or as UTF-16, by content or by name."""
    wanted = (CANARY.encode(), CANARY.encode("utf-16-le"), CANARY.lower().encode())
    return [
        str(path)
        for path in sorted(folder.rglob("*"))
        if CANARY in path.name or (path.is_file() and any(word in path.read_bytes() for word in wanted))
    ]


def test_the_canary_is_where_it_was_planted(tmp_path: Path) -> None:
    plant(tmp_path)
    assert [Path(path).name for path in leaks(tmp_path)] == ["labs.csv", "patients.csv"]


def test_no_cell_reaches_a_screen_a_log_or_a_file(shell: Command, tmp_path: Path) -> None:
    config = plant(tmp_path)
    for words in (("check",), ("run",), ("ledger",), ("report", "--json"), ("sample", "--to", tmp_path / "more")):
        answer = shell(*words, "--config", config)
        assert answer.code == 0, answer.err
        assert CANARY not in answer.out + answer.err
    for folder in ("out", "more"):
        assert leaks(tmp_path / folder) == []
    assert CANARY.encode() not in (tmp_path / "ledger.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("table", "spoil"),
    [
        ("patients.csv", lambda text: text.replace("age", "aged", 1)),
        ("patients.csv", lambda text: text + text.splitlines()[1] + "\n"),
        ("patients.csv", lambda text: text.splitlines()[0] + "\n"),
        ("patients.csv", lambda _: ""),
        ("patients.csv", lambda text: text + f'"{CANARY}\n'),
        ("patients.csv", lambda text: text + f"{CANARY},1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"),
        ("labs.csv", lambda text: text.replace("value", "worth", 1)),
        ("labs.csv", lambda text: text.replace(CANARY, "\x00" + CANARY)),
    ],
    ids=["no column", "twice", "no rows", "empty", "open quote", "ragged", "no value", "zero bytes"],
)
def test_no_cell_is_quoted_by_a_refusal(shell: Command, tmp_path: Path, table: str, spoil) -> None:  # noqa: ANN001
    config = plant(tmp_path)
    path = tmp_path / table
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    for words in (("check",), ("run",), ("check", "--json")):
        answer = shell(*words, "--config", config)
        assert answer.code == 3, answer.err
        assert "refused: the " in answer.err
        assert answer.out == ""
        assert CANARY not in answer.err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "ledger.jsonl").exists()


@pytest.mark.parametrize(
    "room", ["privacy.tables.pa.csv.read_csv", "synthhealth.real_rows.admit", "evaluation.suite.evaluate"]
)
def test_no_bug_quotes_a_cell(shell: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: str) -> None:
    config = plant(tmp_path)

    def quote(*_: object, **__: object) -> None:
        raise ValueError(f"could not convert string to float: '{CANARY}'")

    monkeypatch.setattr(room, quote)
    answer = shell("run", "--config", config)
    assert answer.code == 1
    assert answer.err.splitlines()[-1].startswith("Its message is not shown")
    assert CANARY not in answer.out + answer.err
