"""Prints the page as PDF with weasyprint, where it is installed."""

from __future__ import annotations

import logging
import re
from importlib.util import find_spec

from privacy.errors import ConfigError, refusal

# Attributes and style rules that could make a renderer fetch something.
_OUTSIDE = re.compile(
    r"""<[^>]*\b(?:src|srcset|href)=["'](?!#)|<[^>]*\bstyle=["'][^"']*url\(|<style>(?:(?!</style>).)*?(?:url\(|@import)""",
    re.DOTALL,
)


def pdf_is_possible() -> bool:
    """Whether weasyprint is installed."""
    return find_spec("weasyprint") is not None


def print_pdf(html: str) -> bytes:
    """The page as PDF, from the same HTML; nothing is fetched.

    Raises ConfigError when weasyprint is not installed, or the page names a resource outside itself.
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

    _refuse_outside(html)
    # It warns of every rule that is meant for screens only.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    page = weasyprint.HTML(string=html)  # type: ignore[no-untyped-call]  # it has no types
    printed: bytes = page.write_pdf()  # type: ignore[no-untyped-call]  # the same
    return printed


def _refuse_outside(html: str) -> None:
    found = _OUTSIDE.search(html)
    if found is not None:
        raise ConfigError(
            refusal(what="the report", must="name no outside resource", got=found[0][:60], fix="report it as a bug")
        )
