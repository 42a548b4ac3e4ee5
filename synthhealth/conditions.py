"""Sampling under conditions: draw, keep the synthetic patients that meet them, draw again until there are enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.cohort import Cohort, Records
from privacy.errors import ConfigError, refusal
from privacy.randomness import public
from privacy.schema import Category, Schema

Condition = str | int | float | tuple[float, float]
"""A code of a category column, or for a number its value or the (lowest, highest) that is wanted."""

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
    """Conditions as they are typed: `sex=F`, `age=60` or `age=60..80`.

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
            found[name] = (float(low), float(high)) if dots else _typed(text)
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
    """Refuse a condition on a column or a code that the schema does not have."""
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
        if isinstance(column, Category) and str(wanted) not in {str(level) for level in column.levels}:
            raise ConfigError(
                refusal(
                    what=f"condition on {name!r}",
                    must="name one of its codes",
                    got=f"{wanted!r}",
                    fix=f"choose among {', '.join(str(level) for level in column.levels)}",
                )
            )
        if not isinstance(column, Category) and isinstance(wanted, str):
            raise ConfigError(
                refusal(
                    what=f"condition on {name!r}", must="be a number or a range", got=f"{wanted!r}", fix="try 40..60"
                )
            )


def meets(cohort: Cohort, where: Mapping[str, Condition]) -> NDArray[np.bool_]:
    """Which patients meet every condition, shape [n]; a missing value meets none."""
    mask = np.ones(len(cohort), dtype=bool)
    for name, wanted in where.items():
        column = cohort.schema.columns[name]
        if isinstance(column, Category):
            levels = [str(level) for level in column.levels]
            mask &= cohort.codes(name) == levels.index(str(wanted))
        else:
            low, high = wanted if isinstance(wanted, tuple) else (float(wanted), float(wanted))
            values = cohort.numbers(name)
            mask &= (values >= low) & (values <= high)
    return mask


def joined(parts: list[Cohort]) -> Cohort:
    """Several synthetic cohorts as one, in order, with identifiers numbered anew."""
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
