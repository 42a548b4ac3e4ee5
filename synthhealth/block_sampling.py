"""Draws many synthetic patients a block at a time, so that what a draw needs besides its result stays small."""

from __future__ import annotations

from evaluation.spread import spread
from privacy.cohort import Cohort
from privacy.randomness import public
from synthhealth.conditions import joined
from synthhealth.generators.protocol import Model

PATIENTS_A_BLOCK = 100_000


def sample_blocks(model: Model, n: int, seed: int) -> Cohort:
    """Exactly `n` patients of `model`, the same for the same `seed`; up to PATIENTS_A_BLOCK as the model draws them.

    Each further block has a stream of chance of its own, and `spread` may have it done elsewhere.

    Privacy: free; reads no real rows.
    """
    if n <= PATIENTS_A_BLOCK:
        return model.sample(n, seed)
    sizes = [min(PATIENTS_A_BLOCK, n - start) for start in range(0, n, PATIENTS_A_BLOCK)]
    chances = [seed, *(int(public(seed, "block", f"{turn}").integers(2**62)) for turn in range(1, len(sizes)))]
    blocks = ((model, size, chance) for size, chance in zip(sizes, chances, strict=True))
    return joined(spread(_block, blocks))


def _block(model: Model, n: int, seed: int) -> Cohort:
    return model.sample(n, seed)
