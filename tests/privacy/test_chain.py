"""The chain keeps every record that was acknowledged through a kill at any byte, and shows every other change."""

import json
from pathlib import Path

import pytest

from privacy import chain as module
from privacy.chain import RECOVERED, Record, locked
from privacy.errors import CheckError


def write(path: Path, *kinds: str, key: bytes | None = None) -> None:
    for kind in kinds:
        with locked(path, key) as chain:
            chain.append(kind, {"of": kind, "number": 0.1})


def read(path: Path, key: bytes | None = None) -> tuple[Record, ...]:
    with locked(path, key) as chain:
        return chain.records


def kinds(path: Path) -> list[str]:
    return [record.kind for record in read(path)]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "fsync", lambda descriptor: descriptor)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "ledger.jsonl"


def head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def test_records_come_back_in_order_and_bound_to_each_other(path: Path):
    write(path, "a", "b", "c")
    records = read(path)
    assert [(record.index, record.kind) for record in records] == [(0, "a"), (1, "b"), (2, "c")]
    assert [record.previous for record in records[1:]] == [record.hash for record in records[:-1]]
    assert records[0].content == {"of": "a", "number": 0.1}


def test_the_file_is_lines_of_json(path: Path):
    write(path, "a", "b")
    lines = path.read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["a", "b"]
    assert path.stat().st_mode & 0o077 == 0


def test_an_empty_file_is_an_empty_chain(path: Path):
    assert read(path) == ()
    with locked(path) as chain:
        assert chain.head == module.START


def test_a_kill_at_any_byte_of_a_record_loses_nothing_before_it(path: Path):
    write(path, "a", "b")
    kept, head = path.read_bytes(), head_of(path).read_bytes()
    write(path, "c")
    whole = path.read_bytes()
    for cut in range(len(kept), len(whole) + 1):
        path.write_bytes(whole[:cut])
        head_of(path).write_bytes(head)
        complete = cut >= len(whole) - 1  # only the end of the line may be missing
        assert kinds(path) == (["a", "b", "c"] if complete else ["a", "b"])
        write(path, "d")
        fragment = len(kept) < cut < len(whole) - 1
        assert kinds(path) == ["a", "b", *(["c"] if complete else []), *([RECOVERED] if fragment else []), "d"]


def test_a_kill_at_any_byte_of_the_recovery_loses_nothing_either(path: Path):
    write(path, "a", "b")
    head = head_of(path).read_bytes()
    torn = path.read_bytes() + b'{"content":{"of":"c"'
    path.write_bytes(torn)
    write(path, "d")
    whole = path.read_bytes()
    for cut in range(len(torn), len(whole) + 1, 2):
        path.write_bytes(whole[:cut])
        head_of(path).write_bytes(head)
        write(path, "e")
        found = kinds(path)
        assert found[:2] == ["a", "b"]
        assert found[-1] == "e"
        assert [kind for kind in found if kind != RECOVERED] in (["a", "b", "e"], ["a", "b", "d", "e"])


def test_a_kill_while_the_very_first_record_is_written(path: Path):
    write(path, "a")
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        head_of(path).unlink(missing_ok=True)
        write(path, "b")
        assert kinds(path)[-1] == "b"


def test_a_disk_that_leaves_zeros_behind_is_recovered(path: Path):
    write(path, "a")
    path.write_bytes(path.read_bytes() + bytes(100))
    write(path, "b")
    assert kinds(path) == ["a", RECOVERED, "b"]
    passed = read(path)[1].content
    assert passed["bytes"] == 101


def test_a_changed_record_shows(path: Path):
    write(path, "a", "b", "c")
    whole = path.read_bytes()
    for place in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckError, match="ledger"):
            read(path)


@pytest.mark.parametrize("out", [0, 1, 2])
def test_a_record_taken_out_shows(path: Path, out: int):
    write(path, "a", "b", "c")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:out] + lines[out + 1 :]))
    with pytest.raises(CheckError, match="to fix"):
        read(path)


def test_a_cut_off_tail_shows(path: Path):
    write(path, "a", "b", "c")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(CheckError, match="3 records that its"):
        read(path)


def test_records_in_another_order_or_twice_show(path: Path):
    write(path, "a", "b", "c")
    lines = path.read_bytes().splitlines(keepends=True)
    for mixed in ([lines[0], lines[2], lines[1]], [*lines, lines[2]]):
        path.write_bytes(b"".join(mixed))
        with pytest.raises(CheckError, match="out of its place"):
            read(path)


def test_a_missing_head_shows(path: Path):
    write(path, "a", "b")
    head_of(path).unlink()
    with pytest.raises(CheckError, match="head file beside it"):
        read(path)


def test_a_head_that_lags_by_a_kill_is_no_fault(path: Path):
    write(path, "a", "b")
    head = head_of(path).read_bytes()
    write(path, "c")
    head_of(path).write_bytes(head)
    write(path, "d")
    assert kinds(path) == ["a", "b", "c", "d"]


def test_a_tail_cut_by_somebody_without_the_key_shows(path: Path):
    write(path, "a", "b", "c", key=b"institution")
    lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    head_of(path).unlink()
    write(path, "a", "b", key=b"guess")
    assert path.read_bytes() == b"".join(lines[:2])
    with pytest.raises(CheckError, match="institution's key"):
        read(path, key=b"institution")


def test_a_file_that_is_no_ledger_is_left_alone(path: Path):
    path.parent.mkdir(parents=True)
    path.write_text('{"patients": 3}\n')
    before = path.read_bytes()
    with pytest.raises(CheckError, match="must be a ledger"):
        read(path)
    assert path.read_bytes() == before


def test_a_disk_that_is_full_refuses_before_anything_is_acknowledged(path: Path, monkeypatch: pytest.MonkeyPatch):
    write(path, "a", "b")
    real = module._write_all

    def half(descriptor: int, data: bytes) -> None:
        real(descriptor, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_all", half)
    with pytest.raises(OSError, match="No space"):
        write(path, "c")
    monkeypatch.setattr(module, "_write_all", real)
    write(path, "d")
    assert kinds(path) == ["a", "b", RECOVERED, "d"]


def test_numbers_that_are_no_json_are_refused(path: Path):
    with pytest.raises(ValueError, match="JSON"), locked(path) as chain:
        chain.append("a", {"epsilon": float("inf")})
    assert read(path) == ()
