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
        case "vae":
            from synthhealth.generators.vae.engine import VaeEngine  # torch takes seconds to import

            return VaeEngine.of(schema, budget, cohort_size, seed)
        case "marginal":
            from synthhealth.generators.marginal import MarginalEngine

            return MarginalEngine.of(schema, budget, cohort_size, seed)
        case "vae-dpsgd":
            from synthhealth.generators.dpsgd.engine import DpsgdEngine

            return DpsgdEngine.of(schema, budget, cohort_size, seed)
        case "vae-nonprivate":
            from synthhealth.generators.dpsgd.unprotected import UnprotectedEngine

            return UnprotectedEngine.of(schema, budget, cohort_size, seed)


def restore_model(name: EngineName, schema: Schema, state: ModelState) -> Model:
    """The model that was saved under the engine's name.

    Privacy: free; reads no real rows.
    """
    match name:
        case "vae":
            from synthhealth.generators.vae.engine import restore as restore_vae

            return restore_vae(schema, state)
        case "marginal":
            from synthhealth.generators.marginal import restore as restore_marginal

            return restore_marginal(schema, state)
        case "vae-dpsgd" | "vae-nonprivate":
            from synthhealth.generators.dpsgd.engine import restore as restore_autoencoder

            return restore_autoencoder(schema, state)
