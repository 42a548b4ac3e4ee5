"""Each command's help ends with an example that the command line takes, and shells can complete its words."""

from __future__ import annotations

import re
import shlex

import pytest
from command import Command
from typer.main import get_command

from synthhealth.cli import app
from synthhealth.examples import EXAMPLES

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "160")
    return Command(monkeypatch, capsys)


def test_every_command_has_an_example_and_no_other() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_taken_as_it_stands(name: str) -> None:
    program, command, *words = shlex.split(EXAMPLES[name])
    assert (program, command) == ("synthhealth", name)
    COMMANDS[name].make_context(name, words)


@pytest.mark.parametrize("name", ["sample", "convert"])
def test_help_ends_with_the_example(shell: Command, name: str) -> None:
    answer = shell(name, "--help")
    assert EXAMPLES[name] in re.sub(r"\s+", " ", answer.out)


def test_shells_can_complete(shell: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SYNTHHEALTH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "synthhealth bench")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert shell().out.split() == ["benchmark"]
