"""Achilles' heel: the training patients most exposed to attacks, by how alone they stand among the attacker's own."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.attacks.stage import Floats
from evaluation.embedding import Metric, Points, embed
from evaluation.exhibit import Exhibit
from evaluation.neighbours import nearest

MOST = 50
_NEIGHBOURS = 5


def most_exposed(exhibit: Exhibit, *, most: int = MOST) -> pd.DataFrame:
    """The `most` training patients with the largest mean distance to their 5 nearest reference patients.

    Meeus et al. 2023 (Achilles' Heels, arXiv:2306.10308) found attacks to succeed where records
    are remote. The selection knows neither release nor membership; what the release does to
    the selected stands beside them. Columns: `patient_id`; `remoteness`; `nearest_real` and
    `nearest_synthetic`, the distances to the closest reference and synthetic patient;
    `as_close`, the share of patients nobody has learnt from to whom the synthetic ones come
    as close or closer, measured against the reference. A small share is a reason to look.

    Privacy: internal only; it names patients.
    """
    metric = Metric.of(embed(exhibit.reference))
    members, others, known, made = (
        metric(embed(side)).points for side in (exhibit.train, exhibit.holdout, exhibit.reference, exhibit.synthetic)
    )
    real = nearest(members, known, _NEIGHBOURS)
    remote = real.mean(_NEIGHBOURS)
    rows = np.argsort(-remote, kind="stable")[:most]
    near = nearest(members[rows], made, 1).nearest
    return pd.DataFrame(
        {
            "patient_id": exhibit.train.ids[rows],
            "remoteness": remote[rows],
            "nearest_real": real.nearest[rows],
            "nearest_synthetic": near,
            "as_close": _as_close(real.nearest[rows] - near, others, known, made),
        }
    )


def _as_close(gain: Floats, others: Points, known: Points, made: Points) -> Floats:
    """For each gain (1 + strangers with as large a gain) / (1 + strangers), [n]."""
    strangers = np.sort(nearest(others, known, 1).nearest - nearest(others, made, 1).nearest)
    as_large = len(strangers) - np.searchsorted(strangers, gain, side="left")
    return np.asarray((1 + as_large) / (1 + len(strangers)), dtype=np.float64)
