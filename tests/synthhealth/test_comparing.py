from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command
from tiny_project import lay_out, stand_in

from evaluation.finding import Estimate, Family, Finding, Interval, Verdict
from synthhealth.comparing import compared


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "200")
    stand_in(monkeypatch)
    return Command(monkeypatch, capsys)


def finding(title: str, value: float | None) -> Finding:
    return Finding(
        family=Family.FIDELITY,
        test=title,
        title=title,
        headline=Estimate(name="tv", value=value, interval=Interval(low=0.0, high=1.0)),
        floor=Estimate(name="floor", value=0.1),
        ceiling=Estimate(name="ceiling", value=0.5),
        verdict=Verdict.MEASURED,
    )


def test_sets_stand_side_by_side_in_the_order_they_were_named():
    one, two = (finding("pairs", 0.2), finding("only here", 0.3)), (finding("pairs", 0.4), finding("nowhere", None))
    result = compared((Path("a"), Path("b")), (one, two))
    assert result.sets == ("a", "b")
    assert [(line.title, line.values) for line in result.lines] == [("pairs", (0.2, 0.4)), ("only here", (0.3, None))]
    assert result.lines[0].gaps == pytest.approx((0.75, 0.25))
    assert (result.lines[0].floor, result.lines[0].ceiling) == (0.1, 0.5)


def test_two_draws_are_compared_and_the_answer_stays_inside(shell: Command, tmp_path: Path):
    path = lay_out(tmp_path)
    assert shell("fit", "--config", path).code == 0
    for name, count in (("first", 60), ("second", 90)):
        assert shell("sample", "--config", path, "--to", tmp_path / name, "--patients", count).code == 0
    words = ("evaluate", "--config", path, "--compare", tmp_path / "first", "--compare", tmp_path / "second")
    answer = shell(*words)
    assert answer.code == 0, answer.err
    assert "difference of mean age" in answer.out
    told = json.loads(shell(*words, "--json").out)
    assert told["sets"] == [str(tmp_path / "first"), str(tmp_path / "second")]
    assert len(told["lines"][0]["values"]) == 2
    assert told == json.loads((tmp_path / "out" / "internal" / "comparison.json").read_text())


@pytest.mark.parametrize(
    ("folders", "code", "words"),
    [(("first",), 2, "two synthetic sets or more"), (("first", "empty"), 3, "be a folder with patients.csv")],
)
def test_what_cannot_be_compared_is_refused(
    shell: Command, tmp_path: Path, folders: tuple[str, ...], code: int, words: str
):
    path = lay_out(tmp_path)
    assert shell("fit", "--config", path).code == 0
    assert shell("sample", "--config", path, "--to", tmp_path / "first", "--patients", 60).code == 0
    given = [word for folder in folders for word in ("--compare", tmp_path / folder)]
    answer = shell("evaluate", "--config", path, *given)
    assert answer.code == code
    assert words in answer.err.replace("\n", " ")
