"""Writes a schema as the TOML file that it would be read from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from privacy.schema import Schema
from synthhealth.output import write_whole

_TABLES = ("columns", "tests", "derived_tests")


def schema_text(schema: Schema) -> str:
    """A schema as TOML; what was left out stays left out. Reading it back gives the same schema.

    Privacy: free; public facts.
    """
    told = schema.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    constraints = told.pop("constraints", [])
    sections = [("[privacy_unit]", told.pop("privacy_unit"))]
    for part in _TABLES:
        sections += [(f"[{part}.{_value(name)}]", content) for name, content in told.pop(part, {}).items()]
    sections += [("[[constraints]]", rule) for rule in constraints]
    parts = [_lines(told), *([head, *_lines(content)] for head, content in sections)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def write_schema(schema: Schema, path: Path) -> Path:
    """Write a schema as a TOML file, whole or not at all; returns the path.

    Privacy: free; public facts.
    """
    write_whole(path, schema_text(schema))
    return path


def _lines(content: Mapping[str, object]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in content.items()]


def _value(value: object) -> str:
    """A value as TOML writes it, which for all but tables is as JSON does."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_value(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
