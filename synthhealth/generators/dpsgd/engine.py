"""The comparison engine: an autoencoder trained by DP-SGD alone, on top of nothing but noisy histograms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from privacy.budget import Budget
from privacy.dpsgd import TrainingPlan
from privacy.gate import Gate
from privacy.plan import Charge
from privacy.randomness import public, secret_bytes
from privacy.schema import Schema
from synthhealth.encoding.layout import Layout
from synthhealth.generators.crew import Crew
from synthhealth.generators.device import Device, require_device
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.recipe import Recipe
from synthhealth.generators.first_looks import first_charges, first_looks
from synthhealth.generators.looks import PaidLooks
from synthhealth.generators.protocol import Model, ModelState, Progress
from synthhealth.generators.training import Room, enter_together

BATCH = 512
STEPS = 200
RATE = 0.01
MAX_GRAD_NORM = 1.0
GRIDS, DIGITS, VALUES, ONE_WAY, TRAINING = 0.03, 0.02, 0.10, 0.07, 0.78


@dataclass(frozen=True, slots=True, kw_only=True)
class DpsgdEngine:
    """Noisy histograms place bins and base rates; everything else is learnt by noisy clipped gradients.

    `enter` opens the room in which the private steps are taken.
    """

    schema: Schema
    cohort_size: int
    seed: int
    recipe: Recipe
    name: str = "vae-dpsgd"
    private: bool = True
    enter: Callable[[Gate, str], Room] = enter_together

    @staticmethod
    def of(schema: Schema, budget: Budget, cohort_size: int, seed: int, device: Device = "cpu") -> DpsgdEngine:
        """The engine with its default recipe, which depends on the public size of the cohort alone.

        Privacy: free; reads no rows.
        """
        _ = budget
        recipe = Recipe(
            steps=STEPS,
            rate=RATE,
            max_grad_norm=MAX_GRAD_NORM,
            expected_batch=float(min(BATCH, cohort_size)),
            device=device,
        )
        return DpsgdEngine(schema=schema, cohort_size=cohort_size, seed=seed, recipe=recipe)

    def charges(self, scale: float) -> tuple[Charge, ...]:
        """Three noisy looks and the training.

        Privacy: free; reads no rows.
        """
        looks = first_charges(
            Layout.of(self.schema), grids=GRIDS, digits=DIGITS, values=VALUES, one_way=ONE_WAY, scale=scale
        )
        return (*looks, self._training(scale))

    def fit(self, gate: Gate, progress: Progress) -> Model:
        """Look, then train for the steps that were paid for; raises ConfigError before any where there is no device.

        Privacy: spends the charges.
        """
        # a plan needs the charges alone, and torch takes seconds to import
        from synthhealth.generators.dpsgd import calibration, learning, model, network

        require_device(self.recipe.device, processes=Crew.joined().size)
        layout = Layout.of(self.schema)
        progress("histograms", 0, 1)
        looks = first_looks(PaidLooks(gate=gate), layout)
        ground = Ground.of(looks)
        progress("histograms", 1, 1)
        built = network.Network(ground, public(self.seed, "autoencoder", "network"))
        room = self.enter(gate, "training")
        encoded = Encoded.of(room.rows, ground)
        lesson = learning.Lesson(built, ground, encoded, room.rows.ids, secret_bytes(learning.KEY_BYTES))
        learning.learn_privately(room, lesson, self.recipe, progress)
        calibration.calibrate_bases(built, ground, looks, public(self.seed, "autoencoder", "calibration"))
        return model.Autoencoder(ground=ground, network=built)

    def _training(self, scale: float) -> Charge:
        rate = self.recipe.expected_batch / self.cohort_size
        # the central limit of Poisson sampling (Bu, Dong, Long and Su 2020): mu^2 = rate^2 steps (exp(1/m^2) - 1)
        at_one = 1.0 / math.sqrt(math.log1p(2 * TRAINING / (rate**2 * self.recipe.steps)))
        plan = TrainingPlan(
            sample_rate=rate,
            steps=self.recipe.steps,
            noise_multiplier=scale * at_one,
            max_grad_norm=self.recipe.max_grad_norm,
            cohort_size=self.cohort_size,
        )
        return Charge(
            name="training",
            event=plan.event,
            reads="a Poisson sample of the patients in each step, rows and records",
            mechanism="per-patient gradients, clipped and summed, Gaussian noise on an integer lattice",
            sensitivity="one patient's gradient is clipped in L2 to max_grad_norm, all rows of the patient together",
        )


def restore(schema: Schema, state: ModelState) -> Model:
    """The model from its state.

    Privacy: free; reads no real rows.
    """
    from synthhealth.generators.dpsgd.model import Autoencoder  # see `fit`

    return Autoencoder.restore(schema, state)
