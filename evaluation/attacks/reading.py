"""What one attack reads off one stage: its estimates, and the p-value of "membership plays no part"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.finding import Curve, Estimate, Family, ThreatModel
from evaluation.intervals import effective, newcombe
from privacy.errors import SynthhealthError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_GROUP = 30


class Scored(Protocol):
    """Who is scored: members [n], strata of record count, and the two vulnerable groups, with a stream of chance."""

    @property
    def member(self) -> Mask:
        """Which targets are members."""
        ...

    @property
    def stratum(self) -> NDArray[np.int64]:
        """The stratum of each target."""
        ...

    @property
    def outlier(self) -> Mask:
        """The targets far from the reference."""
        ...

    @property
    def rare(self) -> Mask:
        """The targets with rare codes."""
        ...

    def rng(self, *names: str) -> np.random.Generator:
        """A stream of this evaluation."""
        ...


class NotMeasurableError(SynthhealthError):
    """The schema or the size leaves nothing for an attack to work on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """An attack's identity: what it is called, who could mount it, where it was described.

    `copy_auc` is the least AUC that it must reach when the synthetic patients are the training
    patients themselves; 0 when it only has to notice.
    """

    test: str
    title: str
    family: Family
    threat: ThreatModel
    citation: str
    copy_auc: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One attack's result on one stage.

    `power` is the number shown for a control: an AUC or an excess; `neutral` is its value when nothing
    leaks. `permuted` is the same number with the labels of members and non-members permuted,
    `permuted_p` its p-value. `scores` [targets] go to the ensemble, higher for members.

    Privacy: internal only.
    """

    attack: Attack
    headline: Estimate
    others: tuple[Estimate, ...]
    baseline: Estimate
    power: Estimate
    p_value: float
    permuted: Estimate
    permuted_p: float
    n: int
    scores: Floats | None = None
    curves: tuple[Curve, ...] = ()
    seconds: float = 0.0


def excess_estimate(name: str, hit: Floats, member: Mask) -> Estimate:
    """Rate of hits among members minus the rate among non-members, with Newcombe's interval.

    `hit` [n] lies in 0..1; a fraction is a patient's average over several guesses.
    """
    inside, outside = hit[member], hit[~member]
    return Estimate(
        name=name,
        value=float(inside.mean() - outside.mean()),
        interval=newcombe(*effective(inside), *effective(outside)),
    )


def permuted_labels(stage: Scored, name: str) -> Mask:
    """The labels of members and non-members permuted within strata, [targets]."""
    rng = stage.rng(name, "permuted")
    shuffled = stage.member.copy()
    for one in np.unique(stage.stratum):
        here = np.flatnonzero(stage.stratum == one)
        shuffled[here] = rng.permutation(shuffled[here])
    return shuffled


def big_enough(group: Mask, member: Mask) -> bool:
    """Whether a group holds enough members and non-members to be judged on its own."""
    return bool(min(np.count_nonzero(group & member), np.count_nonzero(group & ~member)) >= LEAST_GROUP)
