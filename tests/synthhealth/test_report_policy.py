from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from privacy.errors import ConfigError
from synthhealth.report.policy import PolicyFile

DEFAULT = PolicyFile.default().content.decode()


def changed(old: str, new: str) -> bytes:
    assert old in DEFAULT
    return DEFAULT.replace(old, new).encode()


def test_default_tiers_are_those_of_the_table():
    policy = PolicyFile.default().policy
    tiers = [policy.tier(name) for name in ("public", "controlled", "named", "internal")]
    assert [(t.epsilon_pass, t.epsilon_review) for t in tiers] == [(1, 10), (3, 10), (3, 10), (10, 20)]
    assert [t.delta_times_n for t in tiers] == [0.01, 0.01, 0.1, 0.1]
    assert [t.auc_high for t in tiers] == [0.55, 0.55, 0.55, 0.65]
    assert [t.excess_high for t in tiers] == [0.05, 0.09, 0.09, None]
    assert policy.limits.auc_fail == 0.65
    assert policy.limits.accountants_agree == 0.02
    assert policy.owner == ""


def test_hash_is_that_of_the_bytes():
    file = PolicyFile.default()
    assert file.sha256 == hashlib.sha256(file.content).hexdigest()
    assert PolicyFile.parse(file.content + b"# a word\n").sha256 != file.sha256


def test_load_names_a_missing_file(tmp_path: Path):
    with pytest.raises(ConfigError, match="no such file"):
        PolicyFile.load(tmp_path / "policy.toml")


def test_load_reads_what_was_written(tmp_path: Path):
    (tmp_path / "policy.toml").write_text(DEFAULT)
    assert PolicyFile.load(tmp_path / "policy.toml") == PolicyFile.default()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("auc_fail = 0.65", "auc_fail = 0.655", "multiple of disclosure.step"),
        ("auc_high = 0.65", "auc_high = 0.652", "multiple of disclosure.step"),
        ("epsilon_review = 20.0", "epsilon_review = 5.0", "must not be above epsilon_review"),
        ("accountants_agree = 0.02", "accountants_agree = 0.5", "less than or equal"),
        ("months = 12", "months = 120", "less than or equal"),
        ("months = 12", "months = 12\nforever = true", "Extra inputs"),
        ('internal = ["privacy_officer"]', 'internal = ["anybody"]', "Input should be"),
        ("valid_until = 2027-11-22", "valid_until = never", "not valid TOML"),
        ("step = 0.01", "step = 0.2", "less than or equal"),
    ],
)
def test_a_broken_policy_is_refused(old: str, new: str, told: str):
    with pytest.raises(ConfigError, match=told):
        PolicyFile.parse(changed(old, new))


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ConfigError, match="not valid TOML"):
        PolicyFile.parse(b"\xff\xfe")


def keys(node: dict[str, object]) -> set[str]:
    return {key for name, value in node.items() for key in ({name} if not isinstance(value, dict) else keys(value))}


def test_the_reference_names_every_key_and_its_default():
    text = (Path(__file__).parents[2] / "docs" / "reference" / "policy.md").read_text(encoding="utf-8")
    roles = {"public", "controlled", "named", "internal"}
    assert [key for key in keys(tomllib.loads(DEFAULT)) - roles if f"{key}`" not in text] == []
    policy = PolicyFile.default().policy
    for name in ("epsilon_pass", "epsilon_review", "delta_times_n", "auc_high", "worst_group_high", "excess_high"):
        tiers = [getattr(policy.tier(tier), name) for tier in ("public", "controlled", "named", "internal")]
        cells = " | ".join("" if value is None else f"{value:g}" for value in tiers).replace("|  |", "| |")
        assert f"| `{name}` | {cells}" in text
