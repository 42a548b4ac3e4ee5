"""The reference pages name every key and every rule, and their examples work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from privacy.errors import SchemaError
from privacy.notice import Done, Rule
from privacy.schema import (
    Category,
    Combinations,
    Derived,
    Implication,
    Number,
    Order,
    PrivacyUnit,
    Schema,
    Test,
)

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA_PAGE = (DOCS / "reference" / "schema.md").read_text(encoding="utf-8")
RULES_PAGE = (DOCS / "reference" / "admission-rules.md").read_text(encoding="utf-8")
EXAMPLES = [
    (page.name, example)
    for page in (DOCS / "reference" / "schema.md", DOCS / "how-to" / "write-a-schema.md")
    for example in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(
    "part", [Schema, PrivacyUnit, Category, Number, Derived, Test, Order, Implication, Combinations]
)
def test_every_key_is_on_the_page(part: type[Schema]):
    for key in part.model_fields:
        assert (
            f"`{key}`" in SCHEMA_PAGE
            or f"`[{key}]`" in SCHEMA_PAGE
            or f"[{key}." in SCHEMA_PAGE
            or (f"[[{key}]]" in SCHEMA_PAGE)
        ), key


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_is_on_the_page(rule: Rule):
    assert f"`{rule}" in RULES_PAGE


@pytest.mark.parametrize("done", Done)
def test_everything_that_is_done_is_on_the_page(done: Done):
    assert f": {done}`" in RULES_PAGE


@pytest.mark.parametrize(("page", "example"), EXAMPLES)
def test_every_example_can_be_read(page: str, example: str):
    assert Schema.parse(example, source=page).columns


def test_the_refusal_on_the_page_is_the_one_that_is_given():
    mistaken = EXAMPLES[0][1].replace("low = 18", "lwo = 18", 1)
    head, tail = mistaken.split("[tests.creatinine]")
    with pytest.raises(SchemaError) as caught:
        Schema.parse(head + "[tests.creatinine]" + tail.replace("precision = 0.1\n", "", 1), source="ward-7.toml")
    assert f"```text\n{caught.value}\n```" in SCHEMA_PAGE
