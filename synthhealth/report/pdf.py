"""Prints the page as PDF with weasyprint, where it is installed."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from privacy.errors import ConfigError, refusal


def pdf_is_possible() -> bool:
    """Whether weasyprint is installed."""
    return find_spec("weasyprint") is not None


def print_pdf(html: str) -> bytes:
    """The page as PDF, from the same HTML; nothing is fetched.

    Raises ConfigError when weasyprint is not installed.
    """
    if not pdf_is_possible():
        raise ConfigError(
            refusal(
                what="a PDF report",
                must="have weasyprint",
                got="no such package",
                fix="pip install 'synthhealth[pdf]', or print report.html from a browser",
            )
        )
    import weasyprint

    # It warns of every rule that is meant for screens only.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    page = weasyprint.HTML(string=html, url_fetcher=_nothing)  # type: ignore[no-untyped-call]  # it has no types
    printed: bytes = page.write_pdf()  # type: ignore[no-untyped-call]  # the same
    return printed


def _nothing(url: str) -> None:
    """Refuse to fetch anything: the page is self-contained, and a link must not be followed."""
    raise ConfigError(refusal(what="the report", must="name no outside resource", got=url, fix="report it as a bug"))
