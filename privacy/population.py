"""The budget over the life of the data: all releases of one population, composed, under a ceiling that refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.chain import Chain, Record, locked
from privacy.errors import BudgetError, ConfigError, refusal
from privacy.events import Event, event_from_json
from privacy.plan import Plan, overspent

RunState = Literal["reserved", "finished", "aborted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One release or attempt; charged whole from its reservation on, whatever became of it."""

    run_id: str
    state: RunState
    events: tuple[Event, ...]
    reserved_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a population has spent: epsilon at the ceiling's delta over all runs together, and what is left."""

    population_id: str
    ceiling: Budget
    spent: float
    runs: tuple[Run, ...]
    records: int
    head: str

    @property
    def remaining(self) -> float:
        """What the ceiling leaves, an upper bound of what a further run can cost alone."""
        return max(0.0, self.ceiling.epsilon - self.spent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The ledger of the people behind the data, in one append-only file; extracting them again does not reset it.

    `ceiling` is written by the first run and holds until `raise_ceiling`; a different one is
    refused. `key` is the institution's secret that signs the head of the file. Every call
    takes the file's lock, so that runs of several processes queue up.

    Privacy: free; the file holds plans, never rows.
    """

    path: Path
    population_id: str
    ceiling: Budget
    key: bytes | None = None

    def reserve(self, run_id: str, plan: Plan) -> None:
        """Charge the whole `plan` before its first spend; it stays charged when the run breaks off.

        Raises BudgetError, with requested, remaining and difference, when all runs composed
        would pass the ceiling, ConfigError for a `run_id` that was charged before; nothing is
        written then.
        """
        with locked(self.path, self.key) as chain:
            self._open(chain)
            runs = self._runs(chain)
            if any(run.run_id == run_id for run in runs):
                raise ConfigError(
                    refusal(
                        what=f"run_id {run_id!r}",
                        must="be new in the population's ledger",
                        got="one that was charged before",
                        fix="give each run its own name",
                    )
                )
            before = tuple(event for run in runs for event in run.events)
            self._require(before, plan.events)
            charges = [dict(charge.to_json()) for charge in plan.charges]
            content = {"run_id": run_id, "charges": charges, "at": datetime.now(UTC).isoformat(timespec="seconds")}
            chain.append("reserve", content)

    def finish(self, run_id: str) -> None:
        """Note that a run came to its end; what it was charged stays."""
        self._close(run_id, "finished")

    def abort(self, run_id: str) -> None:
        """Note that a run broke off; what it was charged stays."""
        self._close(run_id, "aborted")

    def raise_ceiling(self, ceiling: Budget, *, reason: str) -> Population:
        """The population under another ceiling, by a decision whose `reason` is written down."""
        with locked(self.path, self.key) as chain:
            self._open(chain)
            content = {"epsilon": ceiling.epsilon, "delta": ceiling.delta, "reason": reason}
            chain.append("ceiling", content)
        return Population(path=self.path, population_id=self.population_id, ceiling=ceiling, key=self.key)

    def standing(self) -> Standing:
        """What has been spent and what is left, from a file whose whole chain was checked."""
        with locked(self.path, self.key) as chain:
            runs = self._runs(chain)
            events = tuple(event for run in runs for event in run.events)
            spent = epsilon_of(events, self.ceiling.delta) if events else 0.0
            return Standing(
                population_id=self.population_id,
                ceiling=self.ceiling,
                spent=spent,
                runs=runs,
                records=len(chain.records),
                head=chain.head,
            )

    def _require(self, before: tuple[Event, ...], new: tuple[Event, ...]) -> None:
        """Raise BudgetError where `before` and `new` together pass the ceiling."""
        delta = self.ceiling.delta
        total = epsilon_of((*before, *new), delta)
        if total > self.ceiling.epsilon:
            spent = epsilon_of(before, delta) if before else 0.0
            what = f"what a run adds to the {spent:.6g} spent by population {self.population_id!r}"
            raise BudgetError(overspent(what, total - spent, self.ceiling.epsilon - spent, delta))

    def _close(self, run_id: str, state: RunState) -> None:
        with locked(self.path, self.key) as chain:
            if not any(run.run_id == run_id and run.state == "reserved" for run in self._runs(chain)):
                raise ConfigError(
                    refusal(
                        what=f"run_id {run_id!r}",
                        must="be reserved and not yet closed",
                        got="another state",
                        fix="reserve a run before it is finished or aborted",
                    )
                )
            chain.append(state, {"run_id": run_id})

    def _open(self, chain: Chain) -> None:
        """Write the population's name and ceiling at the top of a new file; check them in an old one."""
        if not any(record.kind == "open" for record in chain.records):
            named = {"population_id": self.population_id}
            chain.append("open", {**named, "epsilon": self.ceiling.epsilon, "delta": self.ceiling.delta})
        self._check_opening(chain)

    def _runs(self, chain: Chain) -> tuple[Run, ...]:
        """The runs in the chain, in the order of their reservation."""
        if chain.records:
            self._check_opening(chain)
        runs: dict[str, Run] = {}
        for record in chain.records:
            run_id = str(record.content.get("run_id"))
            if record.kind == "reserve":
                runs[run_id] = _run(record)
            elif record.kind in ("finished", "aborted"):
                old, state = runs[run_id], cast("RunState", record.kind)
                runs[run_id] = Run(run_id=run_id, state=state, events=old.events, reserved_at=old.reserved_at)
        return tuple(runs.values())

    def _check_opening(self, chain: Chain) -> None:
        openings = [record for record in chain.records if record.kind in ("open", "ceiling")]
        if not openings:  # a kill cut the very first record off
            return
        named = str(openings[0].content["population_id"])
        if named != self.population_id:
            raise ConfigError(
                refusal(
                    what=f"ledger {self.path}",
                    must=f"belong to population {self.population_id!r}",
                    got=f"{named!r}",
                    fix="keep one ledger for each population",
                )
            )
        last = openings[-1].content
        written = Budget(epsilon=cast("float", last["epsilon"]), delta=cast("float", last["delta"]))
        if written != self.ceiling:
            raise ConfigError(
                refusal(
                    what=f"ceiling of population {self.population_id!r}",
                    must=f"be the written one, ({written.epsilon:g}, {written.delta:g})",
                    got=f"({self.ceiling.epsilon:g}, {self.ceiling.delta:g})",
                    fix="use the written one, or raise_ceiling with a reason",
                )
            )


def _run(record: Record) -> Run:
    charges = cast("list[Mapping[str, Mapping[str, str | float]]]", record.content["charges"])
    return Run(
        run_id=str(record.content["run_id"]),
        state="reserved",
        events=tuple(event_from_json(charge["event"]) for charge in charges),
        reserved_at=str(record.content["at"]),
    )
