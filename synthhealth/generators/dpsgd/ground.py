"""What the first looks say before a gradient is taken: scores of columns, base rates of values, panels and gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthhealth.generators.codebook import Codebook
from synthhealth.generators.events.chains import VALUE_BINS
from synthhealth.generators.events.gaps import GapHead
from synthhealth.generators.events.values import OFF, waves
from synthhealth.generators.first_looks import FirstLooks
from synthhealth.generators.table.features import Scores
from synthhealth.generators.table.measure import score_table

Floats = NDArray[np.float64]
VALUE_WAVES = 5
_RARE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """C columns of the patient table, T tests, V = VALUE_BINS bins of a test's values.

    `shares[j]` [levels_j] one-way shares, `scores[j]` their orthonormal scores, `rates` [T] the
    share of draws that hold a test. The decoder's logits are offsets from what stands here.
    """

    book: Codebook
    shares: tuple[Floats, ...]
    scores: tuple[Scores, ...]
    rates: Floats

    @staticmethod
    def of(looks: FirstLooks) -> Ground:
        """From the first looks.

        Privacy: free; post-processing.
        """
        records = max(float(looks.frequency.sum()), 1e-6)
        panel = max(looks.book.mean_panel(), 1.0) if looks.book.tests else 1.0
        return Ground.again(looks.book, looks.shares, looks.frequency * panel / records)

    @staticmethod
    def again(book: Codebook, shares: tuple[Floats, ...], rates: Floats) -> Ground:
        """From its parts, as they are saved."""
        return Ground(book=book, shares=shares, scores=score_table(shares, book.columns), rates=rates)

    @property
    def tests(self) -> int:
        """How many tests there are."""
        return len(self.book.tests)

    @property
    def score_cuts(self) -> NDArray[np.int64]:
        """Where each column's scores begin in a row of all scores, and their number at the end, shape [C + 1]."""
        return np.cumsum([0, *(score.count for score in self.scores)])

    def scored(self, codes: NDArray[np.int64]) -> Floats:
        """Rows of levels [n, C] as rows of scores [n, S]."""
        return np.concatenate([score.table[codes[:, j]] for j, score in enumerate(self.scores)], axis=1)

    @property
    def value_base(self) -> Floats:
        """Log shares of the bins of every test, the bins it lacks at OFF, shape [T, V]."""
        table = np.full((self.tests, VALUE_BINS), OFF)
        for t, bins in enumerate(self.book.tests):
            table[t, : bins.count] = np.log(np.maximum(bins.mass, _RARE))
        return table

    @property
    def value_basis(self) -> Floats:
        """Cosines over the bins of every test, zero on those it lacks, shape [T, V, VALUE_WAVES]."""
        table = np.zeros((self.tests, VALUE_BINS, VALUE_WAVES))
        for t, bins in enumerate(self.book.tests):
            table[t, : bins.count] = waves(bins.count, VALUE_WAVES)
        return table

    @property
    def tilt(self) -> Floats:
        """The rank of every bin of a test, mean 0 and variance 1 over its bins, 0 for the row `none`, [T, V + 1]."""
        table = np.zeros((self.tests, VALUE_BINS + 1))
        for t, bins in enumerate(self.book.tests):
            rank = np.arange(bins.count) - (bins.count - 1) / 2
            table[t, : bins.count] = rank / max(float(rank.std()), 1e-9)
        return table

    @property
    def panel_base(self) -> Floats:
        """Log odds that a draw holds a test, shape [T]."""
        rate = np.clip(self.rates, 1e-3, 1 - 1e-3)
        return np.asarray(np.log(rate / (1 - rate)))

    def gap_base(self, left: Floats, to_come: Floats) -> Floats:
        """Log chances [.., gaps] of the next gap if draws came at random over the `left` steps, both [..].

        A geometric law whose mean is left / to_come, summed over each public class of gaps.
        """
        edges, _ = GapHead.edges(self.book.layout.steps)
        mean = np.maximum(left / np.maximum(to_come, 1.0), 1.0 + 1e-6)
        stay = np.log1p(-1.0 / mean)[..., None]
        chances = np.exp((edges[:-1] - 1) * stay) - np.exp((edges[1:] - 1) * stay)
        return np.asarray(np.log(np.maximum(chances, _RARE)))
