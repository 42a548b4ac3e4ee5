"""Several releases about the same people: read, attacked together, and named in the report."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evaluation.attacks.planted import joined
from evaluation.finding import Finding
from privacy.cohort import Cohort
from privacy.errors import CheckError, refusal
from synthhealth.job import Job
from synthhealth.output import Output
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.parts import EarlierRelease
from synthhealth.report.signing import read_document
from synthhealth.split_key import read_key

HOLDOUT_SHARE = "holdout share"  # the setting under which every report names it


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier release about the same people, in the out folder that its run has left."""

    output: Output
    document: ReleaseDocument

    def line(self) -> EarlierRelease:
        """How the report names it."""
        header = self.document.common.header
        return EarlierRelease(
            report_id=header.report_id,
            release=header.release,
            created_on=header.created_on,
            run_id=self.document.common.ledger.run_id,
            fingerprint=header.fingerprint,
        )

    @property
    def holdout(self) -> float:
        """The share of patients that it did not learn from."""
        settings = {setting.name: setting.value for setting in self.document.common.lineage.settings}
        return float(settings[HOLDOUT_SHARE])


def earlier_releases(job: Job) -> tuple[Earlier, ...]:
    """The earlier releases that the config names.

    Raises CheckError where one has no report, was made with another schema, or is not on this population's account.

    Privacy: free; reads release editions.
    """
    found = tuple(_read(Output(out=folder)) for folder in job.config.release.earlier)
    for one in found:
        common = one.document.common
        if common.lineage.schema_sha256 != job.schema.sha256:
            raise _refused(one.output, "be made with this schema", "one of another schema", "attack it with its own")
        if common.population is None or common.population.id != job.population.population_id:
            fix = f"name releases about population {job.population.population_id!r} only"
            raise _refused(one.output, "be about the same population", "one of another account", fix)
    return found


def together(
    job: Job, everybody: Cohort, synthetic: Cohort, earlier: tuple[Earlier, ...]
) -> tuple[Cohort, Cohort, Cohort]:
    """Train, holdout and synthetic cohort of all releases at once.

    Whoever any of them has learnt from is a member; strangers are those that none has seen. The synthetic
    patients of all releases are pooled, as somebody would who holds them all.

    Privacy: internal only.
    """
    here = job.config.data.holdout
    splits = [(here, job.output), *((one.holdout, one.output) for one in earlier)]
    strangers = set(everybody.ids)
    for share, output in splits:
        strangers &= set(everybody.split(share, key=read_key(output.keys))[1].ids)
    out = np.array([name in strangers for name in everybody.ids])
    for one in earlier:
        labs = one.output.labs if one.output.labs.exists() else None
        synthetic = joined(synthetic, Cohort.read(job.schema, patients=one.output.patients, labs=labs))
    return everybody.take(np.flatnonzero(~out)), everybody.take(np.flatnonzero(out)), synthetic


def named(findings: tuple[Finding, ...], count: int) -> tuple[Finding, ...]:
    """The findings of a joint attack under names of their own; `count` releases were attacked together."""
    return tuple(
        replace(one, test=f"{one.test}-jointly", title=f"{one.title}, {count} releases together") for one in findings
    )


def _read(output: Output) -> Earlier:
    if not (output.release / "report.json").is_file() or not output.keys.is_file():
        raise _refused(output, "hold release/report.json and internal/split.key", "neither or one", "finish its run")
    return Earlier(output=output, document=read_document(output.release))


def _refused(output: Output, must: str, got: str, fix: str) -> CheckError:
    return CheckError(refusal(what=f"earlier release {output.out}", must=must, got=got, fix=fix))
