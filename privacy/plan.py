"""Every touch of real rows before any row is read: the charges, their joint price, and the noise that a budget buys."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scipy.special import log_ndtr

from privacy.accounting import epsilon_of, gaussian_size, loss_of, profile_of
from privacy.budget import Budget, Guarantee
from privacy.errors import BudgetError, ConfigError, refusal
from privacy.events import Event, event_to_json
from privacy.notebook import html_table

_CLOSE = 1e-3  # how far below the budget's log(delta) the search may stop
_SLOPE = -10.0  # about how fast log(delta) falls with log(scale) near deltas of 1e-6
_FAR = 4.0  # where e^4 times the noise is not enough, the charges that do not scale cost too much
_FARTHEST = 14.0  # the same for the rough search, which knows nothing of the scale yet
_MOST_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of the ledger, known before any row is read.

    `reads` says which rows and columns are touched, `mechanism` how, `sensitivity` why one
    patient moves the result by no more than `event` assumes.
    """

    name: str
    event: Event
    reads: str
    mechanism: str
    sensitivity: str

    def to_json(self) -> Mapping[str, object]:
        """The charge as plain values."""
        return {
            "name": self.name,
            "event": dict(event_to_json(self.event)),
            "reads": self.reads,
            "mechanism": self.mechanism,
            "sensitivity": self.sensitivity,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All charges of a release under one budget; raises BudgetError when they cost more than it.

    `cohort_size` is the approximate public number of patients, against which delta is checked.
    """

    budget: Budget
    charges: tuple[Charge, ...]
    cohort_size: int

    def __post_init__(self) -> None:
        self.budget.require_for(self.cohort_size)
        names = [charge.name for charge in self.charges]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ConfigError(
                refusal(
                    what="names of charges", must="differ", got=f"{', '.join(twice)} twice", fix="name each touch once"
                )
            )
        cost = epsilon_of(self.events, self.budget.delta)
        if cost > self.budget.epsilon:
            raise BudgetError(overspent("the plan", cost, self.budget.epsilon, self.budget.delta))

    @property
    def events(self) -> tuple[Event, ...]:
        """What will happen, in order."""
        return tuple(charge.event for charge in self.charges)

    @property
    def shares(self) -> tuple[tuple[str, float], ...]:
        """Each charge's name and its rough part of the whole: its squared Gaussian size over the sum."""
        sizes = [gaussian_size((charge.event,)) ** 2 for charge in self.charges]
        return tuple((charge.name, size / sum(sizes)) for charge, size in zip(self.charges, sizes, strict=True))

    def charge(self, name: str) -> Charge:
        """The charge of that name; raises BudgetError where the plan has none."""
        for charge in self.charges:
            if charge.name == name:
                return charge
        planned = ", ".join(charge.name for charge in self.charges) if self.charges else "nothing"
        raise BudgetError(
            refusal(
                what=f"charge {name!r}",
                must="stand in the plan before rows are read",
                got=f"a plan of {planned}; requested 1, remaining 0, difference 1",
                fix="add it to the charges and calibrate again",
            )
        )

    def guarantee(self) -> Guarantee:
        """What the whole plan promises, at the budget's delta; reads no rows."""
        delta = self.budget.delta
        return Guarantee(
            epsilon=epsilon_of(self.events, delta),
            delta=delta,
            replace_one_epsilon=epsilon_of(self.events, delta, neighbours="replace_one"),
            profile=profile_of(self.events),
        )

    def _repr_html_(self) -> str:
        """The plan as a notebook shows it."""
        promise = f"{self.guarantee()}" if self.charges else "nothing is promised"
        lines = [
            (charge.name, charge.reads, charge.mechanism, f"{share:.1%}")
            for charge, (_, share) in zip(self.charges, self.shares, strict=True)
        ]
        return html_table(f"plan: {promise}", ("charge", "reads", "mechanism", "share"), lines, note="no row was read")

    def to_json(self) -> Mapping[str, object]:
        """The plan as plain values."""
        return {
            "budget": {"epsilon": self.budget.epsilon, "delta": self.budget.delta},
            "cohort_size": self.cohort_size,
            "charges": [dict(charge.to_json()) for charge in self.charges],
        }


def calibrate(budget: Budget, charges_at: Callable[[float], tuple[Charge, ...]], *, cohort_size: int) -> Plan:
    """The plan with the least noise that `budget` buys.

    `charges_at(scale)` returns the charges with every noise multiplier times `scale` (and
    each epsilon of a pick divided by it); it reads no rows. The search is over one number
    on the joint loss distribution, and the answer is checked never to cost more than asked.

    Raises BudgetError when no scale is enough, for instance because a charge that does not
    scale costs more than the budget alone.
    """
    budget.require_for(cohort_size)
    scale = _search(budget, charges_at)
    for _ in range(_MOST_STEPS):
        charges = charges_at(scale)
        cost = epsilon_of(tuple(charge.event for charge in charges), budget.delta)
        if cost <= budget.epsilon:
            return Plan(budget=budget, charges=charges, cohort_size=cohort_size)
        if cost > 1.01 * budget.epsilon:
            break
        scale *= cost / budget.epsilon + 1e-5
    raise BudgetError(overspent("the plan at any noise", cost, budget.epsilon, budget.delta))


def overspent(what: str, cost: float, remaining: float, delta: float) -> str:
    """The refusal of a spend, with requested, remaining and difference."""
    return refusal(
        what=f"{what}, epsilon at delta {delta:g},",
        must="be at most what remains",
        got=f"requested {cost:.6g}, remaining {remaining:.6g}, difference {cost - remaining:.6g}",
        fix="raise epsilon, or plan fewer or noisier charges",
    )


def _search(budget: Budget, charges_at: Callable[[float], tuple[Charge, ...]]) -> float:
    """A scale just above the least one.

    The search walks on a coarser grid of losses, which is dearer by less than 0.1 % of the
    budget and so errs on the right side.
    """
    coarser = 2 if budget.epsilon < 1 else 4

    def events(log_scale: float) -> tuple[Event, ...]:
        return tuple(charge.event for charge in charges_at(math.exp(log_scale)))

    def gap(log_scale: float) -> float:
        loss = loss_of(events(log_scale), "add_remove", coarser)
        return math.log(max(float(loss.get_delta_for_epsilon(budget.epsilon)), 1e-300) / budget.delta)

    def rough_gap(log_scale: float) -> float:
        return _gaussian_gap(gaussian_size(events(log_scale)), budget)

    rough = _descend(rough_gap, start=0.0, far=_FARTHEST)
    return math.exp(_descend(gap, start=rough if rough_gap(rough) <= 0 else 0.0, far=_FAR))


def _descend(gap: Callable[[float], float], *, start: float, far: float) -> float:
    """Nearly the least x at which the falling function `gap` is at most 0, from a `start` close by.

    Secant steps inside a bracket that only ever shrinks. No step goes down by more than 1
    below a point that was tried, because the loss of a release with little noise is long.
    The highest x that was tried where no x up to `start` + `far` has a gap of 0 or less.
    """
    low, high, slope = -math.inf, math.inf, _SLOPE
    x, y = start, gap(start)
    for _ in range(_MOST_STEPS):
        low, high = (x, high) if y > 0 else (low, x)
        if -_CLOSE <= y <= 0 or high - low < _CLOSE / 100 or x > start + far:
            break
        # aim a little below 0, so that the search ends on the side that does not overspend
        following = x + min(3.0, max(-1.0, -(y + _CLOSE / 2) / slope))
        if not low < following < high:
            following = (low + high) / 2
        value = gap(following)
        steepness = (value - y) / (following - x)
        slope = min(steepness, -1.0)
        x, y = following, value
    return high if math.isfinite(high) else x


def _gaussian_gap(size: float, budget: Budget) -> float:
    """log(delta / budget's delta) of one Gaussian release of size mu (Dong, Roth and Su 2022, corollary 2.13)."""
    log_first = float(log_ndtr(size / 2 - budget.epsilon / size))
    log_second = budget.epsilon + float(log_ndtr(-size / 2 - budget.epsilon / size))
    ratio = -math.expm1(min(log_second - log_first, -1e-15))
    return log_first + math.log(ratio) - math.log(budget.delta)
