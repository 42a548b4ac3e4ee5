"""WP216 linkability: two halves of a patient's data joined with the help of the synthetic patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Stage
from evaluation.attacks.success import rate_reading
from evaluation.finding import Estimate, Family, ThreatModel
from evaluation.neighbours import nearest

NEIGHBOURS = 5
LINKABILITY = Attack(
    test="linkability",
    title="Attributes and labs of one patient linked",
    family=Family.LINKABILITY,
    threat=ThreatModel(
        name="no box",
        sees="the synthetic patients",
        knows="two sets of columns of the same patients, in two files without names",
        wants="to learn which rows of the two files are one patient",
    ),
    citation="Giomi et al. 2023, Anonymeter, arXiv:2211.10459; Article 29 Working Party, WP216",
)
ATTACKS = (LINKABILITY,)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """Which targets have one synthetic patient among the 5 nearest by attributes and the 5 nearest by labs.

    Without labs, or with one attribute alone, the columns are cut into two halves. The baseline is two
    random sets of 5.

    Privacy: internal only.
    """
    one, two = halves(stage)
    k = min(NEIGHBOURS, len(stage.synthetic))
    sides = [
        nearest(stage.targets.embedding.axes(part), stage.synthetic.embedding.axes(part), k).index
        for part in (one, two)
    ]
    linked = (sides[0][:, :, None] == sides[1][:, None, :]).any(axis=(1, 2))
    chance = Estimate(name="two random sets", value=1 - float((1 - k / len(stage.synthetic)) ** k))
    return (rate_reading(LINKABILITY, linked.astype(np.float64), stage, chance=chance),)


def halves(stage: Stage) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The two sets of features that the attacker holds."""
    table = stage.targets.table
    attributes, labs = table.part("attribute"), table.part("lab")
    if len(attributes) >= 1 and len(labs) >= 1:
        return attributes, labs
    whole = np.arange(len(table.features))
    if len(whole) < 2:  # noqa: PLR2004 - two halves
        raise NotMeasurableError("the schema has only one column")
    return whole[::2], whole[1::2]
