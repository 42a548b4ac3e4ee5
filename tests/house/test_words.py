from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from forbidden_words import FORBIDDEN

ROOT = Path(__file__).parents[2]
# Quotations of law, and the list of the words themselves, are the only places where they may stand.
QUOTES = {"synthhealth/report/data/clauses.toml"}
WORKSHOP = re.compile(r"(/work/|/tmp/|issue #?\d|\bTODO\b|\bFIXME\b|\bXXX\b)")


def texts(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file())


SPOKEN = texts("privacy/**/*.py", "evaluation/**/*.py", "synthhealth/**/*.py", "synthhealth/**/*.toml") + texts(
    "synthhealth/**/*.j2", "docs/**/*.md", "docs/**/*.json", "docs/**/*.toml", "*.md", "*.cff", "Makefile"
)


def lines() -> Iterator[tuple[str, str]]:
    """Every line that the software may print or the docs say, with its place."""
    for path in SPOKEN:
        name = path.relative_to(ROOT).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{name}:{number}", line


def test_no_promise_that_nobody_can_keep() -> None:
    said = [
        f"{place}: {line.strip()}"
        for place, line in lines()
        if FORBIDDEN.search(line.replace("UNSAFE", "")) and "forbidden" not in line.lower()
    ]
    assert [row for row in said if row.split(":")[0] not in QUOTES] == []


def test_no_trace_of_the_workshop() -> None:
    assert [f"{place}: {line.strip()}" for place, line in lines() if WORKSHOP.search(line)] == []


def test_the_words_are_searched_where_they_could_stand() -> None:
    assert len(SPOKEN) > 50
    assert FORBIDDEN.search("the data are Anonymised now")
    assert not FORBIDDEN.search("an UNSAFE engine".replace("UNSAFE", ""))
