"""Turns a privacy profile into what an attacker can at most achieve: how many, and how sure.

All bounds hold for add/remove of one patient against an attacker who knows every other record, the
code and the release. Sources: Kairouz, Oh, Viswanath 2015 (region of an (epsilon, delta) pair);
Dong, Roth, Su 2022 (closed form of the Gaussian mechanism, used in the tests).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from privacy.accounting import tpr_ceiling_of
from privacy.errors import CheckError, refusal

Profile = Sequence[tuple[float, float]]


def tpr_ceiling(profile: Profile, fpr: float) -> float:
    """The largest true-positive rate any test can have at this false-positive rate.

    `profile` holds (epsilon, delta) pairs; each alone is a bound, the smallest one stands.

    Privacy: free.
    """
    _check(profile)
    return tpr_ceiling_of(tuple(profile), fpr)


def advantage(profile: Profile) -> float:
    """The largest true-positive rate minus false-positive rate; with epsilon 0 in the profile it is delta(0).

    Privacy: free.
    """
    _check(profile)
    return min(1.0, *((math.expm1(e) + 2.0 * d) / (math.exp(e) + 1.0) for e, d in profile))


def right_in_100(profile: Profile) -> int:
    """Of 100 yes-or-no guesses from a 50 % suspicion, the number that can at most be right, rounded up.

    Privacy: free.
    """
    return min(100, math.ceil(round(50.0 * (1.0 + advantage(profile)), 9)))


def posterior(profile: Profile, *, prior: float, fpr: float) -> float:
    """How often an accusation is at most right, from a suspicion `prior`, when `fpr` of outsiders are accused too.

    Privacy: free.
    """
    tpr = tpr_ceiling(profile, fpr)
    return prior * tpr / (prior * tpr + (1.0 - prior) * fpr)


def family_epsilon(epsilon: float, patients: int) -> float:
    """The epsilon that covers `patients` linked patients together (a household, twins, a patient under two ids).

    Privacy: free.
    """
    return epsilon * patients


def _check(profile: Profile) -> None:
    if len(profile) == 0:
        raise CheckError(
            refusal(
                what="the privacy profile",
                must="hold at least one (epsilon, delta) pair",
                got="none",
                fix="print no odds for an engine without differential privacy",
            )
        )
