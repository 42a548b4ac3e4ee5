"""Each cell is read by itself, whatever type its column has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.cells import MISSING_WORDS, Numbers, Words, dates

NAN = float("nan")


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("7", 7.0),
        (" 7.50 ", 7.5),
        ("+1", 1.0),
        ("-0.5", -0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1E-2", 0.01),
        ("007", 7.0),
        ("1e30", 1e30),
        (">100", NAN),
        ("1,5", NAN),
        ("1 000", NAN),
        ("1_000", NAN),
        ("0x1F", NAN),
        ("inf", NAN),
        ("1e400", NAN),
        ("5 mg", NAN),
        ("--5", NAN),
        ("1e", NAN),
        ("\N{FULLWIDTH DIGIT ONE}", NAN),
        ("True", NAN),
    ],
)
def test_a_number_is_a_decimal_number_with_a_point(cell: str, number: float):
    read = Numbers.of(pd.Series([cell], dtype=object))
    np.testing.assert_array_equal(read.number, [number])
    assert not read.blank[0]
    assert read.bad[0] == np.isnan(number)


@pytest.mark.parametrize("cell", [*sorted(MISSING_WORDS), "NA", " NaN ", "NULL", None, NAN, pd.NA, pd.NaT])
def test_a_missing_cell_is_blank_and_not_bad(cell: object):
    column = pd.Series([cell, "1"], dtype=object)
    assert Numbers.of(column).blank.tolist() == [True, False]
    assert Numbers.of(column).bad.tolist() == [False, False]
    assert Words.of(column).blank.tolist() == [True, False]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2]),
        pd.Series([1.0, 2.0], dtype="float32"),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series(["1", "2"], dtype="category"),
        pd.Series([1, 2], dtype="category"),
        pd.Series(["1", "2"]),
        pd.Series([1, "2"], dtype=object),
        pd.Series([1.0, "2.0"], dtype=object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_the_type_of_a_column_makes_no_difference(column: pd.Series):
    assert Numbers.of(column).number.tolist() == [1.0, 2.0]
    assert Words.of(column).codes((2, 1)).tolist() == [1, 0]


def test_flags_are_numbers():
    assert Numbers.of(pd.Series([True, False])).number.tolist() == [1.0, 0.0]
    assert Numbers.of(pd.Series([True, None], dtype="boolean")).blank.tolist() == [False, True]
    assert Words.of(pd.Series(["TRUE", "false", "yes"])).codes((0, 1)).tolist() == [1, 0, -1]


def test_infinities_of_a_typed_column_are_bad():
    read = Numbers.of(pd.Series([np.inf, -np.inf, np.nan, 1.0]))
    assert read.bad.tolist() == [True, True, False, False]
    assert np.isnan(read.number[:3]).all()


def test_numeric_codes_compare_as_numbers_and_text_codes_as_text():
    words = Words.of(pd.Series(["1", "1.0", " 1 ", "01", "one", "1.5", "", "x"], dtype=object))
    assert words.codes((0, 1)).tolist() == [1, 1, 1, 1, -1, -1, -1, -1]
    assert words.codes(("0", "1")).tolist() == [1, -1, 1, -1, -1, -1, -1, -1]
    assert words.codes((1, "x")).tolist() == [0, 0, 0, 0, -1, -1, -1, 1]


def test_text_is_compared_in_one_unicode_form():
    composed, apart = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"
    assert Words.of(pd.Series([composed, apart])).among((apart,)).tolist() == [0, 0]
    assert Words.of(pd.Series([composed, apart])).codes((composed,)).tolist() == [0, 0]


def test_whole_floats_are_written_as_integers():
    assert Words.of(pd.Series([7.0, 7.5, np.nan])).words == ("7", "7.5")
    assert Words.of(pd.Series([7, 8])).words == ("7", "8")


def test_a_code_that_looks_missing_is_found_first():
    words = Words.of(pd.Series(["NA", "Na", "na"], dtype=object))
    assert words.among(("Na", "NA")).tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("cell", "instant"),
    [
        ("2024-01-05", "2024-01-05T00:00"),
        ("2024-01-05 06:30", "2024-01-05T06:30"),
        ("2024-01-05T06:30:15.5", "2024-01-05T06:30:15.5"),
        ("2024-01-05T06:30Z", "2024-01-05T06:30"),
        ("2024-01-05T06:30+02:00", "2024-01-05T04:30"),
        ("20240105", "2024-01-05T00:00"),
        ("05.01.2024", "NaT"),
        ("01/05/2024", "NaT"),
        ("2024-02-30", "NaT"),
        ("soon", "NaT"),
        ("", "NaT"),
        (None, "NaT"),
    ],
)
def test_a_date_is_iso_8601(cell: str | None, instant: str):
    read = dates(pd.Series([cell, "2000-01-01"], dtype=object))
    np.testing.assert_array_equal(read, np.array([instant, "2000-01-01"], dtype="datetime64[us]"))


def test_dates_of_a_typed_column_are_taken_as_they_are():
    stamps = pd.Series(pd.to_datetime(["2024-01-05 06:30", None]))
    np.testing.assert_array_equal(dates(stamps), np.array(["2024-01-05T06:30", "NaT"], dtype="datetime64[us]"))
    zoned = stamps.dt.tz_localize("Europe/Berlin")
    np.testing.assert_array_equal(dates(zoned), np.array(["2024-01-05T05:30", "NaT"], dtype="datetime64[us]"))


@given(st.lists(st.text(max_size=8) | st.floats().map(repr) | st.none(), min_size=1, max_size=12))
def test_a_cell_means_the_same_in_any_company(cells: list[str | None]):
    column = pd.Series(cells, dtype=object)
    together, words = Numbers.of(column), Words.of(column)
    for place in range(len(cells)):
        alone = column.iloc[[place]]
        np.testing.assert_array_equal(Numbers.of(alone).number, together.number[[place]])
        assert Numbers.of(alone).blank[0] == together.blank[place]
        assert Words.of(alone).blank[0] == words.blank[place]
        assert words.blank[place] == together.blank[place]
