"""The scoreboard: everybody learns from the same patients, and the figures tell good from bad."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from command import Command
from tiny_project import lay_out, stand_in

from privacy.cohort import Cohort
from privacy.errors import ConfigError
from synthhealth.benchmark.answer import FLOOR, MEANINGS
from synthhealth.benchmark.scoreboard import dealt_anew, read_others, split
from synthhealth.generators.simulator import simulate
from synthhealth.io.convert import write_format

FIGURES = tuple(MEANINGS)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "140")
    stand_in(monkeypatch)
    return Command(monkeypatch, capsys)


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the classifiers, which take most of the time."""
    for name in ("tstr_auc", "two_sample_auc"):
        monkeypatch.setattr(f"evaluation.benchmark_metrics.{name}", lambda *_, **__: float("nan"))


def test_a_scoreboard_has_a_line_for_everybody(shell: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    config, out = lay_out(tmp_path / "project"), tmp_path / "board"
    again = simulate(160, 9)
    write_format(again, tmp_path / "peer", "fhir")
    words = ("benchmark", "--config", config, "--out", out, "--epsilon", 1, "--epsilon", 5, "--quiet")
    answer = shell(
        *words, "--engine", "independent", "--engine", "marginal", "--engine", "vae-nonprivate",
        "--synthetic", f"peer={tmp_path / 'peer'}",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    told = json.loads((out / "benchmark.json").read_text())
    assert [(line["name"], line["epsilon"], line["private"]) for line in told["lines"]] == [
        (FLOOR, None, True),
        ("peer", None, True),
        ("independent", 1, True),
        ("marginal", 1, True),
        ("independent", 5, True),
        ("marginal", 5, True),
        ("vae-nonprivate", None, False),
    ]
    assert all(tuple(line["figures"]) == FIGURES for line in told["lines"])
    assert told["lines"][0]["figures"]["tstr"] is None
    floor = told["lines"][0]["figures"]
    assert all(floor[name] > 0 for name in ("value", "records", "one_way", "two_way", "three_way")), (
        "no self-comparison"
    )
    assert told["train"] + told["holdout"] == 240
    assert told["lines"][2]["patients"] == told["train"]
    heads = [line.split() for line in answer.out.splitlines() if line.strip().startswith("figure ")]
    assert heads == [
        ["figure", "real", "patients", *words]
        for words in (
            ["peer", "vae-nonprivate", "UNSAFE"],
            ["independent", "1", "marginal", "1"],
            ["independent", "5", "marginal", "5"],
        )
    ]
    flat = " ".join(answer.out.split())
    assert "UNSAFE" in flat
    assert "internal: exact figures about real patients" in flat
    picture = (out / "benchmark.svg").read_text()
    words_in_it = [element.text for element in ET.fromstring(picture).iter() if element.text]  # noqa: S314  # ours
    assert {"vae-nonprivate (UNSAFE)", "marginal", "peer", "real patients", *FIGURES} <= set(words_in_it)
    assert any("INTERNAL" in word for word in words_in_it)


def test_fresh_real_patients_come_nearer_than_columns_dealt_out_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shell: Command
) -> None:
    quick(monkeypatch)
    config = lay_out(tmp_path / "project")
    real = Cohort.read(
        simulate(2, 1).schema, patients=tmp_path / "project/patients.csv", labs=tmp_path / "project/labs.csv"
    )
    write_format(dealt_anew(real, 0), tmp_path / "dealt", "csv")
    write_format(real, tmp_path / "real", "csv")
    shell(
        "benchmark", "--config", config, "--out", tmp_path / "board", "--quiet",
        "--synthetic", f"dealt={tmp_path / 'dealt'}", "--synthetic", f"real={tmp_path / 'real'}",
    )  # fmt: skip
    lines = {
        line["name"]: line["figures"] for line in json.loads((tmp_path / "board/benchmark.json").read_text())["lines"]
    }
    assert lines["dealt"]["attribute_value"] > 1.2 * lines["real"]["attribute_value"]
    assert lines["dealt"]["two_way"] > lines["real"]["two_way"]
    assert lines["dealt"]["value"] == pytest.approx(lines["real"]["value"])


def test_the_patients_to_learn_from_are_the_ones_that_engines_learn_from(shell: Command, tmp_path: Path) -> None:
    config = lay_out(tmp_path / "project")
    answer = shell("benchmark", "--config", config, "--train-to", tmp_path / "peer", "--seed", 4)
    assert answer.code == 0, answer.err
    assert "REAL rows" in answer.out
    project = tmp_path / "project"
    real = Cohort.read(simulate(2, 1).schema, patients=project / "patients.csv", labs=project / "labs.csv")
    train, held = split(real, 0.3, 4)
    peer = Cohort.read(real.schema, patients=tmp_path / "peer/patients.csv", labs=tmp_path / "peer/labs.csv")
    assert peer.ids.tolist() == train.ids.tolist()
    assert not set(peer.ids) & set(held.ids)


def test_dealing_anew_keeps_columns_and_histories_and_parts_them(simulated_small: Cohort) -> None:
    dealt = dealt_anew(simulated_small, 3)
    for name in simulated_small.schema.free_columns:
        before, after = (
            cohort.patients[name].astype(str).sort_values().tolist() for cohort in (simulated_small, dealt)
        )
        assert before == after
    assert not dealt.patients["age"].equals(simulated_small.patients["age"])
    assert sorted(dealt.records_per_patient()) == sorted(simulated_small.records_per_patient())
    assert np.sort(dealt.records.value).tolist() == np.sort(simulated_small.records.value).tolist()
    known = ~np.isnan(dealt.numbers("bmi"))
    assert known.any()
    assert np.allclose(
        dealt.numbers("bmi")[known],
        (dealt.numbers("weight") / (dealt.numbers("height") / 100) ** 2)[known],
        atol=0.051,
    )


@pytest.mark.parametrize("words", [["peer"], ["=x"], ["peer="], ["a=x", "a=y"]])
def test_folders_that_have_no_name_are_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="read name=folder"):
        read_others(words)


def test_an_engine_that_nobody_knows_is_refused(shell: Command, tmp_path: Path) -> None:
    answer = shell("benchmark", "--config", lay_out(tmp_path), "--engine", "ctgan", "--quiet")
    assert answer.code == 2
    assert "files come with --synthetic" in answer.err


def test_nobody_is_no_contest(shell: Command, tmp_path: Path) -> None:
    answer = shell("benchmark", "--config", lay_out(tmp_path), "--epsilon", "3", "--synthetic", "x=nowhere", "--quiet")
    assert answer.code == 2
    assert "no such folder" in answer.err
