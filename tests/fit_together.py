"""A fit by all processes that torchrun has started; the first one writes sums and ledger to the path that is given."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from privacy import gate
from privacy.budget import Budget
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import calibrate
from synthhealth.generators import training
from synthhealth.generators.dpsgd import calibration, engine
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import quiet
from synthhealth.generators.simulator import simulate
from synthhealth.together import assisted, leading

Floats = NDArray[np.float64]
SIZE, STEPS = 90, 3
KEY = b"k" * 32


def fit() -> tuple[list[list[float]], str]:
    """The sums of three steps over everybody as they are before noise, and the ledger."""
    torch.set_num_threads(1)
    sums: list[list[float]] = []

    def silent(total: Floats, **_: float) -> Floats:
        sums.append(total.tolist())
        return total

    training.private_sum = silent  # type: ignore[assignment]
    gate.secret_bytes = engine.secret_bytes = lambda n: KEY[:n]  # type: ignore[assignment]
    calibration.ROUNDS = 0
    engine.first_looks = _exact  # type: ignore[assignment]
    cohort, budget = simulate(SIZE, 3, cohort_size=SIZE), Budget(epsilon=3.0, delta=1e-6)
    whole = DpsgdEngine.of(cohort.schema, budget, SIZE, 0)
    few = replace(whole, recipe=replace(whole.recipe, steps=STEPS, expected_batch=float(SIZE)))
    ledger = Ledger(calibrate(budget, few.charges, cohort_size=SIZE))
    few.fit(Gate(cohort, ledger), quiet)
    return sums, json.dumps({**ledger.to_json(), "run_id": ""}, default=str)


def _exact(looks, layout):  # noqa: ANN001, ANN202
    """The looks are paid for, and their answers replaced, so that two fits can be compared."""
    from synthhealth.generators.first_looks import first_looks
    from synthhealth.generators.looks import ExactLooks

    first_looks(looks, layout)
    return first_looks(ExactLooks(rows=simulate(SIZE, 3, cohort_size=SIZE)), layout)


if __name__ == "__main__" and not assisted():
    with leading():
        sums, ledger = fit()
    Path(sys.argv[1]).write_text(json.dumps({"sums": sums, "ledger": ledger}), encoding="utf-8")
