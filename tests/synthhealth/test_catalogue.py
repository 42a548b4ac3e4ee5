"""The catalogue agrees with itself, with LOINC's check digits and with an independent reading of UCUM."""

from __future__ import annotations

import csv
import math
import warnings
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.schema import Schema
from synthhealth.catalogue.entries import ATTRIBUTION, Entry, catalogue, check_digit, sources
from synthhealth.catalogue.matching import find
from synthhealth.catalogue.names import Name
from synthhealth.catalogue.schema_text import catalogue_text
from synthhealth.catalogue.units import factor, ucum

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ucumvert import PintUcumRegistry

EACH = pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.key)


def test_units_of_tumour_markers_are_no_activity() -> None:
    markers = [entry for entry in catalogue() if entry.unit == "U/mL"]
    assert len(markers) == 2
    assert [unit for entry in markers for unit in entry.units if "kat" in unit] == []
    assert find("CA 125", "ukat/L").doubt


@cache
def registry() -> PintUcumRegistry:
    return PintUcumRegistry()


def forty(name: str = "dictionary_of_forty.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()))


def test_there_are_enough_tests_and_each_stands_once() -> None:
    assert len(catalogue()) >= 120
    for name in ("key", "loinc", "name"):
        values = [getattr(entry, name) for entry in catalogue()]
        assert len(set(values)) == len(values), name


def test_check_digits_are_those_of_known_codes() -> None:
    assert [check_digit(code) for code in ("2160-0", "718-7", "98979-8", "48065-7")] == [0, 7, 8, 7]


@EACH
def test_a_line_agrees_with_itself(entry: Entry) -> None:
    number, _, digit = entry.loinc.partition("-")
    assert check_digit(number) == int(digit)
    assert entry.low < entry.high
    assert entry.scale == "linear" or entry.low >= 0
    assert entry.bounds_from in sources()
    assert entry.reference_from in sources()
    assert (entry.reference == ()) == (entry.reference_from == "none")
    for interval in entry.reference:
        ends = [end for end in (interval.low, interval.high) if end is not None]
        assert ends == sorted(ends)
        assert all(entry.low <= end <= entry.high for end in ends)
        assert ends
    # the lowest positive bound is no finer than the precision tells apart
    assert entry.precision < (entry.high - entry.low) / 10
    words = (f"low = {entry.low:g}", f"high = {entry.high:g}", f"precision = {entry.precision:g}")
    table = "\n".join(("[tests.x]", *words, f'scale = "{entry.scale}"'))
    Schema.parse(
        'name = "x"\ncohort_size = 100\n[privacy_unit]\nmax_records = 1\nwindow = [0, 1]\n[columns.a]\n'
        'kind = "integer"\nlow = 0\nhigh = 1\n' + table
    )


@EACH
def test_units_are_ucum_and_factors_are_right_and_invert(entry: Entry) -> None:
    assert ucum(entry.unit) == entry.unit
    for unit, printed in entry.units.items():
        assert 0.99e-3 <= printed <= 1.01e3
        if (unit, entry.unit) == ("[IU]/L", "U/L"):  # as laboratories write the activity of enzymes
            assert printed == 1
            continue
        there = factor(unit, entry.unit, molar_mass=entry.molar_mass, valence=entry.valence or 1)
        back = factor(entry.unit, unit, molar_mass=entry.molar_mass, valence=entry.valence or 1)
        assert there is not None
        assert back is not None
        assert math.isclose(there * back, 1)
        assert math.isclose(printed, there, rel_tol=1e-5)
        assert math.isclose(there, by_pint(unit, entry), rel_tol=1e-4)


def by_pint(unit: str, entry: Entry) -> float:
    """The factor as pint and a parser of UCUM find it."""
    one, other = (1 * registry().from_ucum(code) for code in (unit, entry.unit))
    quantity_of = type(one)  # from_ucum works in a registry of its own
    if unit == "meq/L":
        one = quantity_of(1 / (entry.valence or 1), "mmol/L")
    molar_mass = quantity_of(entry.molar_mass or 1, "g/mol")
    for quantity in (one, one * molar_mass, one / molar_mass):
        if quantity.is_compatible_with(other):
            return float(quantity.to(other.units).magnitude / other.magnitude)
    raise AssertionError(f"{unit} does not lead to {entry.unit}")


def test_every_unit_but_ph_is_read_by_a_parser_of_ucum() -> None:
    units = {unit for entry in catalogue() for unit in (entry.unit, *entry.units)} - {"[pH]"}
    assert len(units) > 30
    for unit in units:
        registry().from_ucum(unit)


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("µmol/l", "umol/L"),
        ("μmol/L", "umol/L"),  # the Greek letter beside the sign of micro
        ("mcg/dL", "ug/dL"),
        ("10³/µl", "10*3/uL"),
        ("x10^9/L", "10*9/L"),
        ("10E9/L", "10*9/L"),
        ("G/l", "10*9/L"),
        ("g/l", "g/L"),
        ("Tsd./µl", "10*3/uL"),
        ("mm Hg", "mm[Hg]"),
        ("IU/L", "[IU]/L"),
        ("mg/24 h", "mg/(24.h)"),
        ("mL/min/1.73 m²", "mL/min/{1.73_m2}"),
        ("furlong", None),
        ("", None),
    ],
)
def test_spellings_of_units(spelling: str, code: str | None) -> None:
    assert ucum(spelling) == code


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("dictionary_of_forty.csv", 35),
        ("dictionary_of_forty_more.csv", 34),  # written after the matching, which was not changed for it
    ],
)
def test_names_of_a_hospital_are_found_and_none_is_wrong_without_a_doubt(name: str, least: int) -> None:
    found = [(line, find(line["name"], line["unit"])) for line in forty(name)]
    sure = [(line, match) for line, match in found if not match.doubt]
    assert len(found) == 40
    assert [line["name"] for line, match in sure if match.entry is None or match.entry.loinc != line["loinc"]] == []
    assert len(sure) >= least


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Troponin", "ng/mL"),
        ("PCT", "%"),
        ("Vitamin D", "ng/mL"),
        ("1,25-OH-Vitamin D", "pg/mL"),
        ("free testosterone", "pg/mL"),
        ("HDL/LDL ratio", ""),
        ("LDL/HDL", ""),
        ("Protein/Creatinine", "mg/g"),
        ("CK-MB", "U/L"),
        ("PT", ""),
        ("T4", "ng/dL"),
        ("T3", "pg/mL"),
        ("Na im 24h-Urin", "mmol/d"),
        ("Amylase urine", "U/L"),
        ("Calcium corrected", "mg/dL"),
        ("Folate RBC", "ng/mL"),
        ("Lipoprotein(a)", "nmol/L"),
        ("Glucose tolerance 2h", "mg/dL"),
        ("sO2 (ven.)", "%"),
        ("Protein, pleural", "g/dL"),
        ("Hb A", "%"),
        ("Blorbs", "mg/dL"),
    ],
)
def test_what_could_be_something_else_is_doubted(name: str, unit: str) -> None:
    assert find(name, unit).doubt


@pytest.mark.parametrize(
    ("name", "unit", "key"),
    [
        ("U-Kreatinin", "mmol/L", "creatinine_urine"),
        ("P-Glucose", "mmol/L", "glucose"),
        ("Glucose (CSF)", "mg/dL", "glucose_csf"),
        ("Tg", "ng/mL", "thyroglobulin"),
        ("TG", "mg/dL", "triglyceride"),
        ("Neutrophils", "%", "neutrophils_percent"),
        ("Neutrophils", "10^9/L", "neutrophils"),
        ("Haemoglobin", "g/dL", "hemoglobin"),
        ("Total bilirubin", "umol/L", "bilirubin_total"),
        ("Bilirubin, total", "umol/L", "bilirubin_total"),
        ("Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", "creatinine"),
        ("2160-0", "mg/dL", "creatinine"),
        ("ALAT", "IU/L", "alt"),
    ],
)
def test_specimen_and_unit_decide(name: str, unit: str, key: str) -> None:
    match = find(name, unit)
    assert (match.entry.key if match.entry else None, match.doubt) == (key, "")


PRINTED = st.text(st.characters().filter(str.isprintable), max_size=30)


@given(name=PRINTED, unit=PRINTED)
def test_any_name_is_read_and_any_block_is_toml(name: str, unit: str) -> None:
    for line in catalogue_text(name, unit).text.splitlines():
        assert line == "" or line.startswith(("#", "[tests.", "unit", "low", "high", "precision", "scale", "loinc"))


def test_names_lose_what_means_nothing() -> None:
    assert Name.of("Hämatokrit (EDTA-Blut)") == Name(words=("hamatokrit",), specimen="blood")
    assert Name.of("γ-GT").words == ("gamma", "gt")  # noqa: RUF001  # as laboratories write it
    assert Name.of("Haemoglobin").words == Name.of("Hämoglobin").words


def test_the_licences_ask_for_these_words() -> None:
    root = Path(__file__).parents[2]
    assert "LOINC is copyright Regenstrief Institute, Inc." in ATTRIBUTION
    assert ATTRIBUTION in " ".join((root / "synthhealth/catalogue/NOTICE.txt").read_text(encoding="utf-8").split())
    assert ATTRIBUTION in " ".join((root / "docs" / "reference" / "catalogue.md").read_text(encoding="utf-8").split())
