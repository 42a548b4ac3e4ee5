"""Findings on disk, exact and therefore internal, and their lines for the screen."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from evaluation.finding import Estimate, Finding
from evaluation.portrait import Portrait
from privacy.errors import CheckError, refusal
from synthhealth.output import write_whole
from synthhealth.results import FindingLine, Found

# An estimate may be infinite or not a number, for which JSON has no numeral of its own.
_FINDINGS = TypeAdapter(tuple[Finding, ...], config=ConfigDict(ser_json_inf_nan="strings"))

_PORTRAIT = TypeAdapter(Portrait)


def write_findings(path: Path, findings: tuple[Finding, ...]) -> None:
    """Keep findings for the report.

    Privacy: internal only.
    """
    write_whole(path, _FINDINGS.dump_json(findings, indent=2) + b"\n")


def read_findings(path: Path) -> tuple[Finding, ...]:
    """The findings that `write_findings` kept; none where the file is not there.

    Raises CheckError when the file is not one.

    Privacy: internal only.
    """
    if not path.exists():
        return ()
    try:
        return _FINDINGS.validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckError(
            refusal(
                what=f"findings file {path}",
                must="be as it was written",
                got="something else",
                fix="run the step that wrote it once more",
            )
        ) from error


def write_portrait(path: Path, drawn: Portrait) -> None:
    """Keep what the dashboard draws.

    Privacy: internal only.
    """
    write_whole(path, _PORTRAIT.dump_json(drawn) + b"\n")


def read_portrait(path: Path) -> Portrait | None:
    """What `write_portrait` kept; None where the file is not there.

    Raises CheckError when the file is not one.

    Privacy: internal only.
    """
    if not path.exists():
        return None
    try:
        return _PORTRAIT.validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckError(
            refusal(what=f"file {path}", must="be as it was written", got="something else", fix="run `evaluate` again")
        ) from error


def found(step: str, findings: tuple[Finding, ...], path: Path) -> Found:
    """What a step found, one line a finding.

    Privacy: internal only.
    """
    return Found(step=step, findings=tuple(_line(finding) for finding in findings), file=str(path))


def _line(finding: Finding) -> FindingLine:
    interval = finding.headline.interval
    return FindingLine(
        family=finding.family.value,
        title=finding.title,
        subject=finding.subject,
        value=finding.headline.value,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        floor=_value(finding.floor),
        ceiling=_value(finding.ceiling),
        verdict=finding.verdict.value,
        reason=finding.reason,
    )


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value
