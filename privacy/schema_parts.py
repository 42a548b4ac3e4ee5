"""The parts a schema is written with: columns, tests, constraints and the privacy unit, each checked by itself."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, field_validator, model_validator

from privacy.formula import Formula
from privacy.grid import Grid

Code = StrictInt | StrictStr
OTHER = "OTHER"
MAX_CODES = 1000
MAX_GRID = 1_000_000_000


class Part(BaseModel):
    """A part of the schema: frozen, and a key it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ignored_types=(cached_property,))


class Category(Part):
    """A column of public codes; `ordinal` codes are listed from low to high.

    An unknown code becomes OTHER where `other` is true, else missing where `missing` is true.
    """

    kind: Literal["categorical", "ordinal"]
    codes: tuple[Code, ...] = Field(min_length=1, max_length=MAX_CODES)
    other: bool = False
    missing: bool = False
    label: str = ""

    @model_validator(mode="after")
    def _codes_differ(self) -> Category:
        if len({str(code) for code in self.codes}) < len(self.codes):
            raise ValueError("codes must differ from one another")
        if any(str(code) != str(code).strip() or not str(code) for code in self.codes):
            raise ValueError("codes must not be empty nor begin or end with a space")
        if OTHER in self.codes:
            raise ValueError(f"codes must not hold {OTHER!r}; write other = true instead")
        return self

    @property
    def levels(self) -> tuple[Code, ...]:
        """The codes a value can take, OTHER last where it is allowed."""
        return (*self.codes, OTHER) if self.other else self.codes


class Number(Part):
    """A bounded numeric column; values outside [low, high] are clipped, then rounded to `precision`.

    A `date` is read as a calendar date and kept as an offset in days from the index date. With
    `bounds` "pay", [low, high] is a generous public range, and narrower bounds are bought.
    """

    kind: Literal["integer", "continuous", "date"]
    low: float
    high: float
    bounds: Literal["public", "pay"] = "public"
    precision: float = Field(default=0.0, ge=0)
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"
    missing: bool = False
    label: str = ""

    @model_validator(mode="after")
    def _bounds(self) -> Number:
        if self.kind == "continuous" and self.precision == 0:
            raise ValueError("precision must be given for a continuous column (the step of its values, say 0.1)")
        if self.kind != "continuous" and self.precision != round(self.precision):
            raise ValueError("precision of an integer or date column must be a whole number")
        _check_range(self.grid, self.scale)
        return self

    @property
    def step(self) -> float:
        """The granularity of the values, in the column's unit."""
        return self.precision if self.precision > 0 else 1.0

    @property
    def grid(self) -> Grid:
        """The values the column can take."""
        return Grid(low=self.low, high=self.high, step=self.step)


class Derived(Part):
    """A column computed from others by a public formula; never measured, never paid for."""

    kind: Literal["derived"]
    formula: str
    precision: float = Field(default=0.0, ge=0)
    unit: str = ""
    label: str = ""

    @model_validator(mode="after")
    def _formula_reads(self) -> Derived:
        if not self.parsed.names and not self.parsed.matches:
            raise ValueError(f"formula {self.formula!r} must use at least one column")
        return self

    @cached_property
    def parsed(self) -> Formula:
        """The formula as a tree of arithmetic, ready to be evaluated on columns."""
        return Formula.parse(self.formula)


Column = Annotated[Category | Number | Derived, Field(discriminator="kind")]


class Test(Part):
    """A laboratory test or other numeric measurement: unit, public bounds, precision.

    A test with `codes` is categorical: its values are those numbers and nothing else.
    `units` maps another unit's name to the factor that turns it into `unit`. The values of a patient
    never fall over time where it is `monotone` "rising", and never rise where it is "falling".
    """

    __test__ = False

    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    precision: float = Field(default=0.0, ge=0)
    scale: Literal["linear", "log"] = "linear"
    monotone: Literal["", "rising", "falling"] = ""
    codes: tuple[StrictInt, ...] = ()
    units: dict[str, float] = Field(default_factory=dict)
    loinc: str = ""
    omop: int = Field(default=0, ge=0)
    label: str = ""

    @field_validator("codes", mode="before")
    @classmethod
    def _whole(cls, codes: object) -> object:
        if isinstance(codes, list | tuple) and any(isinstance(code, str) for code in codes):
            raise ValueError(
                "codes of a test must be whole numbers; write results in words as numbers, say 1 for positive"
            )
        return codes

    @model_validator(mode="after")
    def _bounds(self) -> Test:
        self._check_units()
        if self.codes:
            if len(set(self.codes)) < len(self.codes):
                raise ValueError("codes must differ from one another")
            return self
        for bound in ("low", "high"):
            if bound not in self.model_fields_set:
                raise ValueError(f"{bound} must be given (or codes, for a test whose values are codes)")
        if self.precision == 0:
            raise ValueError("precision must be given (the step of the test's values, say 0.1)")
        _check_range(self.grid, self.scale)
        return self

    def _check_units(self) -> None:
        if any(not math.isfinite(factor) or factor <= 0 for factor in self.units.values()):
            raise ValueError("units must map each unit's name to a positive factor")
        if any(not name or name != name.strip() for name in self.units):
            raise ValueError("units must not hold a name that is empty or begins or ends with a space")
        if self.units.get(self.unit, 1.0) != 1.0:
            raise ValueError(f"units must not turn {self.unit!r} into itself with a factor other than 1")

    @property
    def step(self) -> float:
        """The granularity of the values, in the test's unit."""
        return 1.0 if self.codes else self.precision

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value the test can take."""
        return (float(min(self.codes)), float(max(self.codes))) if self.codes else (self.low, self.high)

    @property
    def grid(self) -> Grid:
        """The values the test can take; of a test with codes, those and the whole numbers between them."""
        low, high = self.bounds
        return Grid(low=low, high=high, step=self.step)


class DerivedTest(Part):
    """A test computed from other tests of the same draw and from the patient's columns; never learnt, never paid for.

    There is a result wherever all that the formula reads is there and the result lies within [low, high].
    """

    formula: str
    unit: str = ""
    low: float
    high: float
    precision: float = Field(gt=0)
    loinc: str = ""
    omop: int = Field(default=0, ge=0)
    label: str = ""

    @model_validator(mode="after")
    def _formula_reads(self) -> DerivedTest:
        if not self.parsed.names:
            raise ValueError(f"formula {self.formula!r} must use at least one test")
        _check_range(self.grid, "linear")
        return self

    @cached_property
    def parsed(self) -> Formula:
        """The formula as a tree of arithmetic, ready to be evaluated on draws."""
        return Formula.parse(self.formula)

    @property
    def grid(self) -> Grid:
        """The values the test can take."""
        return Grid(low=self.low, high=self.high, step=self.precision)

    @property
    def reported(self) -> Test:
        """The test as those see it who read its results."""
        told = self.model_dump(exclude={"formula"})
        return Test.model_validate(told)


class PrivacyUnit(Part):
    """What one neighbour is: a patient, with all rows in all tables.

    `max_records` caps the lab records a patient contributes; records outside `window`
    (start included, end excluded, in the schema's time unit) are left out. Both must be given
    where the schema names tests.
    """

    key: str = Field(default="patient_id", min_length=1)
    max_records: int = Field(default=1, ge=1, le=100_000)
    window: tuple[float, float] = (0.0, 1.0)

    @model_validator(mode="after")
    def _window(self) -> PrivacyUnit:
        if self.window[0] >= self.window[1]:
            raise ValueError("window must be [start, end] with start below end")
        return self


def _check_range(grid: Grid, scale: str) -> None:
    if grid.low >= grid.high:
        raise ValueError(f"low must be below high; got low = {grid.low:g}, high = {grid.high:g}")
    if scale == "log" and grid.low < 0:
        raise ValueError(f"low must be at least 0 on a log scale; got {grid.low:g}")
    if grid.size <= 1 or grid.size > MAX_GRID:
        raise ValueError(
            f"precision must leave between 2 and {MAX_GRID:,} values from low to high; "
            f"got low = {grid.low:g}, high = {grid.high:g}, precision = {grid.step:g}"
        )
