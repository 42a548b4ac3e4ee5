"""The out folder of one run: what may leave stands in `release/`, what may not in `internal/`."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from privacy.errors import ConfigError, refusal
from privacy.randomness import secret_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Every path that a run writes, so that each is spelt once.

    What an engine without a guarantee writes goes to `UNSAFE/`, so that it never stands where
    people look for what may leave.
    """

    out: Path
    private: bool = True

    @property
    def release(self) -> Path:
        """What may leave the institution."""
        return self.out / ("release" if self.private else "UNSAFE")

    @property
    def internal(self) -> Path:
        """What may not."""
        return self.out / "internal"

    @property
    def model(self) -> Path:
        """The fitted model's folder."""
        return self.release / "model"

    @property
    def patients(self) -> Path:
        """The synthetic patients."""
        return self.release / "patients.csv"

    @property
    def labs(self) -> Path:
        """The synthetic lab records."""
        return self.release / "labs.csv"

    @property
    def ledger(self) -> Path:
        """What was spent, as it may leave."""
        return self.release / "ledger.json"

    @property
    def policy(self) -> Path:
        """The policy the release was held against."""
        return self.release / "policy.toml"

    @property
    def run(self) -> Path:
        """How far the run has come."""
        return self.internal / "run.json"

    @property
    def keys(self) -> Path:
        """The secret that decides who is held out; whoever has it can tell members from the rest."""
        return self.internal / "split.key"

    @property
    def lock(self) -> Path:
        """Held by the process that fits."""
        return self.internal / "fit.lock"

    @property
    def portrait(self) -> Path:
        """What real and synthetic patients look like side by side; exact and therefore internal."""
        return self.internal / "portrait.json"

    @property
    def comparison(self) -> Path:
        """Several synthetic sets side by side; exact and therefore internal."""
        return self.internal / "comparison.json"

    def findings(self, step: str) -> Path:
        """The findings of one step, exact and therefore internal."""
        return self.internal / f"findings-{step}.json"


def write_whole(path: Path, content: bytes | str, *, mode: int = 0o666) -> None:
    """Write a file so that at every moment it is there in full or not at all; `mode` as `os.open` takes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = _scratch(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_files(fills: Mapping[Path, Callable[[Path], None]]) -> None:
    """Let each of `fills` write its file aside, then put all of them in place; none of them if one fails."""
    scratches = {path: _scratch(path) for path in fills}
    try:
        for path, fill in fills.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            fill(scratches[path])
            with scratches[path].open("rb") as file:
                os.fsync(file.fileno())
        for path, scratch in scratches.items():
            scratch.replace(path)
    finally:
        for scratch in scratches.values():
            scratch.unlink(missing_ok=True)


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a folder aside, then put it in place of `path` as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = _scratch(path)
    scratch.mkdir()
    try:
        fill(scratch)
        if path.exists():
            shutil.rmtree(path)
        scratch.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def made(folder: Path) -> Iterator[Path]:
    """The folder for the length of a `with` block that may fail: then those that were made for it are gone again."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    with ExitStack() as undo:  # runs backwards, so that the innermost goes first
        for one in reversed(missing):
            undo.callback(_remove_if_empty, one)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        undo.pop_all()


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # something was put there, or it was never made
        folder.rmdir()


@contextmanager
def held(output: Output) -> Iterator[None]:
    """Keep other processes from fitting into the same out folder; the lock ends with the process, however it ends.

    Raises ConfigError where another process holds it.
    """
    output.internal.mkdir(parents=True, exist_ok=True)
    with output.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                refusal(
                    what=f"out folder {output.out}",
                    must="be fitted into by one process at a time",
                    got="another that is at it",
                    fix="wait for it, or name another `out` folder",
                )
            ) from error
        yield


def clear(output: Output) -> None:
    """Remove all that an earlier fit led to; the split key stays, so that nobody who was held out is learnt from."""
    shutil.rmtree(output.release, ignore_errors=True)
    for left in (left for wanted in _OF_A_FIT for left in output.internal.glob(wanted)):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def sweep(folder: Path) -> None:
    """Remove what a killed run left half-written in `folder`."""
    for left in sorted(folder.glob(f".*{_SUFFIX}")):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


_SUFFIX = ".partial"
_OF_A_FIT = ("findings-*.json", "report*", "portrait.json", "comparison.json")


def _scratch(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secret_bytes(4).hex()}{_SUFFIX}")
