"""Reads the report's fixed texts, clause map and hazards from the data files that hold them with their sources."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from synthhealth.report.accountability import Assumption, Clause, Hazard, SignBox, Term, Unprotected

Measured = Literal["guarantee", "attacks", "fidelity", "fairness"]
_HOW = {
    "primary": "primary text read",
    "secondary": "secondary source only",
    "unread": "not verified",
}


class _Text(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _ClauseRow(_Text):
    id: str
    source: str
    clause: str
    asks: str
    quotation: str
    evidence: str
    status: Literal["measured", "recorded", "awaiting a person", "out of scope"]
    link: str
    verified_on: date
    verified_how: Literal["primary", "secondary", "unread"]
    check: str = ""


class _ClauseFile(_Text):
    clause: tuple[_ClauseRow, ...]


class _Answer(_Text):
    answer: str
    status: Literal["measured", "by design", "awaiting a person", "open"]


class _HazardRow(_Answer):
    id: str
    hazard: str
    needs: Measured | None = None
    by_engine: dict[str, _Answer] = {}

    def of(self, engine: str, done: frozenset[Measured]) -> Hazard:
        if self.needs is not None and self.needs not in done:
            lacking = f"Not measured for this release. Where it is: {self.answer}"
            return Hazard(id=self.id, hazard=self.hazard, answer=lacking, status="open")
        said = self.by_engine.get(engine, self)
        return Hazard(id=self.id, hazard=self.hazard, answer=said.answer, status=said.status)


class _HazardFile(_Text):
    source: str
    verified_on: date
    hazard: tuple[_HazardRow, ...]


class _UnprotectedRow(_Text):
    what: str
    where: str
    origin: Literal["public source", "declared by the institution", "agreed with the recipient"]
    justification: str


class Texts(_Text):
    """The content of `texts.toml`."""

    verified_on: date
    legal: str
    not_promised: tuple[str, ...]
    not_fit_for: tuple[str, ...]
    triggers: tuple[str, ...]
    assumption: tuple[Assumption, ...]
    unprotected: tuple[_UnprotectedRow, ...]
    sign: tuple[SignBox, ...]
    term: tuple[Term, ...]

    def public_inputs(self, approved_by: str) -> tuple[Unprotected, ...]:
        """The unprotected quantities with the name of the person who approved them."""
        return tuple(Unprotected(**row.model_dump(), approved_by=approved_by) for row in self.unprotected)

    def boxes(self, roles: tuple[str, ...]) -> tuple[SignBox, ...]:
        """The sign-off boxes of these roles, in their order."""
        found = {box.role: box for box in self.sign}
        return tuple(found[role] for role in roles)


@lru_cache(maxsize=1)
def texts() -> Texts:
    """The fixed texts."""
    return Texts.model_validate(tomllib.loads(_read("texts.toml")))


def hazards(engine: str, done: frozenset[Measured]) -> tuple[Hazard, ...]:
    """The hazards of NIST SP 800-226, in order, with the answers that hold for this engine and what was measured."""
    rows = _HazardFile.model_validate(tomllib.loads(_read("hazards.toml"))).hazard
    return tuple(row.of(engine, done) for row in rows)


def clauses(not_measured: frozenset[str]) -> tuple[Clause, ...]:
    """The clause map; a row whose check is among `not_measured` waits for a person."""
    rows = _ClauseFile.model_validate(tomllib.loads(_read("clauses.toml"))).clause
    return tuple(_clause(row, waits=row.check in not_measured) for row in rows)


def _clause(row: _ClauseRow, *, waits: bool) -> Clause:
    return Clause(
        id=row.id,
        source=row.source,
        clause=row.clause,
        asks=row.asks,
        quotation=row.quotation,
        evidence=row.evidence,
        status="awaiting a person" if waits else row.status,
        link=row.link,
        verified_on=row.verified_on.isoformat(),
        verified_how=_HOW[row.verified_how],
    )


def _read(name: str) -> str:
    return (files("synthhealth.report") / "data" / name).read_text(encoding="utf-8")
