"""Target mixes: how many patients of each stratum make a balanced cohort, or one with a share that is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from privacy.cohort import Cohort
from privacy.errors import ConfigError, refusal
from privacy.randomness import public
from privacy.schema import Category, Code, Schema
from synthhealth.conditions import Condition

Mix = Mapping[str, Mapping[Code, float]]
_DUST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """`count` patients who meet `where`."""

    where: Mapping[str, Condition]
    count: int


def strata(
    schema: Schema, n: int, *, where: Mapping[str, Condition], balance: str | None = None, mix: Mix | None = None
) -> tuple[Stratum, ...]:
    """`n` patients under `where`, cut up so that they are balanced or mixed as asked, to the patient.

    `balance` names a category whose codes are all to stand equally often. `mix` gives for one
    category the share of some of its codes; the codes it does not name share the rest as the
    model has them.

    Raises ConfigError for columns that are no categories, unknown codes and shares above 1.

    Privacy: free; public wishes.
    """
    if balance is not None and mix is not None:
        raise _refused("balance and mix", "not be asked for together", "both", "leave one out")
    if balance is not None:
        column = _category(schema, balance)
        wanted = [code for code in column.codes if _allowed(where.get(balance), code)]
        mix = {balance: dict.fromkeys(wanted, 1 / max(len(wanted), 1))}
    if not mix:
        return (Stratum(where=where, count=n),)
    if len(mix) > 1:
        raise _refused("mix", "name one column", f"{len(mix)}", "mix one column, and put the others into `where`")
    ((name, shares),) = mix.items()
    column = _category(schema, name)
    _check_shares(column, name, shares)
    rest = [level for level in column.levels if str(level) not in {str(code) for code in shares}]
    left = max(0.0, 1 - sum(shares.values())) if rest else 0.0
    parts: list[tuple[dict[str, Condition], float]] = [({name: code}, share) for code, share in shares.items()]
    parts.append(({name: rest}, left))
    counts = _whole(n, [share for _, share in parts])
    return tuple(
        Stratum(where={**where, **part}, count=count)
        for (part, _), count in zip(parts, counts, strict=True)
        if count > 0
    )


def parse_mix(words: tuple[str, ...]) -> Mix | None:
    """A mix as it is typed: `died=1:0.2`, or `icu_type=Medical:0.5,Surgical:0.5`; None where nothing is typed.

    Raises ConfigError for anything else.
    """
    found: dict[str, dict[Code, float]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        try:
            pairs = [part.rpartition(":") for part in text.split(",")]
            found.setdefault(name, {}).update({code: float(share) for code, _, share in pairs if code})
        except ValueError:
            equals = ""
        if not (name and equals and found.get(name)):
            raise _refused("a mix", "read column=code:share", f"{word!r}", "try died=1:0.2")
    return found or None


def shuffled(cohort: Cohort, seed: int) -> Cohort:
    """The patients in another order, numbered anew, so that strata do not stand in blocks.

    Privacy: free; post-processing.
    """
    mixed = cohort.take(public(seed, "mix", "order").permutation(len(cohort)))
    return Cohort(
        schema=mixed.schema,
        patients=mixed.patients.assign(patient_id=cohort.patients["patient_id"]),
        records=mixed.records,
    )


def _category(schema: Schema, name: str) -> Category:
    column = schema.columns.get(name)
    if not isinstance(column, Category):
        known = ", ".join(name for name, column in schema.columns.items() if isinstance(column, Category))
        raise _refused(f"a mix by {name!r}", "name a category of the schema", "none", f"choose among {known}")
    return column


def _check_shares(column: Category, name: str, shares: Mapping[Code, float]) -> None:
    unknown = [str(code) for code in shares if str(code) not in {str(level) for level in column.levels}]
    if unknown:
        known = ", ".join(str(level) for level in column.levels)
        raise _refused(f"a mix by {name!r}", "name its codes", ", ".join(unknown), f"choose among {known}")
    total, everything = sum(shares.values()), len(shares) == len(column.levels)
    low = 1 - _DUST if everything else 0
    if any(not 0 <= share <= 1 for share in shares.values()) or not low <= total <= 1 + _DUST:
        must = "have shares that add up to 1" if everything else "have shares between 0 and 1 that add up to 1 at most"
        raise _refused(f"a mix by {name!r}", must, f"{total:g}", "correct them, 0.2 is 20 %")


def _allowed(wanted: Condition | None, code: Code) -> bool:
    if wanted is None:
        return True
    return str(code) in {str(one) for one in (wanted if isinstance(wanted, list) else [wanted])}


def _whole(n: int, shares: list[float]) -> list[int]:
    """Whole numbers that add up to `n`, each share's own or one more, by largest remainder."""
    exact = np.array(shares) / sum(shares) * n
    counts = np.array([math.floor(count + _DUST) for count in exact])
    for place in np.argsort(counts - exact, kind="stable")[: n - int(counts.sum())]:
        counts[place] += 1
    return [int(count) for count in counts]


def _refused(what: str, must: str, got: str, fix: str) -> ConfigError:
    return ConfigError(refusal(what=what, must=must, got=got, fix=fix))
