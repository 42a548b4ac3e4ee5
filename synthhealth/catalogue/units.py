"""Units as laboratories spell them, brought to UCUM; and what one unit is in another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

# Litres, decilitres and so on stand in UCUM as L, dL, mL, uL; spellings are compared after `_plain`.
_SPELLINGS: Mapping[str, str] = {
    "iu/l": "[IU]/L",
    "iu/ml": "[IU]/mL",
    "ui/l": "[IU]/L",
    "ui/ml": "[IU]/mL",
    "ie/l": "[IU]/L",
    "ie/ml": "[IU]/mL",
    "miu/l": "m[IU]/L",
    "mui/l": "m[IU]/L",
    "mie/l": "m[IU]/L",
    "miu/ml": "m[IU]/mL",
    "uiu/ml": "u[IU]/mL",
    "uui/ml": "u[IU]/mL",
    "kiu/l": "k[IU]/L",
    "u/l": "U/L",
    "e/l": "U/L",
    "mu/l": "mU/L",
    "uu/ml": "uU/mL",
    "mu/ml": "mU/mL",
    "u/ml": "U/mL",
    "ku/l": "kU/L",
    "ukat/l": "ukat/L",
    "nkat/l": "nkat/L",
    "meq/l": "meq/L",
    "mval/l": "meq/L",
    "mosm/kg": "mosm/kg",
    "mosmol/kg": "mosm/kg",
    "mosm/kgh2o": "mosm/kg",
    "mmhg": "mm[Hg]",
    "torr": "mm[Hg]",
    "kpa": "kPa",
    "mm/h": "mm/h",
    "mm/hr": "mm/h",
    "mm/1h": "mm/h",
    "ph": "[pH]",
    "%": "%",
    "l/l": "L/L",
    "percent": "%",
    "inr": "{INR}",
    "ratio": "{ratio}",
    "index": "{index}",
    "s": "s",
    "sec": "s",
    "sek": "s",
    "seconds": "s",
    "min": "min",
    "h": "h",
    "hours": "h",
    "d": "d",
    "days": "d",
    "weeks": "wk",
    "minutes": "min",
    "a": "a",
    "years": "a",
    "fl": "fL",
    "pg": "pg",
    "kg": "kg",
    "cm": "cm",
    "kg/m2": "kg/m2",
    "kg/m^2": "kg/m2",
    "cel": "Cel",
    "degc": "Cel",
    "°c": "Cel",
    "/min": "/min",
    "bpm": "/min",
    "10*3/ul": "10*3/uL",
    "k/ul": "10*3/uL",
    "thou/ul": "10*3/uL",
    "tsd/ul": "10*3/uL",
    "x10e3/ul": "10*3/uL",
    "10e3/ul": "10*3/uL",
    "/nl": "10*9/L",
    "gpt/l": "10*9/L",
    "giga/l": "10*9/L",
    "10*9/l": "10*9/L",
    "10e9/l": "10*9/L",
    "10*6/ul": "10*6/uL",
    "10e6/ul": "10*6/uL",
    "m/ul": "10*6/uL",
    "mio/ul": "10*6/uL",
    "mill/ul": "10*6/uL",
    "/pl": "10*12/L",
    "tpt/l": "10*12/L",
    "tera/l": "10*12/L",
    "10*12/l": "10*12/L",
    "10e12/l": "10*12/L",
    "/ul": "/uL",
    "/mm3": "/uL",
    "10*3/mm3": "10*3/uL",
    "10*6/mm3": "10*6/uL",
    "ml/min/1.73m2": "mL/min/{1.73_m2}",
    "ml/min/1.73m^2": "mL/min/{1.73_m2}",
    "ml/min/1.73qm": "mL/min/{1.73_m2}",
    "ml/min": "mL/min",
    "mg/g": "mg/g",
    "mg/gcrea": "mg/g",
    "mg/mmol": "mg/mmol",
    "mmol/mol": "mmol/mol",
    "mg/24h": "mg/(24.h)",
    "mg/d": "mg/(24.h)",
    "g/24h": "g/(24.h)",
    "g/d": "g/(24.h)",
    "ug/24h": "ug/(24.h)",
    "mmol/24h": "mmol/(24.h)",
    "mmol/d": "mmol/(24.h)",
    "umol/24h": "umol/(24.h)",
    "mg%": "mg/dL",
    "g%": "g/dL",
    "ug%": "ug/dL",
    "ug/mlfeu": "ug/mL{FEU}",
    "mg/lfeu": "mg/L{FEU}",
    "ng/mlfeu": "ng/mL{FEU}",
    "ug/lfeu": "ug/L{FEU}",
    "kg/l": "kg/L",
    "g/ml": "g/mL",
}
# A capital G or T means giga or tera, a small one gram: these are compared as they are written.
_AS_WRITTEN: Mapping[str, str] = {"G/l": "10*9/L", "G/L": "10*9/L", "T/l": "10*12/L", "T/L": "10*12/L"}
_AMOUNT = re.compile(r"(?P<what>[munpk]?(?:g|mol))/(?P<volume>[dmu]?l)")
_GREEK_MU = "\N{GREEK SMALL LETTER MU}"
_FEU = "{FEU}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A unit as a number of its kind's first unit: `size` of `kind`."""

    kind: str
    size: float


_PREFIX = {"": 1.0, "k": 1e3, "d": 1e-1, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_DAY = "/(24.h)"
# Kinds: g/L, mol/L, kat/L (1 U is 1 umol a minute), [IU]/L, meq/L, one/L, Pa, and those of a single unit.
_SIZES: Mapping[str, Size] = {
    "kat/L": Size(kind="catalytic", size=1.0),
    "[IU]/L": Size(kind="international", size=1.0),
    "[IU]/mL": Size(kind="international", size=1e3),
    "m[IU]/L": Size(kind="international", size=1e-3),
    "m[IU]/mL": Size(kind="international", size=1.0),
    "u[IU]/mL": Size(kind="international", size=1e-3),
    "k[IU]/L": Size(kind="international", size=1e3),
    "ukat/L": Size(kind="catalytic", size=1e-6),
    "nkat/L": Size(kind="catalytic", size=1e-9),
    "U/L": Size(kind="catalytic", size=1e-6 / 60),
    "mU/L": Size(kind="catalytic", size=1e-9 / 60),
    "U/mL": Size(kind="catalytic", size=1e-3 / 60),
    "mU/mL": Size(kind="catalytic", size=1e-6 / 60),
    "uU/mL": Size(kind="catalytic", size=1e-9 / 60),
    "kU/L": Size(kind="catalytic", size=1e-3 / 60),
    "/uL": Size(kind="number", size=1e6),
    "10*3/uL": Size(kind="number", size=1e9),
    "10*9/L": Size(kind="number", size=1e9),
    "10*6/uL": Size(kind="number", size=1e12),
    "10*12/L": Size(kind="number", size=1e12),
    "mm[Hg]": Size(kind="pressure", size=133.322387415),
    "kPa": Size(kind="pressure", size=1000.0),
    "%": Size(kind="fraction", size=0.01),
    "L/L": Size(kind="fraction", size=1.0),
    "s": Size(kind="time", size=1.0),
    "min": Size(kind="time", size=60.0),
    "h": Size(kind="time", size=3600.0),
    "meq/L": Size(kind="charge", size=1.0),
    "kg/L": Size(kind="mass", size=1e3),
    "g/mL": Size(kind="mass", size=1e3),
}


def ucum(unit: str) -> str | None:
    """The UCUM code of a unit as a laboratory spells it, None where it is not known.

    Privacy: free; a unit is public.
    """
    if unit.strip() in _AS_WRITTEN:
        return _AS_WRITTEN[unit.strip()]
    if unit in _SPELLINGS.values() or unit in _SIZES:
        return unit
    plain = _plain(unit)
    if plain in _SPELLINGS:
        return _SPELLINGS[plain]
    met = _AMOUNT.fullmatch(plain)
    return None if met is None else f"{met['what']}/{met['volume'][:-1]}L"


def factor(of: str, to: str, *, molar_mass: float | None = None, valence: int = 1) -> float | None:
    """What a value in the UCUM unit `of` is multiplied with to be in `to`; None where neither leads to the other.

    `molar_mass` in g/mol turns masses into amounts, `valence` equivalents into amounts.

    Privacy: free; units are public.
    """
    if of == to:
        return 1.0
    one, other = _size(of), _size(to)
    if one is None or other is None:
        return None
    if one.kind == other.kind:
        return one.size / other.size
    left, right = _moles(one, molar_mass, valence), _moles(other, molar_mass, valence)
    return None if left is None or right is None else left / right


def _moles(size: Size, molar_mass: float | None, valence: int) -> float | None:
    """A unit of concentration in mol/L."""
    match size.kind:
        case "amount":
            return size.size
        case "mass":
            return None if molar_mass is None else size.size / molar_mass
        case "charge":
            return size.size * 1e-3 / valence
    return None


def _size(code: str) -> Size | None:
    if code in _SIZES:
        return _SIZES[code]
    if code.endswith(_FEU):
        base = _size(code.removesuffix(_FEU))
        return None if base is None else Size(kind="fibrinogen equivalent", size=base.size)
    if code.endswith(_DAY):
        daily = _size(code.removesuffix(_DAY) + "/L")
        return None if daily is None else Size(kind=f"{daily.kind} a day", size=daily.size)
    met = _AMOUNT.fullmatch(code.removesuffix("L") + "l") if code.endswith("L") else None
    if met is None:
        return None
    what, volume = met["what"], met["volume"]
    stem, kind = ("mol", "amount") if what.endswith("mol") else ("g", "mass")
    return Size(kind=kind, size=_PREFIX[what.removesuffix(stem)] / _PREFIX[volume[:-1]])


def _plain(unit: str) -> str:
    """A unit without the differences that mean nothing: case, blanks, signs of micro, litres, powers of ten."""
    raised = re.sub(r"(?<=10)[\u00b9\u00b2\u00b3\u2070-\u2079]+", lambda met: f"^{met[0]}", unit)
    word = (
        unicodedata.normalize("NFKC", raised)
        .replace(_GREEK_MU, "u")
        .replace("\N{MULTIPLICATION SIGN}", "x")
        .replace("·", "*")
    )
    word = re.sub(r"[\s.](?!\d)", "", word).lower().replace("mcg", "ug").replace("litre", "l").replace("liter", "l")
    word = re.sub(r"^x?10[\^*]{1,2}(?=\d)", "10*", word)
    return re.sub(r"^x(?=10)", "", word)
