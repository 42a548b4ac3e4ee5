"""What noise and secret batches cost, side by side with the steps that they are in; see `make bench-noise`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch

from privacy.budget import Budget
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan, calibrate
from synthhealth.generators import training
from synthhealth.generators.dpsgd import learning, network
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.dpsgd.unprotected import UnprotectedEngine
from synthhealth.generators.simulator import simulate

MOST = 0.15
PARTS = {"poisson_batch": "secret sampling", "private_sum": "noise on the lattice"}


def main() -> int:
    """Seconds a step by part; 1 where the noise and the sampling take MOST of a step or more."""
    asked = _asked()
    torch.set_num_threads(1)
    size, spent = measured(asked.patients, asked.batch, asked.steps, asked.hidden)
    plain = measured_openly(asked.patients, asked.batch, asked.steps, asked.hidden)
    whole = spent["whole step"]
    print(f"{size:,} parameters, {asked.patients:,} patients, expected batch {asked.batch:,}, {asked.steps} steps\n")
    print("| part | ms a step | share |\n|---|---|---|")
    for part in (*PARTS.values(), "whole step"):
        print(f"| {part} | {1e3 * spent[part] / asked.steps:.2f} | {spent[part] / whole:.1%} |")
    share = sum(spent[part] for part in PARTS.values()) / whole
    print(f"\nnoise and sampling: {share:.2%} of a step, to be below {MOST:.0%}")
    print(f"a step without protection takes {1e3 * plain / asked.steps:.2f} ms: {share * whole / plain:.1%} of that")
    return int(share >= MOST)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=69, help="the network's width; 69 makes about 50,000 parameters")
    return parser.parse_args()


def measured(patients: int, batch: int, steps: int, hidden: int) -> tuple[int, Counter[str]]:
    """A fit of the engine vae-dpsgd: its number of parameters, and the seconds of all its steps by part."""
    spent, sizes = Counter[str](), list[int]()

    def timed(part: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            began = time.perf_counter()
            try:
                return real(*given, **named)
            finally:
                spent[part] += time.perf_counter() - began

        return call

    def descend(of: network.Network, summed: object, *others: object) -> None:
        sizes.append(len(network.weights_of(of)))
        real_descend(of, timed("whole step", summed), *others)

    real_descend = learning._descend
    with pytest.MonkeyPatch.context() as patch:
        _widen(patch, hidden)
        patch.setattr(learning, "_descend", descend)
        for name, part in PARTS.items():
            patch.setattr(training, name, timed(part, getattr(training, name)))
        _fit(DpsgdEngine, patients, batch, steps)
    return sizes[0], spent


def measured_openly(patients: int, batch: int, steps: int, hidden: int) -> float:
    """The seconds of as many steps of the twin without protection: plain gradients of the same network."""
    spent = list[float]()

    def descend(*given: object) -> None:
        began = time.perf_counter()
        real_descend(*given)
        spent.append(time.perf_counter() - began)

    real_descend = learning._descend
    with pytest.MonkeyPatch.context() as patch:
        _widen(patch, hidden)
        patch.setattr(learning, "_descend", descend)
        _fit(UnprotectedEngine, patients, batch, steps)
    return spent[0]


def _widen(patch: pytest.MonkeyPatch, hidden: int) -> None:
    wide = partial(network.Network, hidden=hidden)
    patch.setattr(network, "Network", wide)
    patch.setattr("synthhealth.generators.dpsgd.unprotected.Network", wide)


def _fit(kind: type[DpsgdEngine | UnprotectedEngine], patients: int, batch: int, steps: int) -> None:
    cohort, budget = simulate(patients, 0, cohort_size=patients), Budget(epsilon=3.0, delta=1e-6)
    engine = kind.of(cohort.schema, budget, patients, 0)
    engine = replace(engine, recipe=replace(engine.recipe, steps=steps, expected_batch=float(batch)))
    charges = engine.charges
    plan = (
        calibrate(budget, charges, cohort_size=patients)
        if engine.private
        else Plan(budget=budget, charges=(), cohort_size=patients)
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in ("calibration", "unprotected"):  # what follows the steps is not what is measured
            patch.setattr(f"synthhealth.generators.dpsgd.{module}.calibrate_bases", lambda *_: None)
        engine.fit(Gate(cohort, Ledger(plan)), lambda *_: None)


if __name__ == "__main__":
    sys.exit(main())
