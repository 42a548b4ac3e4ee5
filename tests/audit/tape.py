"""Releases put on tape and played back: what a fit makes of them must not depend on the rows behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from privacy import mechanisms
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.mechanisms import NoisyTable
from privacy.plan import Charge, Plan, calibrate
from privacy.schema import Schema
from synthhealth.engines import make_engine
from synthhealth.generators import marginal, teacher, training
from synthhealth.generators.dpsgd import calibration
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import Engine, EngineName, Model
from synthhealth.generators.table import decoder
from synthhealth.generators.vae.engine import TIE_STEPS, VaeEngine

BUDGET = Budget(epsilon=3.0, delta=1e-6)
SIZE = 2_000
Floats = NDArray[np.float64]
Terms = tuple[str | float, ...]


@dataclass(frozen=True, slots=True)
class Tape:
    """Noisy releases in order, each with the terms under which it was made: kind, length, noise and clip norm."""

    values: list[Floats] = field(default_factory=list)
    terms: list[Terms] = field(default_factory=list)

    def take(self, values: Floats, terms: Terms) -> Floats:
        self.values.append(np.array(values))
        self.terms.append(terms)
        return values

    def give(self, values: Floats, terms: Terms, played: Tape) -> Floats:
        """The next release of this tape instead of `values`; `played` notes the terms that were asked for now."""
        place = len(played.values)
        played.take(values, terms)
        if place >= len(self.values) or self.values[place].shape != np.shape(values):
            return values
        return self.values[place].copy()


@contextmanager
def recording(played: Tape, given: Tape | None = None) -> Iterator[None]:
    """While it lasts every noisy release is noted on `played`, and replaced by that of `given` where there is one."""

    def passed(values: Floats, terms: Terms) -> Floats:
        return played.take(values, terms) if given is None else given.give(values, terms, played)

    def table(*, values: Floats, sigma: float) -> NoisyTable:
        return NoisyTable(values=passed(values, ("table", len(values), sigma)), sigma=sigma)

    def noted(real):  # noqa: ANN001, ANN202  # private_sum under either name
        def private_sum(total: Floats, *, max_norm: float, noise_multiplier: float) -> Floats:
            noisy = real(total, max_norm=max_norm, noise_multiplier=noise_multiplier)
            return passed(noisy, ("sum", total.size, noise_multiplier, max_norm))

        return private_sum

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mechanisms, "NoisyTable", table)
        patch.setattr(mechanisms, "private_sum", noted(mechanisms.private_sum))
        patch.setattr(training, "private_sum", noted(training.private_sum))
        yield


@contextmanager
def short_dreams() -> Iterator[None]:
    """Post-processing on few dreamt patients: quicker, and of no matter to privacy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marginal, "DREAMERS", 150)
        patch.setattr(marginal, "ROUNDS", 1)
        patch.setattr(decoder, "DREAMS", 1_000)
        patch.setattr(teacher, "UNCLIPPING_DREAMS", 1_000)
        patch.setattr(calibration, "DREAMERS", 100)
        patch.setattr(calibration, "ROUNDS", 1)
        yield


@dataclass(frozen=True, slots=True)
class Fit:
    """What left a fit: releases, model, ledger and every line that was told while it went on."""

    tape: Tape
    model: Model
    spent: tuple[str, ...]
    lines: tuple[tuple[str, int, int], ...]

    def leaves(self) -> dict[str, object]:
        """Everything of the fit that may become public, as values that can be compared."""
        state = self.model.state()
        drawn = self.model.sample(40, 7)
        records = drawn.records
        return {
            "terms": self.tape.terms,
            "spent": self.spent,
            "lines": self.lines,
            "meta": state.meta,
            **{f"array {name}": (str(array.dtype), array.tolist()) for name, array in state.arrays.items()},
            "patients": drawn.patients.to_csv(),
            "types": str(drawn.patients.dtypes.to_dict()),
            "records": [records.owner.tolist(), records.time.tolist(), records.test.tolist(), records.value.tolist()],
        }


def small_engine(name: EngineName, schema: Schema) -> Engine:
    """The engine as it ships, with few steps where steps are slow."""
    engine = make_engine(name, schema, BUDGET, cohort_size=SIZE, seed=3)
    if isinstance(engine, DpsgdEngine):
        return replace(engine, recipe=replace(engine.recipe, steps=3, expected_batch=500.0))
    if isinstance(engine, VaeEngine):
        # a cohort of this size is not worth steps on ties, and yet they must be watched
        return replace(engine, tie_steps=TIE_STEPS)
    return engine


def plan_of(engine: Engine) -> Plan:
    """The engine's plan under the tests' budget, calibrated once for the same charges."""
    known = engine.charges(1.0)
    if known not in _PLANS:
        _PLANS[known] = calibrate(BUDGET, engine.charges, cohort_size=SIZE)
    return _PLANS[known]


_PLANS: dict[tuple[Charge, ...], Plan] = {}


def fitted(engine: Engine, cohort: Cohort, given: Tape | None = None) -> Fit:
    """One fit of `engine`, on tape; with a tape given its releases are played instead of the cohort's own."""
    played, lines = Tape(), list[tuple[str, int, int]]()
    ledger = Ledger(plan_of(engine))
    with short_dreams(), recording(played, given):
        model = engine.fit(Gate(cohort, ledger), lambda *line: lines.append(line))
    return Fit(played, model, tuple(entry.charge.name for entry in ledger.entries), tuple(lines))
