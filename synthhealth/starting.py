"""Starts a project: a commented config and schema to fill in, tests taken from a data dictionary if there is one."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from privacy.errors import ConfigError, refusal
from privacy.schema import Schema
from synthhealth.config import CONFIG_FILE
from synthhealth.output import write_whole
from synthhealth.results import Started

SCHEMA_FILE = "schema.toml"
_NEEDED = ("test", "unit", "low", "high")
_WIDE = 100.0  # bounds that differ by this factor or more ask for bins of equal ratio
_STEPS = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryTest:
    """One line of a data dictionary: a test with its public bounds."""

    name: str
    unit: str
    low: float
    high: float
    precision: float | None

    @property
    def scale(self) -> str:
        """`log` for bounds of a hundredfold or more, else `linear`."""
        return "log" if self.low > 0 and self.high / self.low >= _WIDE else "linear"

    @property
    def step(self) -> float:
        """The precision, or a power of ten guessed from the bounds, at most 1."""
        if self.precision is not None:
            return self.precision
        width = self.low if self.scale == "log" else (self.high - self.low) / _STEPS
        return float(min(1.0, 10.0 ** math.floor(math.log10(width) + 1e-9)))

    def toml(self) -> str:
        """The test as a table of a schema."""
        guessed = "" if self.precision is not None else "  # guessed from the bounds: correct it"
        # a JSON string is a TOML string as well
        lines = [f"[tests.{json.dumps(self.name, ensure_ascii=False)}]"]
        lines.append(f"unit = {json.dumps(self.unit, ensure_ascii=False)}")
        lines += [f"low = {self.low:g}", f"high = {self.high:g}"]
        lines.append(f"precision = {self.step:g}{guessed}")
        if self.scale == "log":
            lines.append('scale = "log"')
        return "\n".join(lines) + "\n"


def start(folder: Path, *, tests: Path | None = None) -> Started:
    """Write config and schema into `folder`; refuses to touch files that are there.

    `tests` is a CSV with the columns test, unit, low, high and, where known, precision.

    Privacy: free; reads no rows.
    """
    schema = _starter(SCHEMA_FILE)
    if tests is not None:
        schema = schema[: schema.index("[tests.")] + "\n".join(test.toml() for test in read_dictionary(tests))
        Schema.parse(schema, source=f"schema made from {tests.name}")
    wanted = {folder / CONFIG_FILE: _starter(CONFIG_FILE), folder / SCHEMA_FILE: schema}
    for path in wanted:
        if path.exists():
            raise ConfigError(
                refusal(
                    what=f"file {path}",
                    must="not be there yet",
                    got="one",
                    fix="start in another folder, or move it away",
                )
            )
    for path, text in wanted.items():
        write_whole(path, text)
    return Started(
        files=tuple(str(path) for path in wanted),
        next_steps=(
            f"Go to {folder} and put your tables there, as patients.csv and labs.csv.",
            f"Describe them in {SCHEMA_FILE}: from the data dictionary, never from the rows.",
            f"Set the budget in {CONFIG_FILE}.",
            "synthhealth plan: what it will cost, before any row is read.",
            "synthhealth check: whether the tables keep the schema's rules.",
            "synthhealth run: everything, up to the report.",
        ),
    )


def read_dictionary(path: Path) -> tuple[DictionaryTest, ...]:
    """The tests of a data dictionary; raises ConfigError, naming the line, where one cannot be read.

    Privacy: free; a dictionary is public.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise ConfigError(
            refusal(what=f"dictionary {path}", must="be a CSV in UTF-8", got="none", fix="check the path")
        ) from error
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise ConfigError(
            refusal(
                what=f"dictionary {path}",
                must=f"have the columns {', '.join(_NEEDED)}",
                got=f"none named {', '.join(missing)}",
                fix="name them so in its first line",
            )
        )
    return tuple(_line(row, f"{path}, line {number}") for number, row in enumerate(rows, 2))


def _line(row: dict[str, str], place: str) -> DictionaryTest:
    try:
        given = (row.get("precision") or "").strip()
        test = DictionaryTest(
            name=row["test"].strip(),
            unit=row["unit"].strip(),
            low=float(row["low"]),
            high=float(row["high"]),
            precision=float(given) if given else None,
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{place}: low, high and precision must be numbers") from error
    if not test.low < test.high:
        raise ConfigError(f"{place}: low must be below high; got {test.low:g} and {test.high:g}")
    return test


def _starter(name: str) -> str:
    return (files("synthhealth") / "starters" / name).read_text(encoding="utf-8")
