"""What ties a patient's tests together: the latent's loadings and the cross terms of values, moved by private steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthhealth.generators.belief import Belief
from synthhealth.generators.events.chains import LEVELS
from synthhealth.generators.events.dream import Heads, context_chances, surprises
from synthhealth.generators.training import Room
from synthhealth.generators.vae.encoder import loading_curvature
from synthhealth.generators.vae.episodes import Episodes, Source
from synthhealth.generators.vae.wake import private_mean

Floats = NDArray[np.float64]
LOADING_PRIOR = 0.3
CROSS_PRIOR = 0.5
LONGEST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TieBelief:
    """What is believed of each test's loading [L] and of its cross terms [t] on the tests before it."""

    loadings: tuple[Belief, ...]
    crosses: tuple[Belief, ...]

    @staticmethod
    def of(heads: Heads) -> TieBelief:
        """The prior: no ties, whatever the heads hold."""
        return TieBelief(
            loadings=tuple(Belief.prior(row, LOADING_PRIOR) for row in heads.panels.loading),
            crosses=tuple(Belief.prior(row[:t], CROSS_PRIOR) for t, row in enumerate(heads.values.cross)),
        )


def tie_step(
    training: Room, heads: Heads, real: Source, dreamt: Episodes, belief: TieBelief, *, patients: float
) -> tuple[Heads, TieBelief]:
    """One private step on loadings and cross terms alone: few numbers, so little noise.

    What the parameters gather on the decoder's own dreams is the bias of encoder and clipping, not
    news, and is taken off; the chance in that difference counts as noise.

    Privacy: one of the steps that were paid for on entering the training room.
    """
    told = private_mean(training, heads, real, dreamt, patients=patients, ties=True)
    news = told.mean - told.dreamt
    blur = np.sqrt(told.sigma**2 + told.chance**2)
    size, shape, square = heads.panels.loading.size, heads.panels.loading.shape, heads.values.cross.shape
    loading, cross = news[:size].reshape(shape), news[size:].reshape(square)
    loading_blur, cross_blur = blur[:size].reshape(shape), blur[size:].reshape(square)
    bends = cross_curvature(dreamt, heads)
    loadings, crosses = [], []
    for t, row in enumerate(cross):
        bend = loading_curvature(dreamt, heads, t) * told.kept
        # the line through the present loading, read at the belief's mean, which is 0 at first
        line = loading[t] + bend @ (heads.panels.loading[t] - belief.loadings[t].mean)
        loadings.append(belief.loadings[t].observe(line, bend, loading_blur[t], longest=LONGEST))
        bend = bends[t] * told.kept
        crosses.append(belief.crosses[t].observe(row[:t], bend, cross_blur[t, :t], longest=LONGEST))
    table = np.zeros_like(heads.values.cross)
    for t, one in enumerate(crosses):
        table[t, :t] = one.mean
    panels = replace(heads.panels, loading=np.stack([one.mean for one in loadings]))
    values = replace(heads.values, cross=table)
    return replace(heads, panels=panels, values=values), TieBelief(loadings=tuple(loadings), crosses=tuple(crosses))


def cross_curvature(dreamt: Episodes, heads: Heads) -> list[Floats]:
    """The Fisher information a patient of each test's cross terms, [t, t] for test t, on dreamt patients."""
    draws, chains, tilt = dreamt.draws, dreamt.chains, heads.values.tilt
    chances = context_chances(heads.values)
    mean = np.einsum("tulv,tv->tul", chances, tilt)
    spread = np.einsum("tulv,tv->tul", chances, tilt**2) - mean**2
    level = np.minimum(chains.level[draws.record_owner, draws.test], LEVELS - 1)
    weight = spread[draws.test, chains.last, level]
    surprise = surprises(draws, chains, heads.values)
    table = []
    for t in range(len(tilt)):
        mine = np.flatnonzero(draws.test == t)
        seen = surprise[draws.draw[mine], :t]
        table.append(np.asarray((seen * weight[mine, None]).T @ seen / draws.patients))
    return table
