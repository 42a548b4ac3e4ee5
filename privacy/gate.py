"""The only way to a patient's rows: a cohort behind a gate that opens for a receipt of its ledger."""

from __future__ import annotations

from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.lattice import MOST_ROWS
from privacy.ledger import Ledger, Receipt
from privacy.plan import Charge
from privacy.randomness import secret_bytes
from privacy.schema import Schema


class Gate:
    """A cohort whose rows are handed out only against a receipt; each patient's records are capped already.

    Privacy: free to build; which records stay is drawn by a fresh secret key, patient by patient.
    """

    __slots__ = ("__rows", "ledger", "schema")

    def __init__(self, cohort: Cohort, ledger: Ledger) -> None:
        if len(cohort) > MOST_ROWS:
            raise ConfigError(
                refusal(
                    what="a cohort",
                    must=f"hold at most {MOST_ROWS:,} patients, for which the sums are proven",
                    got="more",
                    fix="learn from a part of it",
                )
            )
        self.schema: Schema = cohort.schema
        self.ledger = ledger
        self.__rows = cohort.bound_records(key=secret_bytes(32))

    def charge(self, name: str) -> Charge:
        """The planned charge of that name, so that its terms can be checked before it is paid."""
        return self.ledger.plan.charge(name)

    def open(self, receipt: Receipt) -> Cohort:
        """The rows, once for each receipt of this gate's own ledger.

        Raises BudgetError for any other receipt.

        Privacy: internal only; what is made of the rows must keep to the charge's sensitivity.
        """
        self.ledger.redeem(receipt)
        return self.__rows

    def open_unprotected(self) -> Cohort:
        """The rows, for nothing and with no promise; the ledger notes it and gives no guarantee any more.

        Raises BudgetError where the ledger's plan has a charge, so that no engine that is paid for
        its looks can take this door.

        Privacy: internal only; outside every guarantee.
        """
        self.ledger.expose()
        return self.__rows

    def __repr__(self) -> str:
        return "Gate(rows behind it, number not told)"
