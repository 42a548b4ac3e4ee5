"""The registry of breaks: each is noticed by its named test, and the published table is the registry's."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest
from audit.kill_table import page, unbroken
from audit.mutant import Mutant
from audit.mutants import MUTANTS, broken, survives

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "mutants.md"
# The breaks that a privacy expert asks for first, each with words of the mutants that stand for it.
NAMED = (
    "noise of steps halved",
    "x 0.9",
    "noise reused",
    "clip off",
    "clip doubled",
    "clip by record",
    "loss over the batch's mask",
    "loss reduction",
    "batch statistics",
    "NaN through",
    "float noise",
    "rate from len(data)",
    "normaliser from len(data)",
    "shuffling",
    "empty batch skipped",
    "priced once",
    "vocabulary from data",
    "bounds from data",
    "dtype from data",
    "user's seed",
    "shared generator",
    "decoder-only",
    "best of 8",
    "without the histograms",
    "exact metric",
    "similarity filter",
)


@pytest.mark.parametrize("mutant", [one for one in MUTANTS if not one.slow], ids=lambda one: one.name)
def test_a_break_is_noticed(mutant: Mutant):
    assert not survives(mutant)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [one for one in MUTANTS if one.slow], ids=lambda one: one.name)
def test_a_break_of_a_whole_fit_is_noticed(mutant: Mutant):
    assert not survives(mutant)


@pytest.mark.slow
def test_without_a_break_nothing_is_noticed():
    assert unbroken() == []


@pytest.mark.parametrize("words", NAMED)
def test_every_named_break_is_in_the_registry(words: str):
    assert any(words in mutant.name for mutant in MUTANTS)


def test_names_differ_and_killers_are_tests():
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1
    for mutant in MUTANTS:
        assert mutant.killer.__name__.startswith("test_")


def test_a_break_is_undone():
    """Whatever a break sets on a module or a class is put back."""
    before = _names()
    for mutant in MUTANTS:
        with broken(mutant):
            pass
        assert _names() == before, mutant.name


def _names() -> dict[str, int]:
    """Every attribute of every module of the three packages, and of their classes, by identity."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("privacy", "synthhealth", "evaluation"):
            for key, value in list(vars(module).items()):
                found[f"{name}.{key}"] = id(value)
                if isinstance(value, type) and value.__module__ == name:
                    found |= {f"{name}.{key}.{part}": id(one) for part, one in vars(value).items()}
    return found


def test_the_page_lists_both_registries():
    assert PAGE.read_text(encoding="utf-8") == page()
