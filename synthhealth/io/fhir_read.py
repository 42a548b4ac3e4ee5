"""Reads FHIR R4 resources from a bulk export, one JSON object a line, into tables that admission takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from privacy.errors import DataError, refusal
from privacy.schema import Schema
from synthhealth.io.exchange import (
    AGE_COLUMN,
    DAYS_A_YEAR,
    MICROSECONDS,
    UCUM_TIME,
    Instants,
    Tables,
    offsets,
    sex_code,
    sex_column,
)
from synthhealth.io.fhir_write import ATTRIBUTE, LOINC, OFFSET, PATIENT_ID, TEST

Json = Mapping[str, object]
_NOT_RESULTS = frozenset({"entered-in-error", "cancelled", "registered"})


def read_fhir(schema: Schema, folder: Path) -> Tables:
    """The Patient, Observation and Encounter resources of every `*.ndjson` file in `folder`.

    A record's time is its offset extension, or its date less the patient's index date: the
    attribute that the schema names, else the start of the patient's first Encounter. Attributes
    are extensions, else sex comes from `gender` and age from `birthDate` and the index date.

    Raises DataError, naming file and line and never a cell.

    Privacy: internal only, when the resources are real.
    """
    export = _Export.empty(schema)
    files = sorted(folder.glob("*.ndjson"))
    if not files:
        raise DataError(
            refusal(
                what=f"the FHIR export {folder}",
                must="be a folder of .ndjson files",
                got="none",
                fix="name the folder that the bulk export wrote",
            )
        )
    for file in files:
        for resource in _resources(file):
            export.take(resource)
    return export.tables()


def _resources(file: Path) -> Iterator[Json]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                resource = json.loads(line)
            except (ValueError, RecursionError):  # other bytes than UTF-8 are a ValueError as well
                resource = None
            if not isinstance(resource, dict) or "resourceType" not in resource:
                raise DataError(
                    refusal(
                        what=f"{file.name}, line {number},",
                        must="be one FHIR resource in JSON",
                        got="other content",
                        fix="export it again; a line may be cut short",
                    )
                )
            yield resource


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """How a resource says which test it is: by our own code, by LOINC, or by its text."""

    schema: Schema
    loinc: Mapping[str, str]

    def test(self, code: Json) -> str:
        """The test's name, or whatever the resource calls it, which admission then counts as unknown."""
        codings = [_map(coding) for coding in _list(code, "coding")]
        for coding in codings:
            if coding.get("system") == TEST:
                return str(coding.get("display", coding.get("code", "")))
        for coding in codings:
            if coding.get("system") == LOINC and str(coding.get("code")) in self.loinc:
                return self.loinc[str(coding.get("code"))]
        told = [code.get("text"), *(coding.get(key) for coding in codings for key in ("display", "code"))]
        words = [str(word) for word in told if word]
        return next((word for word in words if word in self.schema.tests), words[0] if words else "")

    def unit(self, test: str, quantity: Json) -> str:
        """The spelling of the unit that the schema knows, else the one for people."""
        kind = self.schema.tests.get(test)
        known = () if kind is None else (kind.unit, *kind.units)
        spelt = [str(quantity[key]) for key in ("unit", "code") if key in quantity]
        return next((word for word in spelt if word in known), spelt[0] if spelt else "")


@dataclass(slots=True, kw_only=True)
class _Export:
    """What has been read so far."""

    schema: Schema
    names: _Names
    patients: dict[str, dict[str, object]] = field(default_factory=dict)
    born: dict[str, str] = field(default_factory=dict)
    starts: dict[str, list[str]] = field(default_factory=dict)
    records: list[tuple[str, str, float, object, object, str]] = field(default_factory=list)

    @staticmethod
    def empty(schema: Schema) -> _Export:
        loinc = {test.loinc: name for name, test in schema.tests.items() if test.loinc}
        return _Export(schema=schema, names=_Names(schema=schema, loinc=loinc))

    def take(self, resource: Json) -> None:
        """Keep what is needed of one resource; kinds that are not needed are passed over."""
        match resource["resourceType"]:
            case "Patient":
                self._patient(resource)
            case "Observation" if str(resource.get("status")) not in _NOT_RESULTS:
                self._observation(resource)
            case "Encounter":
                start = _map(resource.get("period")).get("start")
                if start is not None:
                    self.starts.setdefault(_subject(resource), []).append(str(start))

    def _patient(self, resource: Json) -> None:
        key = str(resource.get("id", ""))
        named = [_map(one) for one in _list(resource, "identifier")]
        own = [str(one.get("value", "")) for one in named if one.get("system") == PATIENT_ID]
        row: dict[str, object] = {self.schema.privacy_unit.key: own[0] if own else key}
        for extension in map(_map, _list(resource, "extension")):
            if extension.get("url") == ATTRIBUTE:
                parts = {str(part.get("url")): part for part in map(_map, _list(extension, "extension"))}
                row[str(_value(parts.get("name", {})))] = _cell(_value(parts.get("value", {})))
        sex = sex_column(self.schema)
        if sex is not None and sex not in row and "gender" in resource:
            row[sex] = sex_code(self.schema, str(resource["gender"]))
        self.born[key] = str(resource.get("birthDate", ""))
        self.patients[key] = row

    def _observation(self, resource: Json) -> None:
        time, date = _when(resource, self.schema.time_unit)
        subject = _subject(resource)
        for part in (resource, *map(_map, _list(resource, "component"))):
            quantity = _map(part.get("valueQuantity"))
            value = _cell(quantity.get("value", part.get("valueInteger")))
            if value is not None:
                test = self.names.test(_map(part.get("code")))
                self.records.append((subject, test, time, date, value, self.names.unit(test, quantity)))

    def tables(self) -> Tables:
        """Both tables, times as offsets."""
        keys = list(self.patients)
        index = self._index(keys)
        rows = pd.DataFrame(list(self.patients.values()))
        columns = [self.schema.privacy_unit.key, *self.schema.free_columns]
        if AGE_COLUMN in self.schema.free_columns and AGE_COLUMN not in rows and not np.isnat(index).all():
            born = _dates([self.born[key] for key in keys])
            days = offsets(index, born, "days")
            rows[AGE_COLUMN] = np.floor(days / DAYS_A_YEAR)
        # an attribute that nobody has is a column of missing cells, where the schema allows that
        for name in columns[1:]:
            if name not in rows and getattr(self.schema.columns[name], "missing", False):
                rows[name] = None
        rows = rows[[name for name in columns if name in rows]]
        return Tables(patients=rows, labs=self._labs(keys, index))

    def _index(self, keys: list[str]) -> Instants:
        """Each patient's index date, NaT where there is none, shape [n]."""
        named = self.schema.index_date
        stated = [self.patients[key].get(named) if named is not None else None for key in keys]
        first = [min(self.starts.get(key, [""])) for key in keys]
        return _dates([str(one) if one else start for one, start in zip(stated, first, strict=True)])

    def _labs(self, keys: list[str], index: Instants) -> pd.DataFrame:
        key = self.schema.privacy_unit.key
        labs = pd.DataFrame(self.records, columns=["subject", "test", "time", "date", "value", "unit"])
        place = pd.Series(np.arange(len(keys)), index=keys).reindex(labs["subject"]).to_numpy()
        dated = labs["date"].notna().to_numpy() & labs["time"].isna().to_numpy()
        if dated.any():
            labs.loc[dated, "time"] = self._offsets(labs[dated], place[dated], index)
        names = np.array([*(str(self.patients[one][key]) for one in keys), ""], dtype=object)
        labs.insert(0, key, names[np.where(np.isnan(place), len(keys), place).astype(np.int64)])
        return labs.drop(columns=["subject", "date"])

    def _offsets(self, dated: pd.DataFrame, place: np.ndarray, index: Instants) -> np.ndarray:
        whose = np.append(index, np.datetime64("NaT", "us"))
        theirs = whose[np.where(np.isnan(place), len(index), place).astype(np.int64)]
        if np.isnat(theirs).all():
            raise DataError(
                refusal(
                    what="the Observations' dates",
                    must="count from an index date of each patient",
                    got="no patient who has one",
                    fix="export the Encounter resources as well: the start of the first one is the index date",
                )
            )
        return offsets(_dates(dated["date"].tolist()), theirs, self.schema.time_unit)


def _dates(texts: list[str]) -> Instants:
    different, place = np.unique(np.array(texts, dtype=object).astype(str), return_inverse=True)
    read = pd.to_datetime(pd.Series(different), format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    return np.append(read.to_numpy(dtype="datetime64[us]"), np.datetime64("NaT", "us"))[place]


def _when(resource: Json, unit: str) -> tuple[float, object]:
    """The offset in `unit`, NaN where there is none, and the date, None where there is none."""
    for extension in map(_map, _list(_map(resource.get("_effectiveDateTime")), "extension")):
        if extension.get("url") == OFFSET:
            span = _map(extension.get("valueDuration"))
            unit_of = {code: name for name, code in UCUM_TIME.items()}.get(str(span.get("code")), unit)
            scale = 1.0 if unit_of == unit else MICROSECONDS[unit_of] / MICROSECONDS[unit]
            return _number(span.get("value")) * scale, None
    period = _map(resource.get("effectivePeriod")).get("start")
    return float("nan"), _cell(resource.get("effectiveDateTime", resource.get("effectiveInstant", period)))


def _cell(thing: object) -> str | float | None:
    """What can stand in a cell of a table: text or a number, None for anything else."""
    return thing if isinstance(thing, str | int | float) else None


def _number(thing: object) -> float:
    """A JSON number, NaN for anything else."""
    return float(thing) if isinstance(thing, int | float) and not isinstance(thing, bool) else float("nan")


def _subject(resource: Json) -> str:
    return str(_map(resource.get("subject")).get("reference", "")).rpartition("Patient/")[2]


def _value(part: Json) -> object:
    return next((value for key, value in part.items() if key.startswith("value")), None)


def _map(thing: object) -> Json:
    return thing if isinstance(thing, dict) else {}


def _list(thing: Json, key: str) -> list[object]:
    found = thing.get(key)
    return found if isinstance(found, list) else []
