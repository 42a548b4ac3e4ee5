"""Writes down, for the institution alone and on request, which of its patients stand most exposed."""

from __future__ import annotations

from pathlib import Path

from evaluation.attacks.exposed import most_exposed
from evaluation.exhibit import Exhibit
from privacy.cohort import Cohort
from synthhealth.output import write_whole


def write_exposed(path: Path, train: Cohort, holdout: Cohort, synthetic: Cohort, *, seed: int) -> None:
    """The table of `most_exposed` as CSV at `path`, readable by its owner alone; sides are split as the attacks split.

    Privacy: internal only; it names patients.
    """
    exhibit = Exhibit.of(train, holdout, synthetic, key=f"split {seed}".encode())
    write_whole(path, most_exposed(exhibit).to_csv(index=False, float_format="%.4g"), mode=0o600)
