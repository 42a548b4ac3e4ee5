"""Fills the templates: one HTML file for each edition, with no link to anything outside itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from synthhealth.report import reading
from synthhealth.report.account_figure import account_figure
from synthhealth.report.attack_figures import ceiling_figure, forest_figure, roc_figure
from synthhealth.report.dashboard import correlation_figure, lab_figures
from synthhealth.report.document import Common, InternalDocument, ReleaseDocument
from synthhealth.report.exact_figures import distance_figure, risk_figure
from synthhealth.report.figures import ledger_figure, odds_figure, profile_figure
from synthhealth.report.flow import flow_figure
from synthhealth.report.inner import FamilyTable, family_tables, gap_figure, said, worst
from synthhealth.report.wording import number


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One signature as the page prints it; `decision` is "signed" or "declined"."""

    role: str
    name: str
    decision: str
    on: str
    valid_until: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The words on top of every page, and whether every role has signed."""

    words: str
    signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The figures of one document; None where there is nothing to draw."""

    flow: Markup
    ledger: Markup
    profile: Markup | None
    ceiling: Markup | None
    odds: Markup | None
    forest: Markup | None
    account: Markup | None


def render_release(document: ReleaseDocument, *, digest: str, signed: tuple[Signed, ...] = ()) -> str:
    """The release edition as HTML; `digest` is the SHA-256 of its canonical JSON.

    Privacy: free; a release document holds nothing exact from real rows.
    """
    page = _environment().get_template("release.html.j2")
    return page.render(
        doc=document,
        num=_numbers(document),
        c=document.common,
        digest=digest,
        signed=signed,
        drawn=_drawn(document.common),
        edition="Release edition",
        mark=page_mark(document.common, signed, inside=False),
    )


def render_internal(document: InternalDocument, *, digest: str, signed: tuple[Signed, ...] = ()) -> str:
    """The internal edition as HTML.

    Privacy: internal only.
    """
    page = _environment().get_template("internal.html.j2")
    findings = tuple(item.finding for item in document.findings)
    tables: tuple[FamilyTable, ...] = family_tables(findings)
    return page.render(
        doc=document,
        num=_numbers(document),
        c=document.common,
        digest=digest,
        signed=signed,
        drawn=_drawn(document.common),
        edition="Internal edition",
        mark=page_mark(document.common, signed, inside=True),
        tables=tables,
        gaps=gap_figure(findings),
        roc=roc_figure(document.common.promise, findings),
        distances=distance_figure(findings),
        risks=risk_figure(findings),
        said=said,
        worst=worst(findings),
        portrait=document.portrait,
        tests=() if document.portrait is None else lab_figures(document.portrait),
        matrices=_matrices(document),
    )


def _matrices(document: InternalDocument) -> Markup | None:
    if document.portrait is None or document.portrait.correlations is None:
        return None
    return correlation_figure(document.portrait.correlations)


def page_mark(common: Common, signed: tuple[Signed, ...], *, inside: bool) -> Mark:
    """The line on top of every page: what is missing, and whether the page may leave."""
    roles = {box.role for box in common.sign_off}
    done = {s.role for s in signed if s.decision == "signed"} & roles
    words = ["INTERNAL: must not leave the institution"] if inside else []
    words += [common.header.stamp] if common.header.stamp != "" else []
    words.append("UNSIGNED" if len(done) == 0 else f"signed by {len(done)} of {len(roles)} roles")
    return Mark(words=" · ".join(words), signed=len(done) == len(roles))


def _drawn(common: Common) -> Drawn:
    return Drawn(
        flow=flow_figure(common.promise, common.lineage.engine),
        ledger=ledger_figure(common.ledger, common.promise),
        profile=profile_figure(common.promise) if common.promise.applies else None,
        ceiling=ceiling_figure(common.promise, common.attacks) if common.promise.applies else None,
        odds=None if common.odds is None else odds_figure(common.odds),
        forest=forest_figure(common.attacks),
        account=None if common.population is None else account_figure(common.population),
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthhealth.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(read=reading, css=Markup(_style()))  # noqa: S704  # our own style sheet
    return environment


def _numbers(document: ReleaseDocument | InternalDocument) -> Callable[[str, str], Markup]:
    told = json.loads(document.model_dump_json())

    def num(pointer: str, style: str) -> Markup:
        """The number at a JSON pointer, marked with where it comes from."""
        return marked(told, pointer, style)

    return num


def marked(told: object, pointer: str, style: str) -> Markup:
    """A `data` element that holds a number of the document and the pointer it can be checked by."""
    value = at_pointer(told, pointer)
    return Markup('<data value="{}" data-at="{}" data-as="{}">{}</data>').format(
        value, pointer, style, number(value, style)
    )


def wrong_numbers(html: str, document: ReleaseDocument) -> tuple[str, ...]:
    """Pointers of marked numbers in a page that are not the document's, or a word that there are none."""
    told = json.loads(document.model_dump_json())
    found = _MARKED.findall(html)
    wrong = tuple(pointer for pointer, style, shown in found if number(at_pointer(told, pointer), style) != shown)
    return wrong if len(found) > 0 else ("no marked number at all",)


_MARKED = re.compile(r'<data value="[^"]*" data-at="([^"]*)" data-as="([^"]*)">([^<]*)</data>')


def at_pointer(told: object, pointer: str) -> float:
    """The number at a JSON pointer (RFC 6901 without escapes); raises KeyError where there is none."""
    here = told
    for part in pointer.split("/")[1:]:
        if isinstance(here, list):
            here = here[int(part)]
        elif isinstance(here, dict):
            here = here[part]
        else:
            raise KeyError(pointer)
    if isinstance(here, bool) or not isinstance(here, int | float):
        raise KeyError(pointer)
    return here


@lru_cache(maxsize=1)
def _style() -> str:
    return (files("synthhealth.report") / "templates" / "page.css").read_text(encoding="utf-8")
