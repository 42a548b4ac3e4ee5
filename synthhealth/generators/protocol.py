"""What a generator engine is: charges known before any row is read, a fit that pays for each look, a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # every command shows progress, few need the tables' libraries
    import numpy as np
    from numpy.typing import NDArray

    from privacy.cohort import Cohort
    from privacy.gate import Gate
    from privacy.plan import Charge

EngineName = Literal["vae", "marginal", "vae-dpsgd", "vae-nonprivate"]
Progress = Callable[[str, int, int], None]
"""Told as (stage, done, total) while work goes on; the numbers depend on public facts only."""


def quiet(_stage: str, _done: int, _total: int) -> None:
    """A Progress that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """All a fitted model is made of: named arrays and one JSON text; nothing in it is a patient.

    `arrays` go to safetensors (any shape, numeric dtypes), `meta` is a JSON object as text.
    """

    arrays: Mapping[str, NDArray[np.generic]]
    meta: str


class Model(Protocol):
    """A fitted generator; everything it does is post-processing of what was paid for."""

    def sample(self, n: int, seed: int) -> Cohort:
        """Exactly `n` synthetic patients with their records, the same for the same `seed`.

        Privacy: free; reads no real rows.
        """
        ...

    def state(self) -> ModelState:
        """The model as arrays and text; the engine's module offers `restore(schema, state) -> Model`.

        Privacy: free; reads no real rows.
        """
        ...


class Engine(Protocol):
    """A recipe for a generator, made from public facts alone: schema, budget, cohort size and seed."""

    @property
    def name(self) -> str:
        """The name under which a user asks for it."""
        ...

    @property
    def private(self) -> bool:
        """Whether what it fits is covered by the ledger; False marks every output UNSAFE."""
        ...

    def charges(self, scale: float) -> tuple[Charge, ...]:
        """Every charge of a fit, in order, with all noise multipliers times `scale`.

        Privacy: free; reads no rows.
        """
        ...

    def fit(self, gate: Gate, progress: Progress) -> Model:
        """Learn from the rows behind `gate`, paying each charge once before its rows are seen.

        Privacy: spends what `charges` named, through the gate's ledger.
        """
        ...
