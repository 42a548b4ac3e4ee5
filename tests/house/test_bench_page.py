"""The page of benchmarks is kept section by section: what is measured again replaces its own section alone."""

from __future__ import annotations

import pytest
from bench import page
from bench.timing import medians, table


def test_a_section_replaces_itself_and_leaves_the_others(monkeypatch: pytest.MonkeyPatch):
    said = iter(["first", "second", "third"])
    sections = {"a": ("About a", lambda: next(said)), "b": ("About b", lambda: next(said))}
    monkeypatch.setattr(page, "SECTIONS", sections)
    both = page.written("", ["a", "b"])
    again = page.written(both, ["a"])
    assert again == both.replace("first", "third")
    assert page.written(again, []) == again


def test_every_way_is_timed_as_often(monkeypatch: pytest.MonkeyPatch):
    calls = []
    clock = iter(range(1000))
    monkeypatch.setattr("bench.timing.time.perf_counter", lambda: float(next(clock)))
    times = medians({"one": lambda: calls.append(1), "two": lambda: calls.append(2)}, 3)
    assert calls == [1, 2] * 4
    assert times == {"one": 1.0, "two": 1.0}


def test_tables_are_markdown():
    assert table(("a", "b"), [(1, "x")]) == "| a | b |\n| --- | --- |\n| 1 | x |\n"
