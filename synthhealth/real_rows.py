"""The real tables of a run, and who of them was learnt from."""

from __future__ import annotations

from pathlib import Path

from privacy.admission import Admission, admit, read_labs
from privacy.cohort import Cohort
from privacy.tables import read_table
from synthhealth.generators.protocol import Progress
from synthhealth.job import Job
from synthhealth.split_key import read_key


def admitted(job: Job, progress: Progress, *, files: Path | None = None) -> Admission:
    """The real tables, by the schema's rules; with a folder for `files` the records are not held in memory.

    Raises DataError, and ConfigError where the folder has no room.

    Privacy: internal only.
    """
    data = job.config.data
    progress("reading the tables", 0, 2)
    patients = read_table(data.patients, "patients")
    labs = None if data.labs is None else read_labs(job.schema, data.labs)
    progress("holding them against the schema", 1, 2)
    return admit(job.schema, patients, labs, files=files)


def sides(job: Job, everybody: Cohort) -> tuple[Cohort, Cohort, Cohort]:
    """Train, holdout and synthetic cohorts; the synthetic one is read back from the release's own files.

    Privacy: internal only.
    """
    train, holdout = everybody.split(job.config.data.holdout, key=read_key(job.output.keys))
    labs = job.output.labs if job.output.labs.exists() else None
    return train, holdout, Cohort.read(job.schema, patients=job.output.patients, labs=labs)
