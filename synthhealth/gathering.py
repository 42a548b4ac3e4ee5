"""Gathers what the report is made from: ledger, account, findings, released files, versions, policy."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import version

from synthhealth import __version__, spending
from synthhealth.artifact import load
from synthhealth.audit.answer import audit_of
from synthhealth.findings_file import read_findings, read_portrait
from synthhealth.job import Job
from synthhealth.jointly import earlier_releases
from synthhealth.output import write_whole
from synthhealth.report.evidence import (
    BUILT_IN,
    Artefact,
    Commitment,
    EngineFacts,
    Evidence,
    Recipient,
    TrainingPractices,
)
from synthhealth.report.publish import OWN, SIGNATURES, listed
from synthhealth.runstate import FindingStep
from synthhealth.split_key import commitment, read_key

LIBRARIES = ("torch", "opacus", "dp-accounting", "diffprivlib", "numpy", "pandas", "scipy", "scikit-learn")
FINDING_STEPS: tuple[FindingStep, ...] = ("quality", "evaluate", "attack")
NO_PROMISE = TrainingPractices()


def gather(job: Job) -> Evidence:
    """The evidence of a finished run; the policy is copied beside the release as it was read.

    Privacy: internal only, because of the findings.
    """
    write_whole(job.output.policy, job.policy.content)
    asked, ledger_json = job.config.release, job.output.ledger.read_bytes()
    return Evidence(
        schema=job.schema,
        ledger_json=ledger_json,
        engine=EngineFacts(name=job.config.generator.engine, private=job.output.private, settings=_settings(job)),
        practices=BUILT_IN if job.output.private else NO_PROMISE,
        policy=job.policy,
        policy_recorded=job.state.policy,
        recipient=Recipient(
            tier=asked.recipient,
            name=asked.recipient_name,
            purpose=asked.purpose,
            onward_sharing_limited=asked.onward_sharing_limited,
        ),
        release_name=job.schema.name if asked.name == "" else asked.name,
        created_on=datetime.now(UTC).date(),
        versions=_versions(),
        files=released(job),
        findings=tuple(one for step in FINDING_STEPS for one in read_findings(job.output.findings(step))),
        population=spending.standing_of(job.population) if job.output.private else None,
        # the audit is about the plan of the fit, before anything was added for quality
        audit=audit_of(job.output.internal, load(job.output.model).ledger.encode()),
        commitment=_commitment(job),
        approved_by=asked.approved_by,
        together=tuple(one.line() for one in earlier_releases(job)),
        portrait=read_portrait(job.output.portrait),
    )


def released(job: Job) -> tuple[Artefact, ...]:
    """Every file of the release but the report's own, with its hash.

    Privacy: free; the files are synthetic or public.
    """
    root = job.output.release
    names = (name for name in listed(root) if name not in OWN and not name.startswith(f"{SIGNATURES}/"))
    return tuple(_artefact(name, (root / name).read_bytes()) for name in names)


def _artefact(name: str, content: bytes) -> Artefact:
    return Artefact(path=name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _settings(job: Job) -> tuple[tuple[str, str], ...]:
    return (
        ("seed of initialisation and sampling", f"{job.config.generator.seed}"),
        ("holdout share", f"{job.config.data.holdout:g}"),
        ("records a patient at most", f"{job.schema.privacy_unit.max_records}"),
    )


def _commitment(job: Job) -> Commitment:
    data = job.config.data
    tables = [data.patients] if data.labs is None else [data.patients, data.labs]
    return Commitment(hmac_sha256=commitment(read_key(job.output.keys), *tables), key_holder="the institution")


def _versions() -> tuple[tuple[str, str], ...]:
    libraries = ((name, version(name)) for name in LIBRARIES)
    return (("synthhealth", __version__), ("python", platform.python_version()), *libraries)
