"""What has been spent: each charge of a plan once, each receipt good for one opening of the gate."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from privacy.budget import Guarantee
from privacy.errors import BudgetError, CheckError, refusal
from privacy.notebook import html_table
from privacy.plan import Charge, Plan
from privacy.randomness import secret_bytes


class Reservation(Protocol):
    """Where a whole plan is charged before its first spend, so that releases of one population add up."""

    def reserve(self, run_id: str, plan: Plan) -> None:
        """Charge the whole plan to the population, or raise BudgetError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One spend that took place; `order` counts from 1."""

    order: int
    charge: Charge


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Receipt:
    """Proof of one spend; opens the gate once. Equal to itself alone."""

    charge: Charge
    token: bytes = field(repr=False)


class Ledger:
    """The spends of one run against its plan.

    The plan is paid whole when the ledger is opened: with a `population` it is reserved
    there first, and a run that breaks off has spent it all the same. `run_id` names the run
    in the population's ledger; without one a random name is taken.
    """

    __slots__ = ("_entries", "_exposed", "_lock", "_open", "_reserved", "plan", "run_id")

    def __init__(self, plan: Plan, population: Reservation | None = None, run_id: str | None = None) -> None:
        self.plan = plan
        self.run_id = secret_bytes(8).hex() if run_id is None else run_id
        self._entries: tuple[Entry, ...] = ()
        self._open: frozenset[bytes] = frozenset()
        self._exposed = False
        self._reserved = population is not None
        self._lock = threading.Lock()
        if population is not None:
            population.reserve(self.run_id, plan)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The spends so far, in order."""
        return self._entries

    def spend(self, name: str) -> Receipt:
        """Spend the charge `name`; to be called before the rows that it pays for are touched.

        Raises BudgetError, and leaves no trace, when the plan has no such charge or it was
        spent before.
        """
        charge = self.plan.charge(name)
        with self._lock:
            if any(entry.charge.name == name for entry in self._entries):
                raise BudgetError(
                    refusal(
                        what=f"charge {name!r}",
                        must="be spent once",
                        got="a second spend; requested 1, remaining 0, difference 1",
                        fix="plan a further charge under a name of its own",
                    )
                )
            receipt = Receipt(charge=charge, token=secret_bytes(16))
            self._entries = (*self._entries, Entry(order=len(self._entries) + 1, charge=charge))
            self._open |= {receipt.token}
            return receipt

    def redeem(self, receipt: Receipt) -> Charge:
        """Use a receipt up; raises BudgetError when this ledger did not issue it or it was used before."""
        with self._lock:
            if receipt.token not in self._open:
                raise BudgetError(
                    refusal(
                        what=f"receipt for {receipt.charge.name!r}",
                        must="be issued by this ledger and not yet used",
                        got="one of another ledger or a used one; requested 1, remaining 0, difference 1",
                        fix="plan one charge for each touch of rows and spend it at this ledger",
                    )
                )
            self._open -= {receipt.token}
            return receipt.charge

    @property
    def exposed(self) -> bool:
        """Whether rows were opened without protection, so that the run promises nothing."""
        return self._exposed

    def expose(self) -> None:
        """Note that rows are opened without protection; from here on the run has no guarantee.

        Raises BudgetError where the plan has a charge or a population was charged: a run either
        pays for every look or promises nothing, and never both.
        """
        if self.plan.charges or self._reserved:
            raise BudgetError(
                refusal(
                    what="a look without protection",
                    must="belong to a run that promises nothing",
                    got=f"one with {len(self.plan.charges)} charges; requested infinity, remaining 0",
                    fix="use the engine that is marked UNSAFE, or pay for each look",
                )
            )
        self._exposed = True

    def guarantee(self) -> Guarantee:
        """What the run promises: the whole plan's price, spent or not.

        Raises CheckError when rows were opened without protection: there is no promise then.
        """
        if self._exposed:
            raise CheckError(
                refusal(
                    what="a run's guarantee",
                    must="be asked of a run that paid for each look",
                    got="one that opened its rows without protection",
                    fix="use a private engine",
                )
            )
        return self.plan.guarantee()

    def _repr_html_(self) -> str:
        """The ledger as a notebook shows it."""
        promise = "UNSAFE: rows were opened without protection" if self._exposed else f"{self.guarantee()}"
        spent = {entry.charge.name: str(entry.order) for entry in self._entries}
        lines = [(spent.get(charge.name, "not yet"), charge.name, charge.reads) for charge in self.plan.charges]
        return html_table(f"ledger: {promise}", ("spent", "charge", "reads"), lines)

    def to_json(self) -> Mapping[str, object]:
        """The content of ledger.json: plan, spends in order, guarantee with its profile, null where there is none."""
        return {
            **self.plan.to_json(),
            "run_id": self.run_id,
            "spent": [entry.charge.name for entry in self._entries],
            "guarantee": None if self._exposed else dict(self.guarantee().to_json()),
        }
