"""Conditions on synthetic patients: how they are written, checked and met, and drawing until enough meet them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.cohort import Cohort, Records
from privacy.errors import ConfigError, refusal
from privacy.randomness import public
from privacy.schema import Category, Schema

Condition = str | int | float | tuple[float, float] | list[str] | list[int] | list[str | int]
"""A code of a category column or a list of them, or for a number its value or the (lowest, highest) that is wanted."""

MIN_SHARE = 1e-4
_FIRST_DRAW = 2_000


def sample_where(
    draw: Callable[[int, int], Cohort], where: Mapping[str, Condition], *, schema: Schema, n: int, seed: int
) -> Cohort:
    """Exactly `n` patients of `draw(count, seed)` that meet every condition, numbered anew.

    Raises ConfigError for a column or code that the schema does not have, and when fewer than
    one patient in ten thousand meets the conditions.

    Privacy: free; conditions are met by rejection, which is post-processing.
    """
    check_conditions(schema, where)
    kept: list[Cohort] = []
    found, drawn, turn = 0, 0, 0
    while found < n:
        share = max(found, 1) / max(drawn, 1)
        count = int(np.clip(1.1 * (n - found) / share, _FIRST_DRAW, 200_000))
        lot = draw(count, int(public(seed, "conditions", f"{turn}").integers(2**62)))
        lot = lot.take(np.flatnonzero(meets(lot, where))[: n - found])
        kept.append(lot)
        found, drawn, turn = found + len(lot), drawn + count, turn + 1
        if found < MIN_SHARE * drawn and drawn * MIN_SHARE >= 1:
            raise ConfigError(
                refusal(
                    what=f"conditions on {', '.join(where)}",
                    must="be met by at least one synthetic patient in 10,000",
                    got=f"{found} in {drawn}",
                    fix="ask for a wider range, or for fewer conditions",
                )
            )
    return joined(kept)


def parse_conditions(words: tuple[str, ...]) -> Mapping[str, Condition]:
    """Conditions as they are typed: `sex=F`, `icu_type=Medical,Surgical`, `age=60` or `age=60..80`.

    Raises ConfigError for anything else.
    """
    found: dict[str, Condition] = {}
    for word in words:
        name, equals, text = word.partition("=")
        low, dots, high = text.partition("..")
        if not (name and equals and text):
            raise ConfigError(
                refusal(what="a condition", must="read column=value", got=f"{word!r}", fix="try sex=F or age=60..80")
            )
        try:
            found[name] = (float(low), float(high)) if dots else text.split(",") if "," in text else _typed(text)
        except ValueError as error:
            raise ConfigError(
                refusal(what=f"the range of {name!r}", must="be two numbers", got=f"{text!r}", fix=f"try {name}=60..80")
            ) from error
    return found


def _typed(text: str) -> Condition:
    try:
        return float(text)
    except ValueError:
        return text


def check_conditions(schema: Schema, where: Mapping[str, Condition]) -> None:
    """Raise ConfigError for a condition on a column or a code that the schema does not have."""
    for name, wanted in where.items():
        column = schema.columns.get(name)
        if column is None:
            raise ConfigError(
                refusal(
                    what=f"condition on {name!r}",
                    must="name a column of the schema",
                    got="no such column",
                    fix=f"choose among {', '.join(schema.columns)}",
                )
            )
        unknown = _codes(wanted) - {str(level) for level in column.levels} if isinstance(column, Category) else set()
        if isinstance(column, Category) and (unknown or not _codes(wanted)):
            raise ConfigError(
                refusal(
                    what=f"condition on {name!r}",
                    must="name its codes",
                    got=", ".join(map(repr, sorted(unknown))) or "none",
                    fix=f"choose among {', '.join(str(level) for level in column.levels)}",
                )
            )
        if not isinstance(column, Category) and isinstance(wanted, str | list):
            raise ConfigError(
                refusal(
                    what=f"condition on {name!r}", must="be a number or a range", got=f"{wanted!r}", fix="try 40..60"
                )
            )


def meets(cohort: Cohort, where: Mapping[str, Condition]) -> NDArray[np.bool_]:
    """Which patients meet every condition, shape [n]; a missing value meets none.

    Privacy: free on synthetic patients, internal only on real ones.
    """
    mask = np.ones(len(cohort), dtype=bool)
    for name, wanted in where.items():
        column = cohort.schema.columns[name]
        if isinstance(column, Category):
            codes = cohort.codes(name)
            mask &= (wanted_levels(column, wanted)[codes] > 0) & (codes >= 0)
        else:
            low, high = wanted_range(wanted)
            values = cohort.numbers(name)
            mask &= (values >= low) & (values <= high)
    return mask


def wanted_levels(column: Category, wanted: Condition) -> NDArray[np.float64]:
    """1 for each level of a category that a checked condition wants, else 0, shape [levels]."""
    codes = _codes(wanted)
    return np.array([float(str(level) in codes) for level in column.levels])


def wanted_range(wanted: Condition) -> tuple[float, float]:
    """The lowest and the highest number that a checked condition wants; TypeError for a list of codes."""
    if isinstance(wanted, tuple):
        return wanted
    if isinstance(wanted, list):
        raise TypeError("a list of codes is no range")
    return float(wanted), float(wanted)


def _codes(wanted: Condition) -> set[str]:
    """The codes of a condition as text; a whole float, as it is typed, is a whole number."""
    listed = wanted if isinstance(wanted, list) else [wanted]
    return {str(int(code)) if isinstance(code, float) and code.is_integer() else str(code) for code in listed}


def joined(parts: list[Cohort]) -> Cohort:
    """Several synthetic cohorts as one, in order, with identifiers numbered anew.

    Privacy: free; post-processing.
    """
    sizes = [len(part) for part in parts]
    offsets = np.concatenate(([0], np.cumsum(sizes)))[:-1]
    patients = pd.concat([part.patients for part in parts], ignore_index=True)
    width = len(str(sum(sizes)))
    patients["patient_id"] = [f"S{number:0{width}d}" for number in range(1, len(patients) + 1)]
    return Cohort(
        schema=parts[0].schema,
        patients=patients,
        records=Records.sorted(
            owner=np.concatenate([part.records.owner + start for part, start in zip(parts, offsets, strict=True)]),
            time=np.concatenate([part.records.time for part in parts]),
            test=np.concatenate([part.records.test for part in parts]),
            value=np.concatenate([part.records.value for part in parts]),
        ),
    )
