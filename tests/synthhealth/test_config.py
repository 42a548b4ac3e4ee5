from __future__ import annotations

from pathlib import Path

import pytest

from privacy.errors import ConfigError
from synthhealth.config import Config

MINIMAL = "[budget]\nepsilon = 3\n"


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        Config.parse(text)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_budget_is_all_that_must_be_said() -> None:
    config = Config.parse(MINIMAL)
    assert config.budget.epsilon == 3.0
    assert config.budget.delta is None
    assert config.generator.engine == "vae"
    assert config.data.labs is None
    assert config.release.recipient == "controlled"


def test_paths_count_from_the_folder_of_the_config(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "synthhealth.toml").write_text(
        '[data]\nlabs = "in/labs.csv"\n[budget]\nepsilon = 1\n[release]\nout = "o"\n'
    )
    config = Config.load(folder / "synthhealth.toml")
    assert config.data.schema_file == folder / "schema.toml"
    assert config.data.labs == folder / "in" / "labs.csv"
    assert config.budget.ledger == folder / "ledger.jsonl"
    assert config.release.out == folder / "o"


def test_absolute_paths_stay_as_they_are(tmp_path: Path) -> None:
    config = Config.parse(f'[data]\npatients = "{tmp_path}/p.parquet"\n{MINIMAL}', folder=Path("elsewhere"))
    assert config.data.patients == tmp_path / "p.parquet"


def test_a_config_is_frozen_and_can_be_compared() -> None:
    assert Config.parse(MINIMAL) == Config.parse(MINIMAL)
    assert hash(Config.parse(MINIMAL)) == hash(Config.parse(MINIMAL))
    with pytest.raises(ValueError, match="frozen"):
        Config.parse(MINIMAL).budget.epsilon = 4.0


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[budget]\nepsilon = 0\n", 2, "budget.epsilon: Input should be greater than 0"),
        ("[budget]\nepsilon = inf\n", 2, "budget.epsilon: Input should be a finite number"),
        ("[budget]\nepsilon = nan\n", 2, "budget.epsilon"),
        ("[budget]\n# a comment\ndelta = 1\nepsilon = 1\n", 3, "budget.delta: Input should be less than 1"),
        ("[budget]\nepsilon = 'three'\n", 2, "budget.epsilon: Input should be a valid number"),
        ("[budget]\nepsilon = 1\nepsilonn = 1\n", 3, "budget.epsilonn: no such setting"),
        ("[data]\nholdout = 1.0\n[budget]\nepsilon = 1\n", 2, "data.holdout: Input should be less than 1"),
        (
            "[budget]\nepsilon = 1\n\n[generator]\nengine = 'gan'\n",
            5,
            "'vae', 'marginal'",
        ),
        ("[budget]\nepsilon = 1\n[generator]\npatients = 0\n", 4, "generator.patients: Input should be greater"),
        ("[budget]\nepsilon = 1\npopulation = '../x'\n", 3, "budget.population: String should match pattern"),
        ("[budget]\nepsilon = 1\n[release]\nrecipient = 'everybody'\n", 4, "release.recipient"),
        ("[data]\nholdout = 0.3\n", 1, "budget: must be given"),
    ],
)
def test_a_refusal_names_the_line(text: str, line: int, words: str) -> None:
    message = refused(text)
    assert f"synthhealth.toml, line {line}: " in message
    assert words in message


def test_every_broken_rule_is_named_at_once() -> None:
    message = refused("[data]\nholdout = 2\n[budget]\nepsilon = -1\nextra = 1\n")
    assert [row.split(":")[0] for row in message.splitlines()] == [
        "synthhealth.toml, line 2",
        "synthhealth.toml, line 4",
        "synthhealth.toml, line 5",
    ]


def test_broken_toml_is_refused_with_its_line() -> None:
    assert "line 2" in refused("[budget]\nepsilon = \n")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"\xff\xfe\x00", "must be UTF-8 text")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "synthhealth.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        Config.load(file)


def test_a_byte_order_mark_is_no_reason_to_refuse(tmp_path: Path) -> None:
    file = tmp_path / "synthhealth.toml"
    file.write_text(MINIMAL, encoding="utf-8-sig")
    assert Config.load(file).budget.epsilon == 3.0
