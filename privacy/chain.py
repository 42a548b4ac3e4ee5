"""An append-only file of records, each bound to the one before by its hash, that survives a kill at any byte."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from privacy.errors import CheckError, refusal

START = "0" * 64  # what stands in place of a hash before the first record
RECOVERED = "recovered"
_FIELDS = {"index", "previous", "kind", "content", "hash"}
_BEGINNING = b'{"content":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the file: its place, the hash of the line before, what it says, its own hash."""

    index: int
    previous: str
    kind: str
    content: Mapping[str, object]
    hash: str

    def line(self) -> bytes:
        """The record as it stands in the file, with its end of line."""
        return _canonical({**_body(self.index, self.previous, self.kind, self.content), "hash": self.hash}) + b"\n"


class Chain:
    """The records of one file, to be read and extended under its lock.

    A line that a kill cut short is no record: it was never acknowledged. It stays in the
    file, and the next record says how many bytes are passed over and what their hash is. A
    second file, `<name>.head`, keeps the count and the hash of the last record, under a
    message code when `key` is given, so that a cut-off tail shows.
    """

    __slots__ = ("_descriptor", "_fragment", "_key", "path", "records")

    def __init__(self, path: Path, descriptor: int, key: bytes | None) -> None:
        self.path = path
        self._descriptor = descriptor
        self._key = key
        data = _read_all(descriptor)
        self.records, self._fragment = _parse(data, path)
        self._check_head()
        if not self._fragment and data and not data.endswith(b"\n"):
            _write_all(descriptor, b"\n")  # a record that lacks only its end of line was written whole

    @property
    def head(self) -> str:
        """The hash of the last record."""
        return self.records[-1].hash if self.records else START

    def append(self, kind: str, content: Mapping[str, object]) -> Record:
        """Write one record to the disk; it is there for good when this returns."""
        if self._fragment:
            self._recover()
        record = _seal(len(self.records), self.head, kind, content)
        _write_all(self._descriptor, record.line())
        os.fsync(self._descriptor)
        if not self.records:
            _keep_name(self.path)
        self.records = (*self.records, record)
        self._write_head()
        return record

    def _recover(self) -> None:
        if not self._fragment.endswith(b"\n"):
            _write_all(self._descriptor, b"\n")
            self._fragment += b"\n"
        passed = {"bytes": len(self._fragment), "sha256": hashlib.sha256(self._fragment).hexdigest()}
        self._fragment = b""
        self.append(RECOVERED, passed)

    def _head_path(self) -> Path:
        return self.path.with_name(self.path.name + ".head")

    def _head_code(self, count: int, head: str) -> str:
        key = b"" if self._key is None else self._key
        return hmac.digest(key, f"{self.path.name}:{count}:{head}".encode(), "sha256").hex()

    def _check_head(self) -> None:
        try:
            kept = json.loads(self._head_path().read_text(encoding="ascii"))
        except FileNotFoundError:
            if len(self.records) > 1:
                raise _broken(self.path, "have its .head file beside it", "none") from None
            return
        count, head = int(kept["count"]), str(kept["head"])
        if not hmac.compare_digest(str(kept["code"]), self._head_code(count, head)):
            raise _broken(self.path, "have a .head file written with the institution's key", "another code")
        if len(self.records) < count or (count > 0 and self.records[count - 1].hash != head):
            raise _broken(self.path, f"hold the {count} records that its .head file names", "others or fewer")

    def _write_head(self) -> None:
        count, head = len(self.records), self.head
        text = json.dumps({"count": count, "head": head, "code": self._head_code(count, head)})
        fresh = self._head_path().with_name(self._head_path().name + ".new")
        with fresh.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._head_path())


@contextmanager
def locked(path: Path, key: bytes | None = None) -> Iterator[Chain]:
    """The chain in `path`, made when there is none, while no other process can hold it.

    Raises CheckError when a record was changed, taken out or cut off.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Chain(path, descriptor, key)
    finally:
        os.close(descriptor)


def _parse(data: bytes, path: Path) -> tuple[tuple[Record, ...], bytes]:
    """The records of a file and the fragment of a cut-off line at its end."""
    records: list[Record] = []
    fragment = b""
    for line in data.splitlines(keepends=True):
        record = _record(line)
        if record is None:
            fragment += line
            continue
        if record.index != len(records) or record.previous != (records[-1].hash if records else START):
            raise _broken(path, "hold every record in its place", f"a record out of its place, number {record.index}")
        if (record.kind == RECOVERED) != bool(fragment) or (fragment and not _names(record, fragment)):
            raise _broken(path, "hold nothing but records", f"other bytes before record {record.index}")
        fragment = b""
        records.append(record)
    if not records and not _BEGINNING.startswith(fragment[: len(_BEGINNING)]):
        raise _broken(path, "be a ledger", "a file of another kind")
    return tuple(records), fragment


def _names(record: Record, fragment: bytes) -> bool:
    return (record.content["bytes"], record.content["sha256"]) == (len(fragment), hashlib.sha256(fragment).hexdigest())


def _record(line: bytes) -> Record | None:
    """The record on a line whose hash is right, else None."""
    try:
        values = json.loads(line)
        sealed = _seal(values["index"], values["previous"], values["kind"], values["content"])
    except (ValueError, KeyError, TypeError):
        return None
    return sealed if sealed.hash == values.get("hash") and set(values) == _FIELDS else None


def _body(index: int, previous: str, kind: str, content: Mapping[str, object]) -> Mapping[str, object]:
    return {"index": index, "previous": previous, "kind": kind, "content": dict(content)}


def _seal(index: int, previous: str, kind: str, content: Mapping[str, object]) -> Record:
    digest = hashlib.sha256(_canonical(_body(index, previous, kind, content))).hexdigest()
    return Record(index=index, previous=previous, kind=kind, content=content, hash=digest)


def _canonical(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True).encode()


def _broken(path: Path, must: str, got: str) -> CheckError:
    return CheckError(
        refusal(
            what=f"ledger {path}", must=must, got=got, fix="bring the file back from a copy; spend nothing till then"
        )
    )


def _read_all(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    data = b""
    while len(data) < size:
        part = os.pread(descriptor, size - len(data), len(data))
        if not part:
            break
        data += part
    return data


def _keep_name(path: Path) -> None:
    """See to it that a new file's name outlives a loss of power."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
