"""Everything about a cohort that is public: columns, bounds, codes, units, precision, constraints, the privacy unit."""

from __future__ import annotations

import hashlib
import math
import tomllib
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from privacy.errors import SchemaError, refusal
from privacy.grid import Grid
from privacy.linked_codes import LinkedCodes, linked_codes
from privacy.notebook import html_table
from privacy.schema_formulas import check_formulas
from privacy.schema_lines import Problems, messages
from privacy.schema_parts import (
    MAX_CODES,
    OTHER,
    Category,
    Code,
    Column,
    Derived,
    DerivedTest,
    Number,
    Part,
    PrivacyUnit,
    Test,
)
from privacy.schema_rules import Combinations, Constraint, Implication, Order
from privacy.schema_rules_check import check_constraints, numeric

__all__ = [
    "MAX_CODES",
    "OTHER",
    "Category",
    "Code",
    "Column",
    "Combinations",
    "Derived",
    "DerivedTest",
    "Implication",
    "Number",
    "Order",
    "PrivacyUnit",
    "Schema",
    "Test",
]
PATIENT_ID = "patient_id"
PARTS = (PrivacyUnit, Category, Number, Derived, Test, DerivedTest, Order, Implication, Combinations)
LAB_COLUMNS = ("time", "test", "value", "unit")


class Schema(Part):
    """All that is public about a cohort, written by a person and never inferred from rows.

    Load it with `Schema.load`. Times of labs are offsets from the patient's index date in
    `time_unit`, cut down to multiples of `time_precision`. `cohort_size` is an approximate,
    non-secret number of patients. `end_of_followup` names a numeric column, in `time_unit`,
    after which a patient has no record. `index_date` names the patients' column with the date
    that all offsets count from; it is read and never kept.

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
    derived_tests: dict[str, DerivedTest] = Field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()

    @staticmethod
    def load(path: str | Path) -> Schema:
        """Read a schema from a TOML file.

        Raises SchemaError, naming file and line, when the file breaks a rule.

        Privacy: free; reads no rows.
        """
        file = Path(path)
        what = f"schema file {file}"
        try:
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise SchemaError(
                refusal(what=what, must="be UTF-8 text", got="other bytes", fix="save it as UTF-8")
            ) from error
        except OSError as error:
            raise SchemaError(
                refusal(
                    what=what, must="be a file that can be read", got="no such file", fix="check `schema` in the config"
                )
            ) from error
        return Schema.parse(text, source=str(file))

    @staticmethod
    def parse(text: str, *, source: str = "schema") -> Schema:
        """Read a schema from TOML text; `source` is named in refusals.

        Raises SchemaError, naming the line and the key, for text that is no TOML or breaks a rule.

        Privacy: free; reads no rows.
        """
        try:
            return Schema.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise SchemaError(f"{source}: not valid TOML: {error}") from error
        except ValidationError as error:
            keys = [key for part in (Schema, *PARTS) for key in part.model_fields]
            raise SchemaError(messages(text, error, source=source, keys=keys)) from error

    @model_validator(mode="after")
    def _hangs_together(self) -> Schema:
        problems = Problems()
        self._check_names(problems)
        self._check_uses(problems)
        check_constraints(self.columns, self.constraints, problems)
        self._check_window(problems)
        problems.raise_if_any()
        return self

    def _check_names(self, problems: Problems) -> None:
        for part, names in (
            ("columns", self.columns),
            ("tests", self.tests),
            ("derived_tests", self.derived_tests),
        ):
            for name in names:
                if not name.strip() or name != name.strip():
                    problems.add((part, name), f"the name {name!r} must not be empty nor begin or end with a space")
        for taken in (self.privacy_unit.key, PATIENT_ID):
            if taken in self.columns:
                problems.add(("columns", taken), f"columns must not hold the privacy unit's key {taken!r}")
        if self.privacy_unit.key in LAB_COLUMNS:
            problems.add(
                ("privacy_unit", "key"), f"key must not be one of {', '.join(LAB_COLUMNS)}, columns of the labs"
            )
        if self.index_date is not None and (
            self.index_date in self.columns or self.index_date == self.privacy_unit.key
        ):
            problems.add(
                ("index_date",),
                f"index_date names {self.index_date!r}, which must be a further column of the patients' table: "
                "it is read and never kept, so it is no column of the schema",
            )

    def _check_uses(self, problems: Problems) -> None:
        for role, names in (("outcomes", self.outcomes), ("subgroups", self.subgroups)):
            for name in names:
                if name not in self.columns:
                    problems.add((role,), f"{role} names {name!r}, which is no column of the schema")
        check_formulas(self.columns, self.tests, self.derived_tests, problems)
        if self.end_of_followup is None:
            return
        end = numeric(self.columns, "end_of_followup", self.end_of_followup, ("end_of_followup",), problems)
        if end is not None and end.missing:
            problems.add(
                ("end_of_followup",), f"end_of_followup names {self.end_of_followup!r}, which must not be missing"
            )

    def _check_window(self, problems: Problems) -> None:
        for key in ("max_records", "window"):
            if self.tests and key not in self.privacy_unit.model_fields_set:
                problems.add(("privacy_unit",), f"the key {key} is missing; it must be given where there are tests")
        for end in self.privacy_unit.window if "window" in self.privacy_unit.model_fields_set else ():
            if not math.isclose(self.times.cut(np.array(end)).item(), end):
                problems.add(
                    ("privacy_unit", "window"),
                    f"window must begin and end on multiples of time_precision ({self.time_precision:g}); got {end:g}",
                )

    def _repr_html_(self) -> str:
        """The schema as a notebook shows it."""
        lines = [
            *((name, *_described(column), getattr(column, "unit", "")) for name, column in self.columns.items()),
            *((name, *_described(test), test.unit) for name, test in (self.tests | self.derived_tests).items()),
        ]
        cap = f"at most {self.privacy_unit.max_records} records a patient"
        caption = f"schema {self.name}: about {self.cohort_size:,} patients, {cap}"
        return html_table(caption, ("column or test", "kind", "values", "unit"), lines)

    @property
    def free_columns(self) -> dict[str, Category | Number]:
        """The columns that are read and generated: all but the derived ones."""
        return {name: column for name, column in self.columns.items() if not isinstance(column, Derived)}

    @property
    def derived_columns(self) -> dict[str, Derived]:
        """The columns computed by formula."""
        return {name: column for name, column in self.columns.items() if isinstance(column, Derived)}

    @property
    def orders(self) -> tuple[Order, ...]:
        """The constraints that keep two numeric columns in order."""
        return tuple(rule for rule in self.constraints if isinstance(rule, Order))

    @property
    def code_rules(self) -> tuple[Implication | Combinations, ...]:
        """The constraints that say which codes stand beside one another."""
        return tuple(rule for rule in self.constraints if not isinstance(rule, Order))

    @property
    def linked(self) -> tuple[LinkedCodes, ...]:
        """The columns that `code_rules` tie together, and what is open in them."""
        return linked_codes(self.columns, self.code_rules)

    @property
    def reported(self) -> Schema:
        """The schema of what is written: the derived tests stand among the tests, behind those that are learnt."""
        if not self.derived_tests:
            return self
        tests = self.tests | {name: test.reported for name, test in self.derived_tests.items()}
        return self.model_copy(update={"tests": tests, "derived_tests": {}})

    @property
    def times(self) -> Grid:
        """The times a lab record can have, in `time_unit`: the window without its end, by `time_precision`."""
        start, end = self.privacy_unit.window
        return Grid(low=start, high=end - self.time_precision, step=self.time_precision)

    @property
    def sha256(self) -> str:
        """Fingerprint of the schema's content, independent of spacing and comments in its file."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def _described(part: Category | Number | Derived | Test | DerivedTest) -> tuple[str, str]:
    """The kind of a column or test, and what values it takes."""
    missing = " or missing" if getattr(part, "missing", False) else ""
    match part:
        case Category():
            return part.kind, ", ".join(map(str, part.levels)) + missing
        case Derived():
            return part.kind, part.formula
        case DerivedTest():
            return "derived test", part.formula
        case Number():
            return part.kind, f"{part.low:g} to {part.high:g} by {part.step:g}{missing}"
    low, high = part.bounds
    return "test", ", ".join(map(str, part.codes)) if part.codes else f"{low:g} to {high:g} by {part.step:g}"
