"""Reads the cells of a column as words, numbers or dates, each cell by itself and never by what its neighbours are."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from privacy.schema import Code

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]
# Compared in lower case. A code or a test of such a name is recognised first: "Na" is sodium where the schema says so.
MISSING_WORDS = frozenset({"", ".", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none"})
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A column as `words` [u], each different, and the `place` [r] of every cell among them, -1 where it is null.

    Words are stripped and in Unicode form NFC, so that equal text compares as equal.
    """

    place: Places
    words: tuple[str, ...]

    @staticmethod
    def of(column: pd.Series) -> Words:
        """The words of `column`; a whole float is written as an integer, so that 7.0 and 7 are one word."""
        place, cells = pd.factorize(column)
        words = tuple(_word(cell) for cell in cells.tolist())
        return Words(place=np.asarray(place, dtype=np.int64), words=words)

    def among(self, names: Sequence[str]) -> Places:
        """The position in `names` of each cell's word, -1 for any other word or none, shape [r]."""
        positions = {_nfc(name): position for position, name in enumerate(names)}
        return self._spread([positions.get(word, -1) for word in self.words], -1)

    def told(self, of: Mapping[str, int], *, otherwise: int) -> Places:
        """What `of` says of each cell's word, `otherwise` for any other word or none, shape [r]."""
        return self._spread([of.get(word, otherwise) for word in self.words], otherwise)

    def codes(self, codes: Sequence[Code]) -> Places:
        """The position in `codes` of each cell, -1 for none; text codes compare as text, numeric codes as numbers."""
        by_text = {_nfc(code): place for place, code in enumerate(codes) if isinstance(code, str)}
        by_number = {float(code): place for place, code in enumerate(codes) if not isinstance(code, str)}
        found = [by_text.get(word, by_number.get(_number(word), -1)) for word in self.words]
        return self._spread(found, -1)

    @property
    def blank(self) -> Bools:
        """Where a cell is null, empty or one of the words for a missing value, shape [r]."""
        return self._spread([int(word.lower() in MISSING_WORDS) for word in self.words], 1).astype(np.bool_)

    def _spread(self, of_words: Sequence[int], of_null: int) -> Places:
        return np.array([*of_words, of_null], dtype=np.int64)[self.place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A column as `number` [r], NaN where a cell is no finite number, and where it is `blank` [r]."""

    number: Floats
    blank: Bools

    @staticmethod
    def of(column: pd.Series) -> Numbers:
        """The numbers of `column`: text by the grammar of decimal numbers with a point, anything else is none."""
        if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            blank = np.isnan(values)
        else:
            values, blank = _parsed(column)
        return Numbers(number=np.where(np.isfinite(values), values, np.nan), blank=blank)

    @property
    def bad(self) -> Bools:
        """Where a cell says something that is no finite number, shape [r]."""
        return np.isnan(self.number) & ~self.blank


def dates(column: pd.Series) -> NDArray[np.datetime64]:
    """The cells as instants in microseconds, NaT where they are no ISO 8601 date or time, shape [r].

    A time with an offset from UTC is brought to UTC; one without is taken as it stands.
    """
    place, cells = pd.factorize(column)
    different = pd.Series(cells)
    if not pd.api.types.is_datetime64_any_dtype(different.dtype):
        different = different.astype("string").str.strip()
    read = pd.to_datetime(different, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    known = np.append(read.to_numpy(dtype="datetime64[us]"), np.datetime64("NaT", "us"))
    return np.asarray(known[place])


def _word(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return _nfc(str(cell)).strip()


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _number(word: str) -> float:
    """The number a word stands for, NaN for none; true and false are 1 and 0, as many exports write flags."""
    if word.lower() in _TRUTH:
        return _TRUTH[word.lower()]
    return float(word) if re.fullmatch(_NUMBER, word) else math.nan


def _parsed(column: pd.Series) -> tuple[Floats, Bools]:
    """Text as (numbers, blank): Arrow reads 50 million cells where a loop would read a hundred thousand."""
    text = pc.utf8_trim_whitespace(pa.array(column.astype("string"), type=pa.large_string(), from_pandas=True))
    is_number = pc.fill_null(pc.match_substring_regex(text, _NUMBER), fill_value=False)
    values = pc.cast(pc.if_else(is_number, text, pa.scalar(None, pa.large_string())), pa.float64())
    words = pa.array(sorted(MISSING_WORDS), type=pa.large_string())
    blank = pc.or_(pc.is_null(text), pc.is_in(pc.utf8_lower(text), value_set=words))
    return values.to_numpy(zero_copy_only=False), blank.to_numpy(zero_copy_only=False).astype(bool)
