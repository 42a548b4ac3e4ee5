"""Looks for copies: whole patients, patients with small changes, and runs of three consecutive lab records."""

from __future__ import annotations

import numpy as np

from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Stage
from evaluation.attacks.success import rate_reading
from evaluation.finding import Estimate, Family, ThreatModel
from evaluation.fingerprints import patient_words, run_words

NEAR = 0.2
_CITATION = "Hits on train minus hits on holdout, after Carlini et al. 2021, arXiv:2012.07805"
_THREAT = ThreatModel(
    name="no box",
    sees="the synthetic patients",
    knows="one real patient in full",
    wants="to learn whether that patient, or a stretch of that patient's labs, stands in the release",
)


def _attack(test: str, title: str) -> Attack:
    return Attack(test=test, title=title, family=Family.COPIES, threat=_THREAT, citation=_CITATION)


EXACT = _attack("exact-duplicates", "Patients copied value by value")
CLOSE = _attack("near-duplicates", "Patients copied with small changes")
RUNS = _attack("lab-runs", "Runs of three consecutive lab records copied")
PATIENTS = (EXACT, CLOSE)


def patients(stage: Stage) -> tuple[Reading, ...]:
    """Both searches for copied patients.

    Privacy: internal only.
    """
    return (exact(stage), close(stage))


def exact(stage: Stage) -> Reading:
    """Which targets stand in the synthetic data with every attribute and every record equal.

    Privacy: internal only.
    """
    words = patient_words(stage.targets.cohort)
    hit = np.isin(words, patient_words(stage.synthetic.cohort))
    known = np.isin(words, patient_words(stage.reference.cohort))
    chance = Estimate(name="targets that also stand in the reference", value=float(known.mean()))
    return rate_reading(EXACT, hit.astype(np.float64), stage, chance=chance)


def close(stage: Stage) -> Reading:
    """Which targets have a synthetic patient at less than a fifth of the distance to the nearest reference patient.

    Privacy: internal only.
    """
    yardstick = stage.near_reference
    hit = stage.near.nearest < NEAR * yardstick.nearest
    among_real = yardstick.nearest < NEAR * yardstick.kth(2)
    chance = Estimate(name="the same between two reference patients", value=float(among_real.mean()))
    return rate_reading(CLOSE, hit.astype(np.float64), stage, chance=chance)


def runs(stage: Stage) -> tuple[Reading, ...]:
    """The share of each target's runs of three records that stand in the synthetic, but not in the reference labs.

    Raises NotMeasurableError when no target has three records.

    Privacy: internal only.
    """
    owner, words = run_words(stage.targets.cohort)
    if len(words) == 0:
        raise NotMeasurableError("no patient has three lab records")
    known = np.isin(words, run_words(stage.reference.cohort)[1])
    found = np.isin(words, run_words(stage.synthetic.cohort)[1]) & ~known
    total = np.bincount(owner, minlength=len(stage.targets))
    hit = np.bincount(owner, weights=found, minlength=len(stage.targets)) / np.maximum(total, 1)
    chance = Estimate(name="runs that also stand in the reference", value=float(known.mean()))
    return (rate_reading(RUNS, hit, stage, chance=chance),)
