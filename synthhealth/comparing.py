"""Several synthetic sets held against the same real patients: one table of measures with floor and ceiling."""

from __future__ import annotations

from pathlib import Path

from evaluation.finding import Estimate, Finding
from privacy.cohort import Cohort
from privacy.errors import ConfigError, DataError, refusal
from privacy.schema import Schema
from synthhealth.results import Compared, ComparedLine

FEWEST_SETS = 2


def read_sets(schema: Schema, folders: tuple[Path, ...]) -> tuple[Cohort, ...]:
    """The synthetic patients of each folder: `patients.csv` and, where there is one, `labs.csv`.

    Raises ConfigError for fewer than two folders, DataError where one holds no patients or breaks the schema's rules.

    Privacy: free; the sets are synthetic.
    """
    if len(folders) < FEWEST_SETS:
        raise ConfigError(
            refusal(
                what="--compare",
                must="be given for two synthetic sets or more",
                got=f"{len(folders)}",
                fix="name each folder: --compare out/release --compare other/release",
            )
        )
    return tuple(_read(schema, folder) for folder in folders)


def _read(schema: Schema, folder: Path) -> Cohort:
    patients, labs = folder / "patients.csv", folder / "labs.csv"
    if not patients.is_file():
        raise DataError(
            refusal(
                what=f"synthetic set {folder}",
                must="be a folder with patients.csv",
                got="none there",
                fix="name a release folder, or one that `sample --to` has written",
            )
        )
    return Cohort.read(schema, patients=patients, labs=labs if labs.is_file() else None)


def compared(folders: tuple[Path, ...], findings: tuple[tuple[Finding, ...], ...]) -> Compared:
    """One line a measure: every set's value, with floor and ceiling; measures without any number are left out.

    Privacy: internal only.
    """
    by_key = [{_key(finding): finding for finding in found} for found in findings]
    keys = dict.fromkeys(key for found in by_key for key in found)
    lines = (_line(key, tuple(found.get(key) for found in by_key)) for key in keys)
    return Compared(
        sets=tuple(str(folder) for folder in folders),
        lines=tuple(line for line in lines if any(value is not None for value in line.values)),
    )


def _key(finding: Finding) -> tuple[str, str, str, str]:
    return finding.family.value, finding.test, finding.title, finding.subject


def _line(key: tuple[str, str, str, str], found: tuple[Finding | None, ...]) -> ComparedLine:
    first = next(one for one in found if one is not None)
    return ComparedLine(
        family=key[0],
        title=key[2],
        subject=key[3],
        values=tuple(None if one is None else one.headline.value for one in found),
        low=tuple(None if one is None or one.headline.interval is None else one.headline.interval.low for one in found),
        high=tuple(
            None if one is None or one.headline.interval is None else one.headline.interval.high for one in found
        ),
        gaps=tuple(None if one is None else one.gap_closed for one in found),
        floor=_value(first.floor),
        ceiling=_value(first.ceiling),
    )


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value
