"""Everything about a cohort that is public: columns, bounds, codes, units, precision, constraints, the privacy unit."""

from __future__ import annotations

import hashlib
import math
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from privacy.errors import SchemaError, refusal
from privacy.formula import Formula
from privacy.schema_lines import locate

Code = int | str
OTHER = "OTHER"
MAX_CODES = 1000


class _Public(BaseModel):
    """A part of the schema: frozen, and a key it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ignored_types=(cached_property,))


class Category(_Public):
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
        if OTHER in self.codes:
            raise ValueError(f"codes must not hold {OTHER!r}; write other = true instead")
        return self

    @property
    def levels(self) -> tuple[Code, ...]:
        """The codes a value can take, OTHER last where it is allowed."""
        return (*self.codes, OTHER) if self.other else self.codes


class Number(_Public):
    """A bounded numeric column; values outside [low, high] are clipped, then rounded to `precision`.

    A `date` is read as a calendar date and kept as an offset in days from the index date.
    """

    kind: Literal["integer", "continuous", "date"]
    low: float
    high: float
    precision: float = Field(default=0.0, ge=0)
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"
    missing: bool = False
    label: str = ""

    @model_validator(mode="after")
    def _bounds(self) -> Number:
        _check_range(self.low, self.high, self.scale)
        if self.kind == "continuous" and self.precision == 0:
            raise ValueError("precision must be given for a continuous column (the step of its values, say 0.1)")
        if self.kind != "continuous" and self.precision != round(self.precision):
            raise ValueError("precision of an integer or date column must be a whole number")
        return self

    @property
    def step(self) -> float:
        """The granularity of the values, in the column's unit."""
        return self.precision if self.precision > 0 else 1.0


class Derived(_Public):
    """A column computed from others by a public formula; never measured, never paid for."""

    kind: Literal["derived"]
    formula: str
    precision: float = Field(default=0.0, ge=0)
    unit: str = ""
    label: str = ""

    @cached_property
    def parsed(self) -> Formula:
        """The formula as a tree of arithmetic, ready to be evaluated on columns."""
        return Formula.parse(self.formula)


Column = Annotated[Category | Number | Derived, Field(discriminator="kind")]


class Test(_Public):
    """A laboratory test or other numeric measurement: unit, public bounds, precision.

    A test with `codes` is categorical: its values are those numbers and nothing else.
    `units` maps another unit's name to the factor that turns it into `unit`.
    """

    __test__ = False

    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    precision: float = Field(default=0.0, ge=0)
    scale: Literal["linear", "log"] = "linear"
    codes: tuple[int, ...] = ()
    units: dict[str, float] = Field(default_factory=dict)
    loinc: str = ""
    label: str = ""

    @model_validator(mode="after")
    def _bounds(self) -> Test:
        if self.codes:
            if len(set(self.codes)) < len(self.codes):
                raise ValueError("codes must differ from one another")
            return self
        _check_range(self.low, self.high, self.scale)
        if self.precision == 0:
            raise ValueError("precision must be given (the step of the test's values, say 0.1)")
        if any(not math.isfinite(factor) or factor <= 0 for factor in self.units.values()):
            raise ValueError("units must map each unit's name to a positive factor")
        return self

    @property
    def step(self) -> float:
        """The granularity of the values, in the test's unit."""
        return 1.0 if self.codes else self.precision

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value the test can take."""
        return (float(min(self.codes)), float(max(self.codes))) if self.codes else (self.low, self.high)


class PrivacyUnit(_Public):
    """What one neighbour is: a patient, with all rows in all tables.

    `max_records` caps the lab records a patient contributes; records outside `window`
    (start included, end excluded, in the schema's time unit) are left out.
    """

    key: str = "patient_id"
    max_records: int = Field(ge=1, le=100_000)
    window: tuple[float, float]

    @model_validator(mode="after")
    def _window(self) -> PrivacyUnit:
        if self.window[0] >= self.window[1]:
            raise ValueError("window must be [start, end] with start below end")
        return self


class Order(_Public):
    """A public constraint between numeric columns: `before` is never above `after` where both are known."""

    kind: Literal["order"] = "order"
    before: str
    after: str


class Schema(_Public):
    """All that is public about a cohort, written by a person and never inferred from rows.

    Load it with `Schema.load`. Times of labs are offsets from the patient's index date in
    `time_unit`, cut down to multiples of `time_precision`. `cohort_size` is an approximate,
    non-secret number of patients. `end_of_followup` names a numeric column, in `time_unit`,
    after which a patient has no record.

    Privacy: free; reads no rows.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    cohort_size: int = Field(ge=20, le=1_000_000_000)
    time_unit: Literal["minutes", "hours", "days", "weeks"] = "hours"
    time_precision: float = Field(default=1.0, gt=0)
    outcomes: tuple[str, ...] = ()
    subgroups: tuple[str, ...] = ()
    end_of_followup: str | None = None
    index_date: str | None = None
    privacy_unit: PrivacyUnit
    columns: dict[str, Column] = Field(min_length=1)
    tests: dict[str, Test] = Field(default_factory=dict)
    constraints: tuple[Order, ...] = ()

    @staticmethod
    def load(path: str | Path) -> Schema:
        """Read a schema from a TOML file.

        Raises SchemaError, naming file and line, when the file breaks a rule.

        Privacy: free; reads no rows.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise SchemaError(
                refusal(
                    what=f"schema file {file}", must="exist", got="no such file", fix="check `schema` in the config"
                )
            ) from error
        except UnicodeDecodeError as error:
            raise SchemaError(
                refusal(what=f"schema file {file}", must="be UTF-8 text", got="other bytes", fix="save it as UTF-8")
            ) from error
        return Schema.parse(text, source=str(file))

    @staticmethod
    def parse(text: str, *, source: str = "schema") -> Schema:
        """Read a schema from TOML text; `source` is named in refusals.

        Privacy: free; reads no rows.
        """
        try:
            return Schema.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise SchemaError(f"{source}: not valid TOML: {error}") from error
        except ValidationError as error:
            raise SchemaError(_line_messages(text, error, source)) from error

    @model_validator(mode="after")
    def _names_hang_together(self) -> Schema:
        for name in (*self.columns, *self.tests):
            if not name.strip() or name != name.strip():
                raise ValueError(f"the name {name!r} must not be empty nor begin or end with a space")
        if self.privacy_unit.key in self.columns:
            raise ValueError(f"columns must not hold the privacy unit's key {self.privacy_unit.key!r}")
        self._check_uses()
        self._check_formulas()
        return self

    def _check_uses(self) -> None:
        for role, names in (("outcomes", self.outcomes), ("subgroups", self.subgroups)):
            for name in names:
                if name not in self.columns:
                    raise ValueError(f"{role} names {name!r}, which is no column of the schema")
        wanted = [("end_of_followup", self.end_of_followup)] if self.end_of_followup is not None else []
        wanted += [("constraints", name) for order in self.constraints for name in (order.before, order.after)]
        for role, name in wanted:
            if not isinstance(self.columns.get(name or ""), Number):
                raise ValueError(f"{role} names {name!r}, which is no integer, continuous or date column of the schema")
        if self.end_of_followup is not None:
            end = self.columns[self.end_of_followup]
            if isinstance(end, Number) and end.missing:
                raise ValueError(f"end_of_followup names {self.end_of_followup!r}, which may be missing")

    def _check_formulas(self) -> None:
        for name, column in self.columns.items():
            if isinstance(column, Derived):
                for parent in column.parsed.names:
                    if not isinstance(self.columns.get(parent), Number):
                        raise ValueError(f"the formula of {name!r} uses {parent!r}, which is no numeric column")

    @cached_property
    def free_columns(self) -> dict[str, Category | Number]:
        """The columns that are read and generated: all but the derived ones."""
        return {name: column for name, column in self.columns.items() if not isinstance(column, Derived)}

    @cached_property
    def derived_columns(self) -> dict[str, Derived]:
        """The columns computed by formula."""
        return {name: column for name, column in self.columns.items() if isinstance(column, Derived)}

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of the schema's content, independent of spacing and comments in its file."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def _check_range(low: float, high: float, scale: str) -> None:
    if low >= high:
        raise ValueError(f"low must be below high; got low = {low:g}, high = {high:g}")
    if scale == "log" and low < 0:
        raise ValueError(f"low must be at least 0 on a log scale; got {low:g}")


def _line_messages(text: str, error: ValidationError, source: str) -> str:
    """Every broken rule, each with the line of the schema file it stands on."""
    rows = []
    for item in error.errors():
        path = tuple(str(part) for part in item["loc"] if part not in ("categorical", "ordinal", "integer"))
        line = locate(text, path)
        what = item["msg"].removeprefix("Value error, ")
        rows.append(f"{source}, line {line}: {'.'.join(path) if path else 'schema'}: {what}")
    return "\n".join(rows)
