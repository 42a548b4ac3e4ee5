"""The engines by name: which one learns, and which one wakes a saved model; written out, so that both can be read."""

from __future__ import annotations

from privacy.budget import Budget
from privacy.schema import Schema
from synthhealth.generators.protocol import Engine, EngineName, Model, ModelState


def make_engine(name: EngineName, schema: Schema, budget: Budget, *, cohort_size: int, seed: int) -> Engine:
    """The engine of that name for these public facts.

    Privacy: free; reads no rows.
    """
    match name:
        case "marginal":
            from synthhealth.generators.marginal import MarginalEngine

            return MarginalEngine.of(schema, budget, cohort_size, seed)


def restore_model(name: EngineName, schema: Schema, state: ModelState) -> Model:
    """The model that was saved under the engine's name.

    Privacy: free; reads no real rows.
    """
    match name:
        case "marginal":
            from synthhealth.generators.marginal import restore

            return restore(schema, state)
