"""What the released columns look like from the public schema alone: identifiers, dates, places, high ages."""

from __future__ import annotations

import re

from privacy.schema import Number, Schema
from synthhealth.report.attack_parts import Structure

# The eighteen kinds of 45 CFR 164.514(b)(2)(i) that a column name can give away.
_DIRECT = re.compile(
    r"(^|[_\W])((first|last|sur|given|family|full|maiden)_?name|name|mrn|ssn|social_security|e?mail|phone|telephone|fax|"
    r"address|street|url|ip_?address|license|licence|passport|account_?(no|number)|device_?id|serial_?(no|number)|"
    r"insurance_?(no|number|id)|beneficiary|photo|fingerprint)($|[_\W])",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(^|[_\W])(zip|zipcode|postcode|postal_?code|city|town|county|village)($|[_\W])", re.IGNORECASE)
_AGE = re.compile(r"(^|[_\W])age($|[_\W])", re.IGNORECASE)
_OLD = 89


def structure(schema: Schema) -> tuple[Structure, ...]:
    """Four properties of the columns, each with the columns that have it.

    Privacy: free; reads names and bounds of the schema, no rows.
    """
    names = tuple(schema.columns)
    return (
        Structure(id="identifiers", title="columns named like a direct identifier", columns=_named(names, _DIRECT)),
        Structure(id="places", title="places smaller than a state", columns=_named(names, _PLACE)),
        Structure(id="dates", title="dates or times finer than a year", columns=_dates(schema)),
        Structure(id="high ages", title=f"ages above {_OLD}", columns=_high_ages(schema)),
    )


def _named(names: tuple[str, ...], pattern: re.Pattern[str]) -> tuple[str, ...]:
    return tuple(name for name in names if pattern.search(name) is not None)


def _dates(schema: Schema) -> tuple[str, ...]:
    return tuple(n for n, c in schema.columns.items() if isinstance(c, Number) and c.kind == "date")


def _high_ages(schema: Schema) -> tuple[str, ...]:
    return tuple(
        name
        for name, column in schema.columns.items()
        if isinstance(column, Number) and _AGE.search(name) is not None and column.high > _OLD
    )
