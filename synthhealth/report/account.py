"""Reads the ledger file and prices it again, so that the report repeats no number that it was told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Literal

import numpy as np
import rfc8785
from pydantic import BaseModel, ConfigDict, ValidationError

from privacy.accounting import epsilon_of, epsilon_rdp, profile_of
from privacy.budget import Neighbours
from privacy.errors import CheckError, refusal
from privacy.events import Event, event_from_json, event_to_json
from privacy.population import Standing
from synthhealth.report.parts import Accountant, LedgerLine, PopulationRun, PopulationTotal, ProfilePoint
from synthhealth.report.prv import epsilon_prv

# Dense where the odds of small epsilons are decided; the ceiling is then within half a per cent of the closed form.
EPSILONS = tuple(
    round(float(x), 2)
    for start, end, step in ((0.0, 1.0, 0.02), (1.0, 4.0, 0.05), (4.0, 10.0, 0.1), (10.0, 20.5, 0.5))
    for x in np.arange(start, end - 1e-9, step)
)


class _Budget(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    epsilon: float
    delta: float


class _Charge(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    event: dict[str, str | int | float]
    reads: str
    mechanism: str
    sensitivity: str


class _Guarantee(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    epsilon: float
    delta: float
    unit: str
    neighbours: str
    replace_one_epsilon: float
    profile: tuple[tuple[float, float], ...]


class LedgerFile(BaseModel):
    """The content of `ledger.json`, checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    budget: _Budget
    cohort_size: int
    charges: tuple[_Charge, ...]
    run_id: str
    spent: tuple[str, ...]
    guarantee: _Guarantee | None


@dataclass(frozen=True, kw_only=True)
class Account:
    """One run's ledger with its prices computed here."""

    file: LedgerFile

    @staticmethod
    def read(content: bytes) -> Account:
        """The account in a ledger file; raises CheckError when the file is not one.

        Privacy: free; reads the ledger, no rows.
        """
        try:
            return Account(file=LedgerFile.model_validate_json(content))
        except ValidationError as error:
            raise CheckError(
                refusal(
                    what="ledger.json",
                    must="be the ledger that this version writes",
                    got=f"{error.error_count()} differences, the first at {error.errors()[0]['loc']}",
                    fix="take the file that `fit` wrote",
                )
            ) from error

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What happened, in order."""
        return tuple(event_from_json(charge.event) for charge in self.file.charges)

    def promised(self, *, private: bool) -> _Guarantee | None:
        """The guarantee as the file states it, None for an engine that gives none.

        Raises CheckError when the ledger of a private engine holds no guarantee.
        """
        if private and self.file.guarantee is None:
            raise CheckError(
                refusal(
                    what="the guarantee in ledger.json",
                    must="be there for a private engine",
                    got="a ledger of rows that were opened without protection",
                    fix="take the ledger and the model that one `fit` wrote",
                )
            )
        return self.file.guarantee if private else None

    @property
    def delta(self) -> float:
        """The delta all epsilons of the report are given at."""
        return self.file.budget.delta

    @cached_property
    def epsilon(self) -> float:
        """What all charges cost together, add/remove one patient."""
        return price(self.events, self.delta)

    @cached_property
    def replace_one_epsilon(self) -> float:
        """The same when one patient is exchanged for another."""
        return price(self.events, self.delta, neighbours="replace_one")

    @cached_property
    def profile(self) -> tuple[tuple[float, float], ...]:
        """(epsilon, delta) pairs on a fixed grid, all of which hold at once."""
        return profile(self.events)

    @cached_property
    def accountants(self) -> tuple[Accountant, ...]:
        """Three readings of the same events; one that gives no finite epsilon is left out."""
        readings: tuple[tuple[str, float, Literal["headline", "second opinion", "upper bound"]], ...] = (
            ("PLD (dp-accounting)", self.epsilon, "headline"),
            ("PRV (Opacus)", second_price(self.events, self.delta), "second opinion"),
            ("RDP (dp-accounting)", epsilon_rdp(self.events, self.delta), "upper bound"),
        )
        return tuple(
            Accountant(name=name, epsilon=_tidy(epsilon), kind=kind)
            for name, epsilon, kind in readings
            if math.isfinite(epsilon)
        )

    def lines(self) -> tuple[LedgerLine, ...]:
        """Every charge with its own and the running price; what a broken-off run did not reach is charged too."""
        rows = []
        for index, charge in enumerate(self.file.charges):
            event = self.events[index]
            rows.append(
                LedgerLine(
                    position=index + 1,
                    name=charge.name,
                    state="spent" if charge.name in self.file.spent else "charged, not reached",
                    reads=charge.reads,
                    mechanism=charge.mechanism,
                    sensitivity=charge.sensitivity,
                    event=event_text(event),
                    epsilon_alone=_tidy(price((event,), self.delta)),
                    epsilon_running=_tidy(price(self.events[: index + 1], self.delta)),
                )
            )
        return tuple(rows)


def priced_population(standing: Standing) -> PopulationTotal:
    """All releases about a population, priced together at the ceiling's delta.

    Privacy: free; reads plans, no rows.
    """
    delta = standing.ceiling.delta
    events = tuple(event for run in standing.runs for event in run.events)
    spent = _tidy(price(events, delta))
    so_far = tuple(accumulate(run.events for run in standing.runs))
    return PopulationTotal(
        id=standing.population_id,
        epsilon=spent,
        delta=delta,
        ceiling_epsilon=standing.ceiling.epsilon,
        left_epsilon=max(0.0, _tidy(standing.ceiling.epsilon - spent)),
        runs=tuple(
            PopulationRun(
                run_id=run.run_id,
                state=run.state,
                on=run.reserved_at[:10],
                events=tuple(event_text(event) for event in run.events),
                epsilon_alone=_tidy(price(run.events, delta)),
                epsilon_running=_tidy(price(before, delta)),
            )
            for run, before in zip(standing.runs, so_far, strict=True)
        ),
        profile=tuple(ProfilePoint(epsilon=e, delta=d) for e, d in profile(events)),
        head_sha256=standing.head,
        records=standing.records,
    )


@lru_cache(maxsize=64)
def price(events: tuple[Event, ...], delta: float, *, neighbours: Neighbours = "add_remove") -> float:
    """Epsilon of all events together; 0 for none. Remembered, since both editions and `verify` ask for the same."""
    return epsilon_of(events, delta, neighbours=neighbours) if len(events) > 0 else 0.0


@lru_cache(maxsize=16)
def second_price(events: tuple[Event, ...], delta: float) -> float:
    """The same by the second accountant."""
    return epsilon_prv(events, delta) if len(events) > 0 else 0.0


@lru_cache(maxsize=16)
def profile(events: tuple[Event, ...]) -> tuple[tuple[float, float], ...]:
    """The privacy profile of all events on the published grid."""
    return profile_of(events, EPSILONS)


def event_text(event: Event) -> str:
    """An event with its native parameters as canonical JSON text."""
    return rfc8785.dumps(dict(event_to_json(event))).decode()


def _tidy(value: float) -> float:
    """Six significant digits, which two machines share."""
    return float(f"{value:.6g}")
