"""Words that nothing the software prints or writes may say, outside quotations of law."""

from __future__ import annotations

import re

FORBIDDEN = re.compile(
    r"\b(compliant|certified|anonymous|anonymi[sz]ed|de-?identified|safe|no risk|cannot be re-identified|"
    r"guaranteed private|fully protected)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'<q class="quote">.*?</q>|"quotation":"(?:[^"\\]|\\.)*"', re.DOTALL)


def said(text: str) -> list[str]:
    """Forbidden words outside quotations of law, each with what stands around it."""
    plain = _QUOTED.sub("", text).replace("UNSAFE", "")
    return [plain[max(0, m.start() - 40) : m.end() + 20] for m in FORBIDDEN.finditer(plain)]
