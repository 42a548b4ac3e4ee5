"""Parts of a generator as if they had been learnt: bins from drawn histograms, heads with drawn weights."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from odd_worlds import cohort_in
from small_world import SCHEMA, gate_of

from privacy.events import Event, SampledGaussian
from privacy.schema import Schema
from synthhealth.encoding.bins import Bins
from synthhealth.encoding.layout import Layout
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, summary_slots
from synthhealth.generators.events.dream import Heads, Sketch, dream
from synthhealth.generators.events.gaps import GapHead
from synthhealth.generators.events.panels import PanelHead
from synthhealth.generators.events.values import ValueHead
from synthhealth.generators.training import Training
from synthhealth.generators.vae.episodes import Episodes, Source

Head = TypeVar("Head", PanelHead, ValueHead)
STEPS = 3


def bins_of(cells: int, rng: np.random.Generator, *, bins: int = VALUE_BINS) -> Bins:
    """Bins placed by a noisy histogram of `cells` cells."""
    return Bins.of(rng.gamma(0.7, 50.0, cells) + rng.normal(scale=2.0, size=cells), 2.0, bins=bins)


def book_of(schema: Schema, rng: np.random.Generator) -> Codebook:
    """A codebook with bins at random places."""
    layout = Layout.of(schema)
    grids = [slot.grid for slot in layout.attributes]
    slots = summary_slots(layout) if layout.tests else ()
    return Codebook(
        layout=layout,
        attributes=tuple(None if grid is None else bins_of(grid.cells, rng) for grid in grids),
        summaries=tuple(bins_of(slot.grid.cells, rng) for slot in slots if slot.grid is not None),
        tests=tuple(bins_of(grid.cells, rng) for grid in layout.tests),
    )


def shaken(head: Head, rng: np.random.Generator, *, scale: float = 0.4) -> Head:
    """The head with every weight moved; tests see those before them alone, bins that a test lacks stay off."""
    moved = {
        field.name: getattr(head, field.name) + rng.normal(scale=scale, size=getattr(head, field.name).shape)
        for field in fields(head)
        if getattr(head, field.name).dtype == np.float64
    }
    if isinstance(head, PanelHead):
        moved["bits"] = np.where(head.earlier, moved["bits"], 0.0)
    if isinstance(head, ValueHead):
        moved["cross"] = np.tril(moved["cross"], -1)
        lacks = np.arange(VALUE_BINS) >= head.width[:, None]
        for name in ("first_bias", "next_bias"):
            moved[name] = np.where(lacks, getattr(head, name), moved[name])
    return replace(head, **moved)


def heads_of(
    width: NDArray[np.int64], steps: int, rng: np.random.Generator, *, latent: int = 0, scale: float = 0.4
) -> Heads:
    """Heads over tests with `width` bins each and a window of `steps`, all weights drawn."""
    gaps, paces = (len(edges) - 1 for edges in GapHead.edges(steps))
    return Heads(
        gaps=GapHead.of(rng.gamma(0.5, 20.0, gaps * paces), steps),
        panels=shaken(PanelHead.blank(rng.permutation(len(width)), latent), rng, scale=scale),
        values=shaken(ValueHead.blank(width), rng, scale=scale),
        steps=steps,
    )


def sketch_of(n: int, heads: Heads, rng: np.random.Generator) -> Sketch:
    """Sketches of `n` patients as the patient table gives them; some have no draw, some no test."""
    tests, latent = heads.panels.loading.shape
    ends = np.sort(rng.integers(0, heads.steps, (n, 2)), axis=1)
    level = rng.integers(0, LEVELS, (n, tests))
    level[rng.random((n, tests)) < 0.3] = LEVELS
    level[rng.random(n) < 0.1] = LEVELS
    return Sketch(
        count=np.minimum(rng.integers(0, 9, n), ends[:, 1] - ends[:, 0] + 1),
        first=ends[:, 0],
        final=ends[:, 1],
        panel_size=rng.uniform(1, tests + 1, n),
        level=level,
        latent=rng.normal(size=(n, latent)),
    )


def dreamt_by(heads: Heads, sketch: Sketch, rng: np.random.Generator) -> Episodes:
    """What `heads` dream on `sketch`, as episodes with the latents known."""
    return Episodes.dreamt(sketch, dream(sketch, heads, rng), heads)


def seen(episodes: Episodes) -> Source:
    """A batch of everybody in `episodes`, seen at once."""
    return lambda _: [episodes]


def room_for(patients: int, *, noise: float = 2.0) -> Training:
    """A training room for STEPS full-batch steps, with patients of no account."""
    event: Event = SampledGaussian(noise_multiplier=noise, sample_rate=1.0, steps=STEPS)
    return Training.enter(gate_of(cohort_in(SCHEMA, patients, records=1), {"steps": event}), "steps")
