"""The attack suite on a file that any tool may have made, beside the patients that tool learnt from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from privacy.admission import admit
from privacy.admission_patients import key_column
from privacy.cells import Words
from privacy.cohort import Cohort, Records
from privacy.errors import CheckError, DataError, refusal
from privacy.schema import Schema
from privacy.tables import read_table
from synthhealth.config import Config
from synthhealth.findings_file import found, write_findings
from synthhealth.generators.protocol import Progress, quiet
from synthhealth.job import Job
from synthhealth.progress import within
from synthhealth.results import Found
from synthhealth.split_key import read_key


def attack_other(
    config: Config,
    synthetic: Path,
    *,
    labs: Path | None = None,
    members: Path | None = None,
    to: Path | None = None,
    exposed: Path | None = None,
    full: bool = False,
    progress: Progress = quiet,
) -> Found:
    """Attack the patients in the file `synthetic`, with their records in `labs`, as another tool has made them.

    A file of patients alone is held against patients without their records, and needs no
    column of ids. `members` lists the ids of the patients that the tool learnt from, in the
    column that the schema names as key; all others of the config's tables are held against them. Without it
    the tool must have learnt from the training side of this project's own split. Findings go
    to `to`, by default `attack-other.json` in the internal folder; the steps of the project's
    own release are left alone. `exposed` is as in `pipeline.attack`.

    Raises DataError when a file breaks the schema's rules or `members` names somebody who is
    not in the patients table, CheckError when there is no split to go by or nobody is left to
    compare with.

    Privacy: internal only; what it finds is exact.
    """
    from evaluation.attacks.suite import attack as attack_all  # the classifiers are heavy to import
    from synthhealth.exposure import write_exposed

    job = Job.of(config)
    path = job.output.internal / "attack-other.json" if to is None else to
    with within(progress, "attack") as tell:
        tell("reading the tables", 0, 1)
        sides, made = _sides(job, members), _made_elsewhere(job.schema, synthetic, labs)
        inside, outside = sides if labs is not None else (_without_records(side) for side in sides)
        findings = attack_all(inside, outside, made, quick=not full, seed=config.generator.seed, progress=tell)
        if exposed is not None:
            write_exposed(exposed, inside, outside, made, seed=config.generator.seed)
    write_findings(path, findings)
    return found("attack", findings, path)


def _made_elsewhere(schema: Schema, patients: Path, labs: Path | None) -> Cohort:
    table, records = read_table(patients, "synthetic patients"), None
    if labs is None:
        # nothing points at these patients, so they may come without names
        table = table.assign(**{schema.privacy_unit.key: np.arange(len(table)).astype(str)})
    else:
        records = read_table(labs, "synthetic labs")
    try:
        return admit(schema, table, records).cohort
    except DataError as error:
        raise DataError(f"in what {patients} holds: {error}") from error


def _without_records(cohort: Cohort) -> Cohort:
    none = np.empty(0)
    return replace(
        cohort, records=Records.sorted(owner=none.astype(np.int64), time=none, test=none.astype(np.int64), value=none)
    )


def _sides(job: Job, members: Path | None) -> tuple[Cohort, Cohort]:
    """The patients the tool learnt from, and the others."""
    data = job.config.data
    cohort = Cohort.read(job.schema, patients=data.patients, labs=data.labs)
    if members is None:
        _require_split(job)
        return cohort.split(data.holdout, key=read_key(job.output.keys))
    known = _ids(job.schema, members, "members")
    if not known <= _ids(job.schema, data.patients, "patients"):
        raise DataError(
            refusal(
                what=f"the members file {members}",
                must="list patients of the patients table",
                got="an id that is not in it",
                fix="write the ids as they stand in the patients table, in a column of the same name",
            )
        )
    learnt = np.isin(cohort.ids.astype(str), sorted(known))
    if not learnt.any() or learnt.all():
        raise CheckError(
            refusal(
                what=f"the members file {members}",
                must="leave patients on both sides",
                got="nobody on one of them",
                fix="keep about a third of the patients back from the tool, and list only those it learnt from",
            )
        )
    return cohort.take(np.flatnonzero(learnt)), cohort.take(np.flatnonzero(~learnt))


def _require_split(job: Job) -> None:
    if not job.output.keys.exists():
        raise CheckError(
            refusal(
                what="an attack on a file that was made elsewhere",
                must="know whom the tool learnt from",
                got="no --members, and no fit of this project that has split the patients",
                fix="add --members FILE with the ids of the patients it learnt from",
            )
        )


def _ids(schema: Schema, path: Path, name: str) -> set[str]:
    """The patient ids of a table, as text; blank cells are nobody."""
    table = read_table(path, name)
    return {word for word in Words.of(table[key_column(schema, table.columns, name)]).words if word != ""}
