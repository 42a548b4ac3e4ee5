"""The project's own source, parsed once for all tests of the house."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("privacy", "evaluation", "synthhealth")


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the three packages by its path from the root."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }


@cache
def calls() -> dict[str, set[str]]:
    """The names of functions and methods, each with the files that call it."""
    found: dict[str, set[str]] = {}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found.setdefault(_name(node.func), set()).add(path)
    return found


@cache
def imports() -> dict[str, frozenset[str]]:
    """The modules that each file imports, wherever in the file."""
    return {path: frozenset(_imported(tree)) for path, tree in trees().items()}


def _name(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=attr):
            return attr
        case ast.Name(id=name):
            return name
    return ""


def _imported(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.append(node.module)
    return names
