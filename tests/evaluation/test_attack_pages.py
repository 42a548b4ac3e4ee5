"""The pages about attacks name every attack, control and verdict that the code has, and none that it has not."""

from __future__ import annotations

import re
from pathlib import Path

from evaluation.attacks import white_box
from evaluation.attacks.ensemble import ENSEMBLE
from evaluation.attacks.ground import COPIED_WORLD, OVERFIT_WORLD
from evaluation.attacks.shadows import ATTACKS
from evaluation.attacks.suite import LEAST_PATIENTS, SUITE
from evaluation.attacks.whole import WHOLE
from evaluation.finding import Verdict

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "attacks.md").read_text(encoding="utf-8")
CONTROLS = (DOCS / "explanation" / "controls.md").read_text(encoding="utf-8")
EVERY = (*(one for call in SUITE for one in call.attacks), ENSEMBLE, *ATTACKS, *white_box.ATTACKS)


def _named() -> set[str]:
    """The tests named in the first cells of the table of attacks, `-5` standing for the name before it."""
    table = REFERENCE.split("## The suite")[1].split("\n\n")[1]
    names: set[str] = set()
    for row in table.splitlines()[2:]:
        last = ""
        for name in re.findall(r"`([a-z0-9-]+)`", row.split("|")[1]):
            last = re.sub(r"-\d+$", name, last) if name.startswith("-") else name
            names.add(last)
    return names


def test_every_attack_stands_in_the_reference_and_no_other():
    assert _named() == {one.test for one in EVERY}
    assert WHOLE.test in REFERENCE


def test_every_arxiv_number_of_the_code_stands_in_the_reference():
    cited = {number for one in EVERY for number in re.findall(r"arXiv:\d{4}\.\d{5}", one.citation)}
    assert cited <= set(re.findall(r"arXiv:\d{4}\.\d{5}", REFERENCE))


def test_every_control_and_verdict_is_explained():
    for name in ("NEG-permuted", "NEG-fresh", "POS-copy", COPIED_WORLD, "POS-jitter", OVERFIT_WORLD, "POS-memoriser"):
        assert name in CONTROLS
    for verdict in set(Verdict) - {Verdict.MEASURED}:
        assert verdict.value in CONTROLS
    assert str(LEAST_PATIENTS) in CONTROLS
    assert str(LEAST_PATIENTS) in REFERENCE
