"""Canaries in the noisy sums: the looks of an engine that takes no private steps, held against what was charged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from privacy.cohort import Cohort
from privacy.events import Gaussian
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.mechanisms import noisy_sums
from privacy.plan import Charge, Plan
from privacy.schema import Schema
from synthhealth.audit.canaries import STRENGTH, Flock
from synthhealth.audit.stand_ins import stand_ins

Floats = NDArray[np.float64]


def sums_of(plan: Plan) -> tuple[Charge, ...]:
    """The charges of a plan that one vector of noisy sums answers."""
    return tuple(charge for charge in plan.charges if isinstance(charge.event, Gaussian) and charge.event.count == 1)


def sums_with(schema: Schema, plan: Plan, flock: Flock) -> Floats:
    """The canaries' scores [m] after every charge of `sums_of`, each answered by the production mechanism.

    A canary's vector has one entry of its own, far longer than the clip norm, to which its row
    and each of its records add.

    Privacy: free; there is no real row.
    """
    gate = Gate(flock.among(stand_ins(schema, 1, 0)), Ledger(plan))
    scores = np.zeros(len(flock))

    def query(block: Cohort) -> csr_matrix:
        canary = flock.of_rows(block)
        mine = np.flatnonzero(canary >= 0)
        times = 1.0 + block.records_per_patient()[mine]
        return coo_matrix((STRENGTH * times, (mine, canary[mine])), shape=(len(block), len(flock))).tocsr()

    for charge in sums_of(plan):
        table = noisy_sums(gate, charge.name, query, max_norm=1.0)
        scores += (2.0 * table.values - 1.0) / (2.0 * table.sigma**2)
    return scores
