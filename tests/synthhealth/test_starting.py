from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command

from privacy.errors import ConfigError
from privacy.schema import Schema
from synthhealth.config import Config
from synthhealth.dictionary import read_dictionary
from synthhealth.starting import start

DICTIONARY = """test,unit,low,high,precision
Creatinine,mg/dL,0.1,30,
pH,,6.5,8,
"Na \"\"serum\"\"",mmol/L,95,180,1
Albumin,g/dL,0.5,7,0.1
Lipase,U/L,10,5000,
"""


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_a_started_project_can_be_planned_at_once(shell: Command, tmp_path: Path) -> None:
    answer = shell("init", tmp_path / "project")
    assert answer.code == 0
    assert "from the data dictionary, never from the rows" in " ".join(answer.out.split())
    config = Config.load(tmp_path / "project" / "synthhealth.toml")
    schema = Schema.load(config.data.schema_file)
    assert list(schema.tests) == ["creatinine", "potassium", "sodium", "hemoglobin", "glucose"]
    answer = shell("plan", "--config", tmp_path / "project" / "synthhealth.toml", "--engine", "marginal", "--json")
    assert answer.code == 0, answer.err
    assert 2.9 < json.loads(answer.out)["epsilon"] <= 3


def test_files_that_are_there_are_not_touched(shell: Command, tmp_path: Path) -> None:
    (tmp_path / "schema.toml").write_text("mine")
    answer = shell("init", tmp_path)
    assert answer.code == 2
    assert (tmp_path / "schema.toml").read_text() == "mine"
    assert not (tmp_path / "synthhealth.toml").exists()


def test_tests_come_from_a_dictionary(tmp_path: Path) -> None:
    (tmp_path / "catalogue.csv").write_text(DICTIONARY, encoding="utf-8-sig")
    start(tmp_path, tests=tmp_path / "catalogue.csv")
    tests = Schema.load(tmp_path / "schema.toml").tests
    assert list(tests) == ["Creatinine", "pH", 'Na "serum"', "Albumin", "Lipase"]
    assert [test.scale for test in tests.values()] == ["log", "linear", "linear", "linear", "log"]
    assert [test.precision for test in tests.values()] == [0.1, 0.01, 1.0, 0.1, 1.0]
    guessed = [line for line in (tmp_path / "schema.toml").read_text().splitlines() if "guessed" in line]
    assert len(guessed) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("code,unit\nK,mmol/L\n", "have a column test or name"),
        ("test,unit\n", "at least one"),
        ('test,unit\n"K\nL",mmol/L\n', "line 2: name and unit must be one line"),
        ("name,unit\nK,mmol/L\nK,mmol/L\n", "more than once: K"),
        ("name,unit\n,mmol/L\n", "line 2: the test must have a name"),
        ("test,unit,low\nK,mmol/L,1\n", "line 2: low, high and precision must be numbers"),
        ("test,unit,low,high\nK,mmol/L,1,\n", "line 2: low, high and precision must be numbers"),
        ("test,unit,low,high\nNa,mmol/L,95,180\nK,mmol/L,9,1\n", "line 3: low must be below high"),
        ("test,unit,low,high\nK,mmol/L,nan,1\n", "low must be below high"),
    ],
)
def test_a_dictionary_that_cannot_be_read_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "catalogue.csv").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_dictionary(tmp_path / "catalogue.csv")


def test_no_dictionary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="check the path"):
        read_dictionary(tmp_path / "catalogue.csv")


def test_tests_without_bounds_take_them_from_the_catalogue_with_their_source(shell: Command, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(
        "name,unit,type,low,high\nKrea,µmol/l,numeric,,\nTroponin,ng/mL,,,\nBlorbs,u,,,\nCulture,,text,,\nMine,u,,1,9\n"
    )
    answer = shell("init", tmp_path / "project", "--tests", tmp_path / "d.csv")
    assert answer.code == 0, answer.err
    assert "Troponin, Blorbs, Culture: comments in the schema" in " ".join(answer.out.split())
    tests = Schema.load(tmp_path / "project" / "schema.toml").tests
    assert list(tests) == ["Krea", "Mine"]
    assert (tests["Krea"].low, tests["Krea"].high, tests["Krea"].precision) == (8.8, 2700, 1)
    assert (tests["Krea"].unit, tests["Krea"].loinc, tests["Krea"].scale) == ("µmol/l", "2160-0", "log")
    text = (tmp_path / "project" / "schema.toml").read_text()
    assert "LOINC is copyright Regenstrief Institute" in text
    block = text[text.index('[tests."Krea"]') :].split("\n\n")[0]
    assert [line.split()[0] for line in block.splitlines() if " # " in line] == [
        "low",
        "high",
        "precision",
        "scale",
        "loinc",
    ]
    assert "# DOUBT" in text[text.index("Troponin") - 20 :]
    blank = '# [tests."Blorbs"]\n# unit = "u"\n# low =\n# high =\n# precision =\n'
    assert blank in text
    filled = blank.replace("# ", "").replace("=\n", "= 1\n").replace("high = 1", "high = 9")
    assert Schema.parse(text.replace(blank, filled)).tests["Blorbs"].high == 9


def test_a_whole_hospitals_dictionary_becomes_a_schema(tmp_path: Path) -> None:
    start(tmp_path / "project", tests=Path(__file__).with_name("dictionary_of_forty.csv"))
    tests = Schema.load(tmp_path / "project" / "schema.toml").tests
    assert len(tests) >= 35
    assert all(test.loinc for test in tests.values())
