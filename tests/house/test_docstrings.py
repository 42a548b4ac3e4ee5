"""The reference that is drawn from the code: what it shows is there, and says shapes, errors and privacy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from house_sources import ROOT

import synthhealth

PAGES = sorted((ROOT / "docs" / "reference" / "api").glob("*.md"))
SHOWN = {module for page in PAGES for module in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)}
IMPORTED = re.compile(r"^\s*from ((?:privacy|evaluation|synthhealth)\.[\w.]+) import", re.MULTILINE)
REAL_ROWS = {"Cohort", "Exhibit", "Gate"}
ARRAYS = {"NDArray", "Floats", "Ints", "Bools", "Places", "Words"}
Public = tuple[str, ast.FunctionDef]


def file_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


def public(body: list[ast.stmt], place: str) -> Iterator[Public]:
    """Functions and methods without an underscore, each with its place."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, f"{place}.{node.name}")
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f"{place}.{node.name}", node


def functions(modules: set[str]) -> list[Public]:
    return [one for name in sorted(modules) for one in public(ast.parse(file_of(name).read_text("utf-8")).body, name)]


def words(*nodes: ast.AST | None) -> set[str]:
    """The names in annotations or expressions."""
    return {part.id for node in nodes if node is not None for part in ast.walk(node) if isinstance(part, ast.Name)}


def arguments(function: ast.FunctionDef) -> set[str]:
    return words(*(one.annotation for one in (*function.args.args, *function.args.kwonlyargs)))


def raised(function: ast.FunctionDef) -> set[str]:
    """The errors that the function's own body raises by name."""
    thrown = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise))
    called = (one.func if isinstance(one, ast.Call) else one for one in thrown)
    return {one.id for one in called if isinstance(one, ast.Name) and one.id.endswith("Error")}


def told(function: ast.FunctionDef) -> str:
    return ast.get_docstring(function) or ""


def test_every_module_on_a_page_is_there() -> None:
    assert len(PAGES) == 3
    assert [module for module in sorted(SHOWN) if not file_of(module).exists()] == []


def test_what_users_import_is_shown() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    used = {module for page in pages for module in IMPORTED.findall(page.read_text("utf-8"))}
    homes = {home for home in synthhealth._HOMES.values() if file_of(home).exists()}
    assert sorted((used | homes) - SHOWN) == []


@pytest.mark.parametrize(("place", "function"), functions(SHOWN), ids=lambda one: one if isinstance(one, str) else "")
def test_a_public_function_says_what_the_house_asks_for(place: str, function: ast.FunctionDef) -> None:
    says = told(function)
    assert says, f"{place} has no docstring"
    if arguments(function) & REAL_ROWS:
        assert "Privacy:" in says, f"{place} takes patients and says nothing of privacy"
    for error in raised(function):
        assert error in says, f"{place} raises {error} and does not say so"
    if (arguments(function) | words(function.returns)) & ARRAYS:
        assert "[" in says, f"{place} takes or returns arrays and names no shape"


def test_the_rules_notice_what_is_missing() -> None:
    text = 'def f(cohort: Cohort) -> Floats:\n    """Words."""\n    raise DataError("x")\n'
    ((_, function),) = public(ast.parse(text).body, "m")
    assert arguments(function) & REAL_ROWS == {"Cohort"}
    assert raised(function) == {"DataError"}
    assert words(function.returns) & ARRAYS == {"Floats"}
