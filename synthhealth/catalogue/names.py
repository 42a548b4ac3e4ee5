"""Names of tests as laboratories write them, brought to one form, with the specimen told apart from the test."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta"}  # noqa: RUF001  # Greek letters in names of tests
_UMLAUTS = (("ae", "a"), ("oe", "o"), ("ue", "u"))
_SHORT: Mapping[str, str] = {
    "abs": "absolut",
    "anorg": "anorganisch",
    "bili": "bilirubin",
    "chol": "cholesterol",
    "dir": "direkt",
    "ges": "gesamt",
    "ind": "indirekt",
    "inorg": "inorganic",
    "rel": "relativ",
    "tot": "total",
    "vit": "vitamin",
}
_SPECIMENS: Mapping[str, str] = {
    **dict.fromkeys(("serum", "plasma", "ser", "serique", "serico", "serica", "sericum"), "serum"),
    **dict.fromkeys(("plasmatique", "plasmatico", "plasmatica", "suero"), "serum"),
    **dict.fromkeys(("blood", "blut", "vollblut", "sang", "sangre", "whole", "wb", "edta"), "blood"),
    **dict.fromkeys(("urin", "urine", "urinary", "urinaire", "urinaires", "urinario", "urinaria"), "urine"),
    **dict.fromkeys(("orina", "harn", "spontanurin", "spoturine"), "urine"),
    **dict.fromkeys(("csf", "liquor", "lcr", "lcs", "spinal", "cerebrospinal"), "csf"),
    **dict.fromkeys(("art", "arterial", "arteriell", "arteriel", "arterielle", "arteriale"), "arterial"),
    **dict.fromkeys(("ven", "venous", "venos", "veineux", "venoso", "veineuse"), "venous"),
    **dict.fromkeys(("cap", "kap", "capillary", "kapillar", "capillaire", "capilar"), "capillary"),
    **dict.fromkeys(("24h", "sammelurin", "24"), "collected"),
    **dict.fromkeys(("ascites", "aszites", "pleural", "pleura", "punktat", "synovial"), "fluid"),
    **dict.fromkeys(("stool", "stuhl", "feces", "fecal", "selles", "heces", "saliva", "speichel", "sweat"), "other"),
}
_NOISE = frozenset(
    (
        *("a", "an", "and", "au", "dans", "de", "del", "der", "des", "du", "el", "en", "et", "for", "im", "in", "la"),
        *("le", "les", "los", "no", "of", "the", "und", "von", "y", "automated", "conc", "concentration", "enzymatic"),
        *("enzymatisch", "jaffe", "kinetic", "kinetisch", "konzentration", "level", "levels", "measured", "number"),
        *("percent", "quant", "quantitativ", "quantitative", "result", "wert"),
    )
)
# Scandinavian and British prefixes: S-Kreatinin, P-Glucose, U-Sodium, B-Hb.
_PREFIX = re.compile(r"^(?P<letter>[SPUB])[-_](?=\w{2})")
_PREFIXES = {"S": "serum", "P": "serum", "U": "urine", "B": "blood"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name's `words` without specimen and without words that mean nothing; `specimen` is None where none is told."""

    words: tuple[str, ...]
    specimen: str | None

    @staticmethod
    def of(text: str) -> Name:
        """Read a name as it is written."""
        prefix = _PREFIX.match(text)
        specimen = _PREFIXES[prefix["letter"]] if prefix else None
        words = []
        for word in plain(text[prefix.end() :] if prefix else text).split():
            if word in _SPECIMENS:
                # arterial blood is arterial, whatever else is said of the specimen
                specimen = _SPECIMENS[word] if specimen in {None, "blood", "serum"} else specimen
            elif word not in _NOISE:
                words.append(_SHORT.get(word, word))
        return Name(words=tuple(words), specimen=specimen)

    @property
    def keys(self) -> tuple[str, str]:
        """The words run together as they stand, and in alphabetical order: total bilirubin is bilirubin total."""
        return "".join(self.words), "".join(sorted(self.words))


def plain(text: str) -> str:
    """Small letters and digits with single blanks: no accents, no umlauts, no signs, Greek letters by name."""
    word = "".join(_GREEK.get(letter, letter) for letter in text.lower()).replace("ß", "ss")
    word = "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
    for written, meant in _UMLAUTS:
        word = word.replace(written, meant)
    return " ".join(re.sub(r"[^a-z0-9]+", " ", word).split())


def parts(text: str) -> tuple[str, ...]:
    """What brackets, slashes, commas and semicolons set apart in a name."""
    return tuple(part.strip() for part in re.split(r"[()\[\]/,;|]+", text) if part.strip())
