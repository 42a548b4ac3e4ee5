"""One noisy count of which tests stand in which draws."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.mechanisms import noisy_sums
from synthhealth.encoding.draws import Draws
from synthhealth.generators.events.chains import Chains
from synthhealth.generators.events.dream import Heads, Sketch, dream
from synthhealth.generators.events.panel_moments import PanelCounts, panel_rows
from synthhealth.generators.first_looks import clip_norm
from synthhealth.generators.teacher import Teacher

# Long stays hold most draws, so that a norm which clips them bends the counts more than its noise would.
CLIP_QUANTILE = 0.98


def counted_panels(
    gate: Gate, name: str, teacher: Teacher, heads: Heads, sketch: Sketch, rng: np.random.Generator
) -> PanelCounts:
    """One noisy sum of the patients' panel features.

    The clip norm is the CLIP_QUANTILE of what the present heads dream.

    Privacy: spends the charge `name`.
    """
    layout, book = teacher.book.layout, teacher.book

    def rows(block: Cohort) -> sp.csr_matrix:
        draws = Draws.of(block, layout)
        return sp.csr_matrix(
            panel_rows(
                draws,
                draws.records_a_draw(),
                Chains.of(draws, book.tests).level,
                layout.steps,
                heads.panels.order,
            )
        )

    dreamt = dream(sketch, heads, rng, values=False).draws
    lengths = np.linalg.norm(
        panel_rows(dreamt, sketch.panel_size, sketch.level, layout.steps, heads.panels.order), axis=1
    )
    norm = max(float(np.quantile(lengths, CLIP_QUANTILE)), clip_norm(1.0))
    table = noisy_sums(gate, name, rows, max_norm=norm)
    return PanelCounts(mean=table.values / teacher.patients, sigma=table.sigma / teacher.patients, norm=norm)
