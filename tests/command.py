"""Calls the command line in this process, as a shell would: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from synthhealth.cli import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Command:
    """A shell for tests."""

    def __init__(self, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch = patch
        self._capsys = capsys

    def __call__(self, *words: object) -> Answer:
        self._patch.setattr("sys.argv", ["synthhealth", *(str(word) for word in words)])
        self._capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        captured = self._capsys.readouterr()
        return Answer(code=code, out=captured.out, err=captured.err)
