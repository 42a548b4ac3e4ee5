"""How an engine looks at rows before it learns: paid and noisy histograms and sums, or exact ones without promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from privacy.blocks import blocks, nobody
from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.mechanisms import NoisyTable, Query, noisy_histograms, noisy_sums


class Looks(Protocol):
    """Where histograms and sums come from."""

    def histograms(self, name: str, query: Query) -> NoisyTable:
        """Numbers of patients in each cell."""
        ...

    def sums(self, name: str, query: Query, *, max_norm: float) -> NoisyTable:
        """Sums of the patients' vectors."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidLooks:
    """Looks through a gate, each under the charge of its name."""

    gate: Gate

    def histograms(self, name: str, query: Query) -> NoisyTable:
        """Noisy numbers of patients in each cell.

        Privacy: spends the charge `name`.
        """
        return noisy_histograms(self.gate, name, query)

    def sums(self, name: str, query: Query, *, max_norm: float) -> NoisyTable:
        """Noisy sums of the patients' vectors, each clipped to `max_norm`.

        Privacy: spends the charge `name`.
        """
        return noisy_sums(self.gate, name, query, max_norm=max_norm)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactLooks:
    """Looks at rows that were opened without protection: no noise, no clipping, no promise."""

    rows: Cohort

    def histograms(self, name: str, query: Query) -> NoisyTable:
        """Exact numbers.

        Privacy: internal only; outside every guarantee.
        """
        return self.sums(name, query, max_norm=np.inf)

    def sums(self, name: str, query: Query, *, max_norm: float) -> NoisyTable:
        """Exact sums.

        Privacy: internal only; outside every guarantee.
        """
        del name, max_norm
        total = np.zeros(query(nobody(self.rows)).shape[1])
        for block in blocks(self.rows):
            total += np.asarray(query(block).sum(axis=0), dtype=np.float64).ravel()
        return NoisyTable(values=total, sigma=0.0)
