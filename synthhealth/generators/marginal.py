"""The baseline: noisy marginals of the table and Markov tables of the labs, with nothing learnt by gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from privacy.budget import Budget
from privacy.gate import Gate
from privacy.plan import Charge
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.encoding.layout import Layout
from synthhealth.generators.charges import sum_charge
from synthhealth.generators.events.chains import VALUE_BINS
from synthhealth.generators.events.dream import Heads, Sketch, dream
from synthhealth.generators.events.panel_moments import match_panels, match_rates, panel_prior, rates_only
from synthhealth.generators.events.panels import NEVER, PanelHead
from synthhealth.generators.events.value_moments import (
    ValueMoments,
    fit_values,
    lost_to_clipping,
    moment_rows,
    start_values,
)
from synthhealth.generators.events.values import ValueHead
from synthhealth.generators.fitted import Fitted
from synthhealth.generators.panel_counts import counted_panels
from synthhealth.generators.protocol import Model, ModelState, Progress
from synthhealth.generators.shares import Shares, measured_charges
from synthhealth.generators.teacher import Teacher, learn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
PANELS = 0.20
DREAMERS = 3_000
MOST_DRAWS = 400_000
MOST_OF_ONE = 2_000
ROUNDS = 4
REPEATED = 0.1
HIDDEN, SURELY = 3.0, 2.0  # standard deviations
MATCH_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginalEngine:
    """Noisy one-way tables, second moments and Markov tables; the decoder is fitted to them for free."""

    schema: Schema
    shares: Shares
    seed: int
    name: str = "marginal"
    private: bool = True

    @staticmethod
    def of(schema: Schema, budget: Budget, cohort_size: int, seed: int) -> MarginalEngine:
        """The engine with its default shares.

        Privacy: free; reads no rows.
        """
        _ = budget, cohort_size
        return MarginalEngine(schema=schema, shares=Shares(), seed=seed)

    def charges(self, scale: float) -> tuple[Charge, ...]:
        """The measured part, and one table of panels for schemas with tests.

        Privacy: free; reads no rows.
        """
        layout = Layout.of(self.schema)
        measured = measured_charges(layout, self.shares, scale)
        if not layout.tests:
            return measured
        return (*measured, sum_charge("panels", share=PANELS, scale=scale, reads="tests that come together, and again"))

    def fit(self, gate: Gate, progress: Progress) -> Model:
        """Look, then fit.

        Privacy: spends the charges.
        """
        layout = Layout.of(self.schema)
        rng = public(self.seed, "marginal", "fit")
        steps = 2 + ROUNDS if layout.tests else 1
        progress("patient table", 0, steps)
        teacher = learn(gate, layout, rng)
        if not layout.tests:
            return Fitted(book=teacher.book, decoder=teacher.decoder, heads=None)
        sketch = dreamers(teacher, rng)
        heads = blank_heads(teacher, latent=0)
        progress("panels", 1, steps)
        counts = counted_panels(gate, "panels", teacher, heads, sketch, rng)
        heads = replace(heads, panels=match_panels(heads, counts, sketch, rng, panel_prior(heads), rounds=MATCH_ROUNDS))
        heads = replace(heads, panels=match_rates(heads, counts, sketch, rng))
        for k in range(ROUNDS):
            progress("values", 2 + k, steps)
            heads = refit_values(teacher, heads, sketch, rng)
        progress("values", steps, steps)
        return Fitted(book=teacher.book, decoder=teacher.decoder, heads=heads)


def restore(schema: Schema, state: ModelState) -> Model:
    """The model from its state.

    Privacy: free; reads no real rows.
    """
    return Fitted.restore(schema, state)


def dreamers(teacher: Teacher, rng: np.random.Generator, *, latent: int = 0) -> Sketch:
    """Sketches of DREAMERS patients, to dream on while fitting; fewer where they would have too many draws.

    Where noise covers the number of draws, a generous cap of records alone bounds it.

    Privacy: free; post-processing.
    """
    codes, _ = teacher.decoder.sample(DREAMERS, rng)
    last_step = teacher.book.last_step(teacher.book.patients(codes, rng))
    sketch = teacher.book.sketch(codes, rng.normal(size=(DREAMERS, latent)), last_step, rng)
    sketch = replace(sketch, count=np.minimum(sketch.count, MOST_OF_ONE))
    return sketch.take(np.flatnonzero(np.cumsum(sketch.count) <= MOST_DRAWS))


def blank_heads(teacher: Teacher, *, latent: int) -> Heads:
    """Heads that know the gaps, the rates of tests, which are had once at most, and the one-way tables of values.

    Privacy: free; post-processing.
    """
    assert teacher.gaps is not None  # noqa: S101  # only called for schemas with tests
    assert teacher.values is not None  # noqa: S101  # the same
    width = np.array([bins.count for bins in teacher.book.tests])
    draws = max(float(teacher.frequency.sum()) / max(teacher.book.mean_panel(), 1.0), 1e-6)
    # a draw that held nothing so far holds its last test, which had better be the commonest
    panels = rates_only(PanelHead.blank(np.argsort(teacher.frequency), latent), teacher.frequency / draws)
    return Heads(
        gaps=teacher.gaps,
        panels=replace(panels, ever=np.where(had_once(teacher.values, width), NEVER, panels.ever)),
        values=start_values(ValueHead.blank(width), teacher.values),
        steps=teacher.book.layout.steps,
    )


def had_once(values: ValueMoments, width: Ints) -> Flags:
    """Which tests no patient seems to have twice, [T]; `width` [T] bins.

    Their later values are hidden by the noise, and it could hide no more than REPEATED of the first ones.

    Privacy: free; post-processing.
    """
    mine = np.arange(VALUE_BINS) < width[:, None]
    first, later = ((table[:, :VALUE_BINS] * mine).sum(axis=1) for table in (values.first, values.later))
    blur = values.sigma * np.sqrt(width)
    return np.asarray((later <= HIDDEN * blur) & (later + SURELY * blur <= REPEATED * first))


def refit_values(teacher: Teacher, heads: Heads, sketch: Sketch, rng: np.random.Generator) -> Heads:
    """The value head fitted to its noisy tables on contexts dreamt by the present heads.

    Privacy: free; post-processing.
    """
    assert teacher.values is not None  # noqa: S101  # only called for schemas with tests
    dreamt = dream(sketch, heads, rng)
    tests = len(teacher.book.tests)
    contexts, values, push = dreamt.contexts(tests), dreamt.values(tests), dreamt.push(heads.values)
    rows = moment_rows(dreamt.draws, dreamt.chains, heads.values, teacher.weight)
    moments = teacher.values.plus(lost_to_clipping(rows, teacher.value_norm), teacher.weight)
    return replace(heads, values=fit_values(heads.values, moments, contexts, values, push))
