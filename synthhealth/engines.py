"""The engines by name: which one learns, and which one wakes a saved model; written out, so that both can be read."""

from __future__ import annotations

from privacy.budget import Budget
from privacy.errors import ConfigError, refusal
from privacy.schema import Schema
from synthhealth.generators.device import Device
from synthhealth.generators.protocol import Engine, EngineName, Model, ModelState


def make_engine(
    name: EngineName, schema: Schema, budget: Budget, *, cohort_size: int, seed: int, device: Device = "cpu"
) -> Engine:
    """The engine of that name for these public facts; `device` is where an autoencoder's gradients are computed.

    Raises ConfigError where another engine is to compute on a card: its gradients are few.

    Privacy: free; reads no rows.
    """
    if device != "cpu" and name in ("vae", "marginal"):
        raise ConfigError(
            refusal(
                what=f"device {device!r}",
                must="be asked for with engine 'vae-dpsgd' or 'vae-nonprivate', which train by hundreds of steps",
                got=f"engine {name!r}, which computes on the processor",
                fix="leave `device` out, or name another engine",
            )
        )
    match name:
        case "vae":
            from synthhealth.generators.vae.engine import VaeEngine  # torch takes seconds to import

            return VaeEngine.of(schema, budget, cohort_size, seed)
        case "marginal":
            from synthhealth.generators.marginal import MarginalEngine

            return MarginalEngine.of(schema, budget, cohort_size, seed)
        case "vae-dpsgd":
            from synthhealth.generators.dpsgd.engine import DpsgdEngine

            return DpsgdEngine.of(schema, budget, cohort_size, seed, device)
        case "vae-nonprivate":
            from synthhealth.generators.dpsgd.unprotected import UnprotectedEngine

            return UnprotectedEngine.of(schema, budget, cohort_size, seed, device)


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
