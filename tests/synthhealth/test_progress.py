from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthhealth import progress
from synthhealth.progress import PlainLines, duration, shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200.0, "3 min 20 s"), (7_500.0, "2 h 5 min")],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.floats(0, 1e6))
def test_no_duration_has_sixty_of_anything(seconds: float) -> None:
    assert not re.search(r"\b60 (s|min)\b", duration(seconds))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_plain_lines_are_few_and_carry_an_estimate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    tell = PlainLines()
    for done in range(101):
        clock.now = done * 1.0
        tell("training", done, 100)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[0] == "training: begun"
    assert lines[5] == "training: 50/100, about 50 s left"
    assert lines[-1] == "training: done (1 min 40 s)"
    assert len(lines) == 11


def test_stdout_stays_free_and_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with shown() as tell:
        tell("reading", 0, 1)
        tell("reading", 1, 1)
    with shown(silent=True) as tell:
        tell("reading", 1, 1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["reading: begun", "reading: done (0 s)"]


def test_on_a_terminal_there_are_bars(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    with shown() as tell:
        for done in range(4):
            tell("training", done, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "training" in captured.err
    assert "✓" in captured.err
