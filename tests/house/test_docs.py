from __future__ import annotations

import re
from pathlib import Path

import pytest
from house_sources import ROOT
from typer.main import get_command

import synthhealth
from synthhealth.cli import app
from synthhealth.config import Config, Data, Generator, Release, Spending

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def slug(heading: str) -> str:
    """A heading as the anchor that it becomes on a page."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", [name for name in synthhealth.__all__ if not name.startswith("_")])
def test_every_public_name_is_documented(name: str) -> None:
    assert f"\n## {name}\n" in text("docs/reference/python.md")
    assert getattr(synthhealth, name).__doc__


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Anonymiser'"):
        _ = synthhealth.Anonymiser  # type: ignore[attr-defined]
    assert dir(synthhealth) == sorted(synthhealth.__all__)


def test_every_command_and_option_is_documented() -> None:
    page = text("docs/reference/cli.md")
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"| `{name}` |" in page, name
        for parameter in command.params:
            long = [word for word in parameter.opts if word.startswith("--")]
            assert not long or f"`{long[0]}" in page or long[0] == "--help", f"{name} {long}"


def test_every_setting_is_documented_and_no_other() -> None:
    page = text("docs/reference/config.md")
    for section, model in (("data", Data), ("budget", Spending), ("generator", Generator), ("release", Release)):
        part = page.split(f"## `[{section}]`")[1].split("\n## ")[0]
        told = re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)
        known = [field.alias or name for name, field in model.model_fields.items()]
        assert told == known, section


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = page if file == "" else (page.parent / file).resolve()
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_in_python_are_python(page: Path) -> None:
    for example in FENCE.findall(page.read_text(encoding="utf-8")):
        compile(example, str(page), "exec")


def test_the_starters_settings_can_be_switched_on() -> None:
    starter = (ROOT / "synthhealth" / "starters" / "synthhealth.toml").read_text(encoding="utf-8")
    assert Config.parse(starter).generator.patients is None
    switched_on = Config.parse(re.sub(r"^# (\w+ = )", r"\1", starter, flags=re.MULTILINE))
    assert switched_on.generator.patients == 5000
    assert switched_on.budget.delta == 1e-6
