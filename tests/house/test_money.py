from __future__ import annotations

import ast

from house_sources import calls, trees

SPENDING_ROOMS = {"privacy/mechanisms.py", "synthhealth/generators/training.py"}
NOISE_ROOMS = SPENDING_ROOMS | {"privacy/lattice.py", "privacy/randomness.py"}


def test_money_is_spent_in_two_rooms_alone() -> None:
    assert calls()["spend"] == SPENDING_ROOMS


def test_gates_are_opened_only_where_money_is_spent() -> None:
    assert _opening_gates() == SPENDING_ROOMS


def test_secret_noise_is_drawn_in_the_noise_rooms_alone() -> None:
    for name in ("secret_whole_gaussian", "secret_gumbel", "secret_uniform64", "poisson_batch"):
        assert calls()[name] <= NOISE_ROOMS, name


def test_nobody_draws_from_a_global_generator() -> None:
    """`torch.manual_seed` and `np.random.<function>` move a state that everybody shares."""
    shared = []
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                words = ast.unparse(node)
                allowed = ("np.random.Generator", "np.random.default_rng", "np.random.PCG64", "np.random.SeedSequence")
                if words == "torch.manual_seed" or (words.startswith("np.random.") and words not in allowed):
                    shared.append(f"{path}:{node.lineno}: {words}")
    assert shared == []


def _opening_gates() -> set[str]:
    """The files that call `open` on something named gate."""
    return {
        path
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "open"
        and ast.unparse(node.func.value).endswith("gate")
    }
