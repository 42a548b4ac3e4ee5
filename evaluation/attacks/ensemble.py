"""The ensemble: all attacks' scores as one, the way an attacker who is not sure which will work would use them."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.attacks.membership import membership_reading, suspicion, with_a_sample
from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Stage
from evaluation.finding import Family

ENSEMBLE = Attack(
    test="ensemble",
    title="All attacks together",
    family=Family.MEMBERSHIP,
    threat=with_a_sample("the synthetic patients with their labs"),
    citation="After the MIDST challenge's ensembles (2025); ranks combined by Fisher 1925, without labels",
)


def ensemble(readings: Sequence[Reading], stage: Stage) -> tuple[Reading, ...]:
    """The combination of the scores of `readings` on one stage; its headline is TPR at 10 % FPR.

    Raises NotMeasurableError when fewer than two attacks gave scores.

    Privacy: internal only.
    """
    scores = [reading.scores for reading in readings if reading.scores is not None]
    if len(scores) < 2:  # noqa: PLR2004 - one attack is no ensemble
        raise NotMeasurableError("fewer than two attacks gave scores")
    return (membership_reading(ENSEMBLE, suspicion(scores, stage), stage),)
