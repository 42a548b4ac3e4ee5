"""The parts of the report that people answer for: public inputs, hazards, assumptions, clauses, sign-off, words."""

from __future__ import annotations

from typing import Literal

from synthhealth.report.parts import Part


class Unprotected(Part):
    """A public input that shaped the release outside epsilon."""

    what: str
    where: str
    origin: Literal["public source", "declared by the institution", "agreed with the recipient"]
    justification: str
    approved_by: str


class Hazard(Part):
    """One hazard of NIST SP 800-226 and the answer."""

    id: str
    hazard: str
    answer: str
    status: Literal["measured", "by design", "awaiting a person", "open"]


class Assumption(Part):
    """Something the promise rests on: who owns it and what follows when it fails."""

    assumption: str
    owner: str
    consequence: str


class Clause(Part):
    """One requirement of a law or guideline and where its evidence stands."""

    id: str
    source: str
    clause: str
    asks: str
    quotation: str
    evidence: str
    status: Literal["measured", "recorded", "awaiting a person", "out of scope"]
    link: str
    verified_on: str
    verified_how: str


class SignBox(Part):
    """One sentence for one role to sign or to decline."""

    role: str
    title: str
    sentence: str
    basis: str


class Term(Part):
    """A word of this report explained."""

    term: str
    meaning: str
