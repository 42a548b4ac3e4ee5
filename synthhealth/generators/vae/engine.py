"""The default engine: a measured teacher, a latent, and an event decoder moved by private gradient steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from privacy.blocks import blocks_of
from privacy.budget import Budget
from privacy.gate import Gate
from privacy.plan import Charge
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.encoding.layout import Layout
from synthhealth.generators.charges import sum_charge, training_charge
from synthhealth.generators.events.dream import Heads, Sketch, dream
from synthhealth.generators.events.panel_moments import match_panels, panel_prior
from synthhealth.generators.fitted import Fitted
from synthhealth.generators.marginal import blank_heads, dreamers, refit_values
from synthhealth.generators.panel_counts import counted_panels
from synthhealth.generators.protocol import Model, ModelState, Progress
from synthhealth.generators.shares import Shares, measured_charges
from synthhealth.generators.teacher import Teacher, learn
from synthhealth.generators.training import Room, Training

if TYPE_CHECKING:  # a plan needs the charges alone, and torch takes seconds to import
    from synthhealth.generators.vae.encoder import Encoder
    from synthhealth.generators.vae.episodes import Episodes, Source

COUNT_SHARE = 0.06
STEP_SHARE = 0.015
PANEL_STEPS = 4
TIE_STEPS = 2
TIES_PAY = 30_000
MATCH_ROUNDS = 5
REMATCH_ROUNDS = 3
DRIFT = 0.15
KEPT = 0.5
LATENT = 2
FIRST_LOADING = 0.1
VALUE_ROUNDS = 4
REAL_BLOCK = 2_048  # patients whose gradients are in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeEngine:
    """The measured teacher, then private steps on the event decoder; `enter` opens the room in which they are taken.

    `tie_steps` of them go to what ties tests together; where noise would cover that, none.
    """

    schema: Schema
    shares: Shares
    seed: int
    name: str = "vae"
    private: bool = True
    tie_steps: int = TIE_STEPS
    enter: Callable[[Gate, str], Room] = Training.enter

    @staticmethod
    def of(schema: Schema, budget: Budget, cohort_size: int, seed: int) -> VaeEngine:
        """The engine with its default shares; steps on ties only from TIES_PAY patients at epsilon 1 on.

        Privacy: free; reads no rows.
        """
        pays = budget.epsilon * cohort_size >= TIES_PAY
        return VaeEngine(schema=schema, shares=Shares(), seed=seed, tie_steps=TIE_STEPS if pays else 0)

    def charges(self, scale: float) -> tuple[Charge, ...]:
        """The measured part, and one count of panels and the private steps for schemas with tests.

        Privacy: free; reads no rows.
        """
        layout = Layout.of(self.schema)
        measured = measured_charges(layout, self.shares, scale)
        if not layout.tests:
            return measured
        counts, reads = "tests that come together, and again", "all draws of every patient"
        steps = PANEL_STEPS + self.tie_steps
        return (
            *measured,
            sum_charge("panel counts", share=COUNT_SHARE, scale=scale, reads=counts),
            training_charge("event steps", share=STEP_SHARE * steps, steps=steps, scale=scale, reads=reads),
        )

    def fit(self, gate: Gate, progress: Progress) -> Model:
        """Look, then wake and dream in turn.

        Privacy: spends the charges.
        """
        from synthhealth.generators.vae.wake import panel_step

        layout = Layout.of(self.schema)
        rng = public(self.seed, "vae", "fit")
        steps = 2 + PANEL_STEPS + VALUE_ROUNDS + self.tie_steps if layout.tests else 1
        progress("patient table", 0, steps)
        teacher = learn(gate, layout, rng)
        if not layout.tests:
            return Fitted(book=teacher.book, decoder=teacher.decoder, heads=None)
        sketch = dreamers(teacher, rng, latent=LATENT)
        heads = blank_heads(teacher, latent=LATENT)
        progress("panels", 1, steps)
        counts = counted_panels(gate, "panel counts", teacher, heads, sketch, rng)
        heads = replace(heads, panels=match_panels(heads, counts, sketch, rng, panel_prior(heads), rounds=MATCH_ROUNDS))
        training = self.enter(gate, "event steps")
        beliefs = panel_prior(heads)
        for k in range(PANEL_STEPS):
            progress("panels", 2 + k, steps)
            dreamt, real = _dreamt(sketch, heads, rng), _seen(training, teacher, heads)
            # the ground bends: of what earlier steps told of the place they left, half is forgotten
            beliefs = tuple(one.faded(KEPT) for one in beliefs)
            heads, beliefs = panel_step(training, heads, real, dreamt, beliefs, patients=teacher.patients)
        # dreams drift from what was learnt on true contexts: what the counts know for sure is theirs to say
        drifted = tuple(one.widened(DRIFT) for one in beliefs)

        def recounted(heads: Heads) -> Heads:
            found = match_panels(heads, counts, sketch, rng, drifted, rounds=REMATCH_ROUNDS)
            return replace(heads, panels=found)

        heads = recounted(heads)
        for k in range(VALUE_ROUNDS):
            progress("values", 2 + PANEL_STEPS + k, steps)
            heads = refit_values(teacher, heads, sketch, rng)
        if self.tie_steps:
            heads = recounted(self._tied(training, teacher, heads, sketch, rng, progress))
            # what the ties add to a value's spread is taken off its own
            heads = refit_values(teacher, heads, sketch, rng)
        progress("ties", steps, steps)
        return Fitted(book=teacher.book, decoder=teacher.decoder, heads=heads)

    def _tied(
        self,
        training: Room,
        teacher: Teacher,
        heads: Heads,
        sketch: Sketch,
        rng: np.random.Generator,
        progress: Progress,
    ) -> Heads:
        """The heads after the private steps on what ties a patient's tests together."""
        from synthhealth.generators.vae.encoder import asleep
        from synthhealth.generators.vae.ties import TieBelief, tie_step

        belief = TieBelief.of(heads)
        # a latent that moves nothing gathers nothing: it starts with small random loadings
        loading = FIRST_LOADING * rng.normal(size=heads.panels.loading.shape)
        heads = replace(heads, panels=replace(heads.panels, loading=loading))
        done = 2 + PANEL_STEPS + VALUE_ROUNDS
        for k in range(self.tie_steps):
            progress("ties", done + k, done + self.tie_steps)
            dreamt = _dreamt(sketch, heads, rng)
            encoder = asleep(dreamt, heads)
            real = _seen(training, teacher, heads, encoder)
            dreamt = encoder.encode(dreamt, heads)
            heads, belief = tie_step(training, heads, real, dreamt, belief, patients=teacher.patients)
        return heads


def restore(schema: Schema, state: ModelState) -> Model:
    """The model from its state.

    Privacy: free; reads no real rows.
    """
    return Fitted.restore(schema, state)


def _dreamt(sketch: Sketch, heads: Heads, rng: np.random.Generator) -> Episodes:
    from synthhealth.generators.vae.episodes import Episodes

    return Episodes.dreamt(sketch, dream(sketch, heads, rng), heads)


def _seen(training: Room, teacher: Teacher, heads: Heads, encoder: Encoder | None = None) -> Source:
    """The room's patients as episodes, a block at a time; without an encoder nothing is known of their latents."""
    from synthhealth.generators.vae.episodes import Episodes

    def episodes(rows: NDArray[np.int64]) -> Iterator[Episodes]:
        for block in blocks_of(training.rows, rows, REAL_BLOCK):
            seen = Episodes.real(block, teacher.book, latent=LATENT, order=heads.panels.order)
            yield seen if encoder is None else encoder.encode(seen, heads)

    return episodes
