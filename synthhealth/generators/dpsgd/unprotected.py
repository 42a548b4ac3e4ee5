"""The same autoencoder trained without noise and without clipping: the ceiling of the design, and no protection."""

from __future__ import annotations

from dataclasses import dataclass

from privacy.budget import Budget
from privacy.gate import Gate
from privacy.plan import Charge
from privacy.randomness import public, secret_bytes
from privacy.schema import Schema
from synthhealth.encoding.layout import Layout
from synthhealth.generators.device import Device, require_device
from synthhealth.generators.dpsgd.calibration import calibrate_bases
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.learning import KEY_BYTES, Lesson, learn_openly
from synthhealth.generators.dpsgd.model import Autoencoder
from synthhealth.generators.dpsgd.network import Network
from synthhealth.generators.dpsgd.recipe import Recipe
from synthhealth.generators.first_looks import first_looks
from synthhealth.generators.looks import ExactLooks
from synthhealth.generators.protocol import Model, Progress

BATCH = 256
PASSES = 25
FEWEST, MOST = 300, 2_000
RATE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprotectedEngine:
    """Exact histograms and plain gradients. UNSAFE: what it writes must not leave the house."""

    schema: Schema
    seed: int
    recipe: Recipe
    name: str = "vae-nonprivate"
    private: bool = False

    @staticmethod
    def of(schema: Schema, budget: Budget, cohort_size: int, seed: int, device: Device = "cpu") -> UnprotectedEngine:
        """The engine with its default recipe; the budget plays no part.

        Privacy: free; reads no rows.
        """
        _ = budget
        batch = min(BATCH, cohort_size)
        steps = min(max(PASSES * cohort_size // batch, FEWEST), MOST)
        recipe = Recipe(steps=steps, rate=RATE, max_grad_norm=float("inf"), expected_batch=float(batch), device=device)
        return UnprotectedEngine(schema=schema, seed=seed, recipe=recipe)

    def charges(self, scale: float) -> tuple[Charge, ...]:
        """None: nothing is paid and nothing is promised.

        Privacy: free; reads no rows.
        """
        del scale
        return ()

    def fit(self, gate: Gate, progress: Progress) -> Model:
        """Open the rows without protection, look and train.

        Privacy: outside every guarantee; the ledger notes it.
        """
        require_device(self.recipe.device)
        rows = gate.open_unprotected()
        progress("histograms", 0, 1)
        looks = first_looks(ExactLooks(rows=rows), Layout.of(self.schema))
        ground = Ground.of(looks)
        progress("histograms", 1, 1)
        network = Network(ground, public(self.seed, "autoencoder", "network"))
        lesson = Lesson(network, ground, Encoded.of(rows, ground), rows.ids, secret_bytes(KEY_BYTES))
        learn_openly(lesson, self.recipe, public(self.seed, "autoencoder", "batches"), progress)
        calibrate_bases(network, ground, looks, public(self.seed, "autoencoder", "calibration"))
        return Autoencoder(ground=ground, network=network)
