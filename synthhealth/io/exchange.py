"""What the exchange formats share: the made-up day zero, offsets from an index date, and the codes of sex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.schema import Category, Schema

Format = Literal["csv", "parquet", "fhir", "omop", "meds"]
Instants = NDArray[np.datetime64]
# Formats of calendar dates count every patient's offsets from this day: the same for all, it tells nothing.
DAY_ZERO = np.datetime64("2000-01-01T00:00:00", "us")
MICROSECONDS: Mapping[str, float] = {"minutes": 60e6, "hours": 3600e6, "days": 86400e6, "weeks": 604800e6}
UCUM_TIME: Mapping[str, str] = {"minutes": "min", "hours": "h", "days": "d", "weeks": "wk"}
SEX_COLUMNS = ("sex", "gender")
AGE_COLUMN = "age"
DAYS_A_YEAR = 365.25
_FEMALE, _MALE = frozenset({"f", "female", "w"}), frozenset({"m", "male"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """A patients' table and a long table of labs as they stand in a source, before admission.

    Privacy: internal only, when the rows are real.
    """

    patients: pd.DataFrame
    labs: pd.DataFrame | None


def instants(cohort: Cohort) -> Instants:
    """When each record was taken, counted from the made-up day zero, shape [r].

    Privacy: free; a per-record map.
    """
    span = np.rint(cohort.records.time * MICROSECONDS[cohort.schema.time_unit]).astype("timedelta64[us]")
    return np.asarray(DAY_ZERO + span)


def offsets(when: Instants, index: Instants, unit: str) -> NDArray[np.float64]:
    """`when` [r] as numbers of `unit` since `index` [r]; NaN where either is not known.

    Privacy: internal only, when the rows are real; a per-record map.
    """
    span = when.astype("datetime64[us]") - index.astype("datetime64[us]")
    return np.asarray(np.where(np.isnat(span), np.nan, span.astype(np.float64)) / MICROSECONDS[unit])


def iso(when: Instants) -> NDArray[np.object_]:
    """Instants as ISO 8601 text, seconds at least, shape [r]; few differ, and only those are formatted."""
    different, place = np.unique(when, return_inverse=True)
    whole = different == different.astype("datetime64[s]")
    texts = [
        np.datetime_as_string(one, unit="s" if is_whole else "us")
        for one, is_whole in zip(different, whole, strict=True)
    ]
    return np.array([*texts, ""], dtype=object)[place]


def sex_column(schema: Schema) -> str | None:
    """The schema's column of sex: a category named sex or gender with codes for both."""
    for name in SEX_COLUMNS:
        column = schema.columns.get(name)
        if isinstance(column, Category):
            return name
    return None


def sex_of(code: object) -> Literal["female", "male"] | None:
    """What a code of sex means, None where it is neither."""
    word = str(code).lower()
    if word in _FEMALE:
        return "female"
    return "male" if word in _MALE else None


def sex_code(schema: Schema, sex: str) -> str:
    """The schema's code for `female` or `male`, or the word itself where it has none."""
    name = sex_column(schema)
    column = None if name is None else schema.columns[name]
    for code in column.codes if isinstance(column, Category) else ():
        if sex_of(code) == sex:
            return str(code)
    return sex


def needed(module: str, *, extra: str) -> ModuleType:
    """A library of an optional extra; raises ConfigError, naming the extra, where it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            refusal(
                what=f"the package {module.split('.', maxsplit=1)[0]}",
                must="be installed for this format",
                got="none",
                fix=f'run pip install "synthhealth[{extra}]"',
            )
        ) from error
