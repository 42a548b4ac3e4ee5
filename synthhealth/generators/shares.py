"""How the budget of the measured part is shared, and the charges that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from privacy.plan import Charge
from synthhealth.encoding.layout import Layout
from synthhealth.generators.charges import sum_charge
from synthhealth.generators.first_looks import first_charges


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Parts of the whole budget by look; they need not sum to 1, only their ratios tell."""

    grids: float = 0.05
    digits: float = 0.02
    values: float = 0.05
    one_way: float = 0.07
    moments: float = 0.28
    value_moments: float = 0.30
    gaps: float = 0.04


def measured_charges(layout: Layout, shares: Shares, scale: float) -> tuple[Charge, ...]:
    """The charges of all looks in the order in which they are taken; a schema without tests has fewer.

    Privacy: free; reads no rows.
    """
    first = first_charges(
        layout,
        grids=shares.grids,
        digits=shares.digits,
        values=shares.values,
        one_way=shares.one_way,
        scale=scale,
    )
    moments = sum_charge("moments", share=shares.moments, scale=scale, reads="all pairs of columns at once")
    if not layout.tests:
        return (*first, moments)
    return (
        *first,
        moments,
        sum_charge("value moments", share=shares.value_moments, scale=scale, reads="values after values and by level"),
        sum_charge("gaps", share=shares.gaps, scale=scale, reads="time between draws"),
    )
