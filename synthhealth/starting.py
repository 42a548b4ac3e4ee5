"""Starts a project: a commented config and schema to fill in, tests taken from a data dictionary if there is one."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from privacy.errors import ConfigError, refusal
from privacy.schema import Schema
from synthhealth.catalogue.schema_text import Told, catalogue_text, sources_text
from synthhealth.config import CONFIG_FILE
from synthhealth.dictionary import DictionaryTest, read_dictionary
from synthhealth.output import write_whole
from synthhealth.results import Started

SCHEMA_FILE = "schema.toml"


def start(folder: Path, *, tests: Path | None = None) -> Started:
    """Write config and schema into `folder`; refuses to touch files that are there.

    `tests` is a data dictionary: a CSV with a column test (or name) and, where known, unit, low,
    high, precision and type. Tests without bounds take them from the catalogue; where it is in
    doubt, the test stands in the schema as a comment.

    Privacy: free; reads no rows.
    """
    schema, unsure = (_starter(SCHEMA_FILE), ()) if tests is None else _tests(_starter(SCHEMA_FILE), tests)
    Schema.parse(schema, source="starter" if tests is None else f"schema made from {tests.name}")
    wanted = {folder / CONFIG_FILE: _starter(CONFIG_FILE), folder / SCHEMA_FILE: schema}
    for path in wanted:
        if path.exists():
            raise ConfigError(
                refusal(
                    what=f"file {path}",
                    must="not be there yet",
                    got="one",
                    fix="start in another folder, or move it away",
                )
            )
    for path, text in wanted.items():
        write_whole(path, text)
    return Started(
        files=tuple(str(path) for path in wanted),
        unsure=unsure,
        next_steps=(
            f"Go to {folder} and put your tables there, as patients.csv and labs.csv.",
            f"Describe them in {SCHEMA_FILE}: from the data dictionary, never from the rows.",
            f"Set the budget in {CONFIG_FILE}.",
            "synthhealth plan: what it will cost, before any row is read.",
            "synthhealth check: whether the tables keep the schema's rules.",
            "synthhealth run: everything, up to the report.",
        ),
    )


def _tests(schema: str, dictionary: Path) -> tuple[str, tuple[str, ...]]:
    """The schema with the dictionary's tests in place of its own, and the names that a person must look at."""
    tests = read_dictionary(dictionary)
    told = [_test(test) for test in tests]
    unsure = tuple(test.name for test, block in zip(tests, told, strict=True) if not block.sure)
    asked = any(test.bounds is None for test in tests)
    head = schema[: schema.index("[tests.")] + (sources_text() + "\n" if asked else "")
    return head + "\n".join(block.text for block in told), unsure


def _test(test: DictionaryTest) -> Told:
    if not test.numeric:
        why = "it has no numbers; give it `codes`, or leave it out"
        return Told(text=f"# DOUBT {json.dumps(test.name)}: {why}\n", sure=False)
    if test.bounds is not None:
        return Told(text=test.toml(test.bounds), sure=True)
    return catalogue_text(test.name, test.unit)


def _starter(name: str) -> str:
    return (files("synthhealth") / "starters" / name).read_text(encoding="utf-8")
