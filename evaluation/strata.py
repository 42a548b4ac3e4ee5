"""Tests of membership scores within strata of record count: a patient with many labs is compared with its like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom, norm, rankdata

from evaluation.intervals import auc_parts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
MOST_STRATA = 5
LEAST_P = 1e-300  # a p-value is small, never nothing
_LEAST_NON_MEMBERS = 200


def record_strata(records: Ints, member: Mask) -> Ints:
    """Strata of like record count, [n] numbered from 0, each with at least about 200 non-members.

    Borders are quantiles of the counts of members and non-members together, so that they
    carry no label; at most five strata, one where there are few non-members.

    Privacy: internal only.
    """
    wanted = int(np.clip(np.count_nonzero(~member) // _LEAST_NON_MEMBERS, 1, MOST_STRATA))
    borders = np.unique(np.quantile(records, np.linspace(0, 1, wanted + 1)[1:-1]))
    stratum = np.searchsorted(borders, records, side="right").astype(np.int64)
    return _joined_where_one_sided(stratum, member)


def _joined_where_one_sided(stratum: Ints, member: Mask) -> Ints:
    """One stratum for all when any stratum lacks members or non-members: nothing could be compared there."""
    sides = [np.unique(member[stratum == one]).size for one in np.unique(stratum)]
    return stratum if min(sides, default=2) == 2 else np.zeros_like(stratum)  # noqa: PLR2004 - two sides


def stratified_auc(scores: Floats, member: Mask, stratum: Ints) -> tuple[float, float]:
    """AUC within strata, weighted by members, and its DeLong variance.

    Privacy: internal only.
    """
    auc = variance = 0.0
    for one in np.unique(stratum):
        here = stratum == one
        weight = np.count_nonzero(member & here) / np.count_nonzero(member)
        part, spread = auc_parts(scores[here & member], scores[here & ~member])
        auc += weight * part
        variance += weight**2 * spread
    return float(auc), float(variance)


def rank_test(scores: Floats, member: Mask, stratum: Ints) -> float:
    """Two-sided p-value that members and non-members are ranked alike (Mann-Whitney by strata, ties corrected).

    Two-sided, because a generator that keeps its distance from its own training patients
    betrays them as well.

    Privacy: internal only.
    """
    auc, variance = stratified_auc(scores, member, stratum)[0], 0.0
    for one in np.unique(stratum):
        here = stratum == one
        m, n = np.count_nonzero(here & member), np.count_nonzero(here & ~member)
        ties = np.unique(scores[here], return_counts=True)[1].astype(np.float64)
        total = int(m + n)
        lost = float((ties**3 - ties).sum()) / max(1, total * (total - 1))
        variance += (m / np.count_nonzero(member)) ** 2 * (total + 1 - lost) / (12 * m * n)
    if variance <= 0:
        return 1.0
    return float(max(LEAST_P, 2 * norm.sf(abs(auc - 0.5) / np.sqrt(variance))))


def hits_test(hit: Mask, member: Mask, stratum: Ints) -> float:
    """One-sided exact p-value that members are hit no more often than non-members (Mantel-Haenszel by strata).

    Given how many are hit in each stratum, the number of members among them is hypergeometric
    when membership plays no part; the strata's laws are convolved.

    Privacy: internal only.
    """
    law = np.ones(1)
    for one in np.unique(stratum):
        here = stratum == one
        total, members, hits = (np.count_nonzero(here & mask) for mask in (here, member, hit))
        law = np.convolve(law, hypergeom.pmf(np.arange(hits + 1), total, members, hits))
    seen = np.count_nonzero(hit & member)
    return float(np.clip(law[seen:].sum(), LEAST_P, 1.0))


def top_hits(scores: Floats, stratum: Ints, share: float, rng: np.random.Generator) -> Mask:
    """The patients with the top `share` of scores in each stratum, ties broken by lot.

    Privacy: internal only.
    """
    order = np.lexsort((rng.random(len(scores)), -scores))
    top = np.zeros(len(scores), dtype=np.bool_)
    for one in np.unique(stratum):
        mine = order[stratum[order] == one]
        top[mine[: round(share * len(mine))]] = True
    return top


def membership_ranks(scores: Floats, member: Mask, stratum: Ints) -> Floats:
    """For each patient (1 + non-members of its stratum that score at least as high) / (1 + non-members), [n].

    At most x for a share of at most x of the non-members in expectation, so `ranks <= x` is a
    threshold at false positive rate x (conformal p-values). A non-member is counted without itself.

    Privacy: internal only.
    """
    ranks = np.ones(len(scores))
    for one in np.unique(stratum):
        here = np.flatnonzero(stratum == one)
        others = np.sort(scores[here[~member[here]]])
        above = len(others) - np.searchsorted(others, scores[here], side="left")
        itself = (~member[here]).astype(np.int64)
        ranks[here] = (1 + above - itself) / (1 + len(others) - itself)
    return ranks


def pooled_ranks(scores: Floats, stratum: Ints) -> Floats:
    """Mid-rank of each score in its stratum from the top, in (0, 1), without a look at membership, [n].

    Privacy: internal only.
    """
    ranks = np.empty(len(scores))
    for one in np.unique(stratum):
        here = stratum == one
        ranks[here] = (rankdata(-scores[here]) - 0.5) / np.count_nonzero(here)
    return ranks
