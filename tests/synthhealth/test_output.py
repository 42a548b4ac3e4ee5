from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from privacy.errors import ConfigError
from synthhealth.output import Output, held, made, sweep, write_folder, write_whole


def test_what_may_leave_and_what_may_not_stand_apart(tmp_path: Path) -> None:
    output = Output(out=tmp_path)
    leaving = (output.model, output.patients, output.labs, output.ledger, output.policy)
    staying = (output.run, output.keys, output.findings("attack"))
    assert all(output.release in path.parents and output.internal not in path.parents for path in leaving)
    assert all(output.internal in path.parents and output.release not in path.parents for path in staying)


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b.txt", "grüße")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "grüße".encode()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state.json"
    write_whole(file, "old")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_replaces_the_earlier_one_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_folder(folder, lambda here: _fill(here, "one", "two"))
    write_folder(folder, lambda here: _fill(here, "three"))
    assert [path.name for path in folder.iterdir()] == ["three"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_fails_half_way_is_absent(tmp_path: Path) -> None:
    def fail(here: Path) -> None:
        _fill(here, "one")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write_folder(tmp_path / "model", fail)
    assert list(tmp_path.iterdir()) == []


def test_one_process_fits_at_a_time_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    output = Output(out=tmp_path)
    words = (
        "import os, sys; from pathlib import Path; from synthhealth.output import Output, held\n"
        "with held(Output(out=Path(sys.argv[1]))): print('held', flush=True); sys.stdin.read(); os._exit(9)"
    )
    root = Path(__file__).parents[2]
    other = subprocess.Popen(
        [sys.executable, "-c", words, tmp_path], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="one process at a time"):
            held(output).__enter__()
    assert other.returncode == 9
    with held(output):
        assert output.lock.exists()


def test_what_a_kill_leaves_is_swept(tmp_path: Path) -> None:
    _fill(tmp_path, "patients.csv", ".patients.csv.0a1b2c3d.partial")
    (tmp_path / ".model.00000000.partial").mkdir()
    _fill(tmp_path / ".model.00000000.partial", "model.json")
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["patients.csv"]


def _fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text(name)


def refused(note: Path | None = None) -> None:
    if note is not None:
        note.write_text("kept")
    raise ConfigError("a table was refused")


def test_folders_made_for_work_that_fails_are_gone_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), made(tmp_path / "a" / "b"):
        refused()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_there_before_stays(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), made(tmp_path):
        refused()
    assert tmp_path.is_dir()


def test_a_folder_made_that_holds_something_stays_with_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), made(tmp_path / "a" / "b"):
        refused(tmp_path / "a" / "note.txt")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["note.txt"]


def test_a_folder_made_for_work_that_succeeds_stays(tmp_path: Path) -> None:
    with made(tmp_path / "a") as folder:
        pass
    assert folder.is_dir()
