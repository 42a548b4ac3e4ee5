from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPENDING_ROOMS = {"privacy/mechanisms.py", "synthhealth/generators/training.py"}
NOISE_ROOMS = SPENDING_ROOMS | {"privacy/lattice.py", "privacy/randomness.py"}


def calls(name: str) -> dict[str, list[int]]:
    """Where an attribute or a function of that name is called, by file."""
    found: dict[str, list[int]] = {}
    for package in ("privacy", "evaluation", "synthhealth"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _called(node) == name:
                    found.setdefault(path.relative_to(ROOT).as_posix(), []).append(node.lineno)
    return found


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Attribute(attr=attr):
            return attr
        case ast.Name(id=name):
            return name
    return ""


def test_money_is_spent_in_two_rooms_alone() -> None:
    assert set(calls("spend")) == SPENDING_ROOMS


def test_gates_are_opened_only_where_money_is_spent() -> None:
    receipts = {
        path
        for package in ("privacy", "evaluation", "synthhealth")
        for path in (str(p.relative_to(ROOT)) for p in (ROOT / package).rglob("*.py"))
        if "gate.open(" in (ROOT / path).read_text(encoding="utf-8")
    }
    assert receipts <= SPENDING_ROOMS


def test_secret_noise_is_drawn_in_the_noise_rooms_alone() -> None:
    for name in ("secret_gaussian", "secret_gumbel", "secret_uniform64", "poisson_batch"):
        assert set(calls(name)) <= NOISE_ROOMS, name


def test_nobody_seeds_a_global_generator() -> None:
    for name in ("manual_seed", "seed_everything"):
        assert calls(name).keys() <= {"synthhealth/generators/training.py"} or _own_generators(name), name
    for path in (ROOT / "synthhealth").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "torch.manual_seed" not in text, path
        assert "np.random.seed" not in text, path


def _own_generators(name: str) -> bool:
    """Whether every call of `name` is on a generator object of its own."""
    for path, lines in calls(name).items():
        text = (ROOT / path).read_text(encoding="utf-8").splitlines()
        if any("torch.manual_seed" in text[line - 1] for line in lines):
            return False
    return True
