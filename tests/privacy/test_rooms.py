"""Money is spent, and chance is born, in exactly the rooms where they may be: read off the source, not off a run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import evaluation
import privacy
import synthhealth

PACKAGES = tuple(Path(package.__file__).parent for package in (privacy, evaluation, synthhealth))
SPENDING = {"privacy/mechanisms.py", "synthhealth/generators/training.py"}
CHANCE = {"privacy/randomness.py"}
SECRET_NOISE = {
    "secret_whole_gaussian": {"privacy/mechanisms.py", "privacy/lattice.py"},
    "secret_gumbel": {"privacy/mechanisms.py"},
    "secret_uniform64": set(),
    "poisson_batch": {"synthhealth/generators/training.py"},
}
OF_THE_SYSTEM = {
    "urandom",
    "getrandom",
    "SystemRandom",
    "token_bytes",
    "token_hex",
    "token_urlsafe",
    "randbits",
    "randbelow",
}
GLOBAL_STATE = {"seed", "rand", "randn", "normal", "choice", "shuffle", "permutation", "uniform", "randint", "random"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            yield f"{package.name}/{path.relative_to(package).as_posix()}", ast.parse(path.read_text(encoding="utf-8"))


TREES = dict(sources())


def attributes(tree: ast.AST) -> Iterator[str]:
    return (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module if node.module is not None else ""


def names_imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (name.name for name in node.names)


def calls(tree: ast.AST, method: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
        for node in ast.walk(tree)
    )


def test_the_sources_are_found():
    assert {"privacy/gate.py", "evaluation/finding.py", "synthhealth/synthesizer.py"} <= set(TREES)


def test_money_is_spent_in_two_rooms():
    assert {name for name, tree in TREES.items() if calls(tree, "spend")} == SPENDING


def test_the_gate_is_opened_where_money_is_spent():
    openers = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "open"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "gate"
    }
    assert openers == SPENDING


def test_rows_are_opened_for_nothing_by_the_unsafe_engine_alone():
    assert {name for name, tree in TREES.items() if calls(tree, "open_unprotected")} == {
        "synthhealth/generators/dpsgd/unprotected.py"
    }
    assert {name for name, tree in TREES.items() if calls(tree, "expose")} == {"privacy/gate.py"}


def test_receipts_are_redeemed_at_the_gate_alone():
    assert {name for name, tree in TREES.items() if calls(tree, "redeem")} == {"privacy/gate.py"}


def test_chance_from_the_system_is_born_in_one_room():
    found = {name for name, tree in TREES.items() if OF_THE_SYSTEM & {*attributes(tree), *names_imported(tree)}}
    assert found == CHANCE


@pytest.mark.parametrize("draw", SECRET_NOISE)
def test_secret_draws_are_used_where_noise_is_added(draw: str):
    assert {name for name, tree in TREES.items() if draw in set(names_imported(tree))} == SECRET_NOISE[draw]


def test_no_room_has_a_generator_of_its_own():
    found = {
        name
        for name, tree in TREES.items()
        if {"random", "secrets"} & set(modules(tree)) or {"default_rng", "RandomState", "PCG64"} & set(attributes(tree))
    }
    assert found <= CHANCE


def test_nobody_touches_global_random_state():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in GLOBAL_STATE:
                owner = node.value
                assert not (isinstance(owner, ast.Attribute) and owner.attr == "random"), f"{name}:{node.lineno}"
        assert "manual_seed" not in set(attributes(tree)) or name.startswith("synthhealth/"), name


def test_privacy_draws_nothing_from_public_streams():
    rooms = {
        name for name, tree in TREES.items() if name.startswith("privacy/") and "public" in set(names_imported(tree))
    }
    assert rooms == set()


def test_diffprivlib_serves_mechanisms_alone():
    imports = {
        (name, module)
        for name, tree in TREES.items()
        for module in modules(tree)
        if module.split(".")[0] == "diffprivlib"
    }
    assert imports == {
        ("privacy/mechanisms.py", "diffprivlib.mechanisms.geometric"),
        ("privacy/mechanisms.py", "diffprivlib.mechanisms.gaussian"),
    }


def test_the_looser_accountants_price_nothing():
    # the headline is one joint loss distribution; the central limit (gdp) understates and is reachable nowhere
    assert not {
        name for name, tree in TREES.items() if "GaussianAccountant" in {*names_imported(tree), *attributes(tree)}
    }
    assert not {name for name, tree in TREES.items() if "PrivacyEngine" in {*names_imported(tree), *attributes(tree)}}
