"""Hypothesis strategies for the nouns of the house: schemas, raw tables as hospitals send them, cohorts, neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.record_rules import over_time
from privacy.schema import Category, Combinations, DerivedTest, Implication, Number, Order, PrivacyUnit, Schema, Test

STEPS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
# What stands in real tables where a value should stand.
ODD_CELLS = (
    *("", " ", "NA", "nan", "None", "null", ".", "-", "?"),
    *("inf", "-inf", "1e30", "-1e30", "1e400", "0", "-0", "-0.0", "+1", "007", "1.0", "1.", ".5"),
    *(">100", "<0.1", "1,5", "1 000", "1_000", "0x1F", "5 mg", "12:30", "2024-02-30", "2024-01-05", "2024-01-05T10:00"),
    *(
        "OTHER",
        "positive",
        "\N{MICRO SIGN}g",
        "e\N{COMBINING ACUTE ACCENT}",
        "a\nb",
        'a"b',
        "a,b",
        "\N{FULLWIDTH DIGIT ONE}",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """A patients' and a labs' table as text, before admission."""

    patients: pd.DataFrame
    labs: pd.DataFrame


@st.composite
def numbers(draw: st.DrawFn, *, missing: bool | None = None) -> Number:
    """A numeric column with few or many values on its grid."""
    kind = draw(st.sampled_from(["integer", "continuous"]))
    step = draw(st.sampled_from(STEPS)) if kind == "continuous" else 1.0
    first = draw(st.integers(-50, 50))
    return Number(
        kind=kind,
        low=_decimal(first * step),
        high=_decimal((first + draw(st.integers(1, 400))) * step),
        precision=step,
        missing=draw(st.booleans()) if missing is None else missing,
    )


@st.composite
def categories(draw: st.DrawFn) -> Category:
    """A column of text or numeric codes."""
    codes = draw(
        st.one_of(
            st.lists(st.sampled_from(["F", "M", "x", "NA", "é", "a b"]), min_size=1, max_size=4, unique=True),
            st.lists(st.integers(-2, 9), min_size=1, max_size=4, unique=True),
        )
    )
    kind = draw(st.sampled_from(["categorical", "ordinal"]))
    return Category(kind=kind, codes=tuple(codes), other=draw(st.booleans()), missing=draw(st.booleans()))


@st.composite
def lab_tests(draw: st.DrawFn) -> Test:
    """A numeric or a coded test."""
    monotone = draw(st.sampled_from(["", "", "rising", "falling"]))
    if draw(st.integers(0, 3)) == 0:
        codes = draw(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True))
        return Test(codes=tuple(codes), monotone=monotone)
    step = draw(st.sampled_from(STEPS))
    first = draw(st.integers(0, 20))
    last = first + draw(st.integers(1, 500))
    low, high = _decimal(first * step), _decimal(last * step)
    return Test(unit="u", low=low, high=high, precision=step, units={"10u": 10.0}, monotone=monotone)


def _decimal(bound: float) -> float:
    """A bound as a person writes it: 0.15, where three steps of 0.05 are 0.15000000000000002."""
    return round(bound, 6)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """A schema with one to five columns, up to three tests, and every optional role sometimes taken."""
    columns: dict[str, Category | Number] = {
        f"c{place}": column
        for place, column in enumerate(draw(st.lists(st.one_of(numbers(), categories()), min_size=1, max_size=4)))
    }
    end = draw(st.none() | st.just("end"))
    if end is not None:
        columns[end] = draw(numbers(missing=False))
    numeric = [name for name, column in columns.items() if isinstance(column, Number)]
    order = ()
    if len(numeric) > 1 and draw(st.booleans()):
        after = columns[numeric[1]]
        columns[numeric[1]] = after.model_copy(update={"missing": after.missing or numeric[1] != end})
        order = (Order(before=numeric[0], after=numeric[1]),) if columns[numeric[1]].missing else ()
    coded = {name: column for name, column in columns.items() if isinstance(column, Category)}
    rules = draw(code_rules(coded)) if len(coded) > 1 and draw(st.booleans()) else ()
    precision = draw(st.sampled_from([0.25, 1.0, 2.0]))
    tests = {f"t{place}": test for place, test in enumerate(draw(st.lists(lab_tests(), max_size=3)))}
    formula = " - ".join(tests) + "".join(f" + {name}" for name in numeric[:1])
    derived = DerivedTest(formula=formula, low=-50, high=300, precision=0.1) if tests and draw(st.booleans()) else None
    return Schema(
        name="drawn",
        cohort_size=20,
        time_precision=precision,
        end_of_followup=end,
        privacy_unit=PrivacyUnit(max_records=draw(st.integers(1, 6)), window=(-4 * precision, 30 * precision)),
        columns=columns,
        tests=tests,
        derived_tests={} if derived is None else {"derived": derived},
        constraints=(*order, *rules),
    )


@st.composite
def code_rules(draw: st.DrawFn, columns: dict[str, Category]) -> tuple[Implication | Combinations, ...]:
    """An implication, or the combinations that exist, of the first two columns; every code keeps a place."""
    (one, first), (two, second) = list(columns.items())[:2]
    if len(first.levels) > 1 and draw(st.booleans()):
        return (Implication(kind="implication", when={one: first.codes[-1:]}, then={two: second.levels[:1]}),)
    longest = max(len(first.levels), len(second.levels))
    pairs = tuple((first.levels[i % len(first.levels)], second.levels[i % len(second.levels)]) for i in range(longest))
    return (Combinations(kind="combinations", columns=(one, two), allowed=pairs),)


def _codes(column: Category | Number | Test) -> tuple[int | str, ...]:
    return () if isinstance(column, Number) else column.codes


def _plausible(column: Category | Number | Test) -> st.SearchStrategy[str]:
    """Cells that mean something in a column, some beyond its bounds."""
    if _codes(column):
        return st.sampled_from([str(code) for code in _codes(column)])
    return st.floats(column.grid.low - 5, column.grid.high + 5).map(lambda value: f"{value:.4g}")


def _cell(column: Category | Number | Test) -> st.SearchStrategy[str]:
    good = _plausible(column)
    return st.one_of(good, good, good, st.sampled_from(ODD_CELLS))


@st.composite
def tables(draw: st.DrawFn, schema: Schema, *, max_patients: int = 6, max_records: int = 14) -> Tables:
    """Tables as they come: odd cells, missing and orphan ids, unknown tests and units, rows in any order."""
    n = draw(st.integers(1, max_patients))
    ids = [f"p{place}" for place in range(n)]
    rows = [[draw(_cell(column)) for column in schema.free_columns.values()] for _ in ids]
    given = [name if draw(st.integers(0, 9)) else "" for name in ids]
    patients = pd.DataFrame(rows, columns=list(schema.free_columns), dtype=object)
    patients.insert(0, "patient_id", np.array(given, dtype=object))
    labs = pd.DataFrame(
        [draw(_lab_row(schema, ids)) for _ in range(draw(st.integers(0, max_records)))],
        columns=["patient_id", "time", "test", "value", "unit"],
        dtype=object,
    )
    return Tables(patients=patients, labs=labs)


@st.composite
def _lab_row(draw: st.DrawFn, schema: Schema, ids: list[str]) -> list[str]:
    start, end = schema.privacy_unit.window
    test = draw(st.sampled_from([*schema.tests, "unheard"]))
    value = draw(_cell(schema.tests[test])) if test in schema.tests else draw(st.sampled_from(ODD_CELLS))
    time = st.floats(start - 1, end + 1).map(lambda hours: f"{hours:.2f}")
    return [
        draw(st.sampled_from([*ids, *ids, "orphan", ""])),
        draw(st.one_of(time, time, time, st.sampled_from(ODD_CELLS))),
        test,
        value,
        draw(st.sampled_from(["", "", "u", "10u", "stone"])),
    ]


@st.composite
def cohorts(
    draw: st.DrawFn, schema: Schema, *, min_patients: int = 1, max_patients: int = 8, max_records: int = 12
) -> Cohort:
    """A cohort in `schema` that keeps every public rule, the extremes of each column among its values."""
    n = draw(st.integers(min_patients, max_patients))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cells = {name: _drawn(column, n, chance) for name, column in schema.free_columns.items()}
    patients = patient_frame(schema, [f"p{place}" for place in range(n)], cells)
    count = draw(st.integers(0, max_records)) if schema.tests else 0
    owner, test = chance.integers(0, n, count), chance.integers(0, max(len(schema.tests), 1), count)
    grids = [of.grid for of in schema.tests.values()]
    value = np.array([grids[of].snap(_drawn(list(schema.tests.values())[of], 1, chance))[0] for of in test])
    time = schema.times.cut(chance.uniform(schema.times.low, schema.times.high, count))
    keep = np.ones(count, dtype=bool)
    if schema.end_of_followup is not None:
        keep = time <= patients[schema.end_of_followup].to_numpy()[owner]
    records = Records.sorted(owner=owner[keep], time=time[keep], test=test[keep], value=value[keep].astype(float))
    return Cohort(schema=schema, patients=patients, records=over_time(schema, records))


def _drawn(column: Category | Number | Test, n: int, chance: np.random.Generator) -> np.ndarray:
    """`n` cells of a column, its ends and a missing one among them where that is allowed."""
    if isinstance(column, Category):
        return chance.integers(-1 if column.missing else 0, len(column.levels), n)
    if isinstance(column, Test) and column.codes:
        return chance.choice(np.array(column.codes, dtype=float), n)
    values = chance.uniform(column.grid.low, column.grid.high, n)
    values = np.where(chance.random(n) < 0.2, chance.choice([column.grid.low, column.grid.high], n), values)
    missing = isinstance(column, Number) and column.missing
    return np.where(missing & (chance.random(n) < 0.2), np.nan, values)


def without(tables: Tables, patient: str) -> Tables:
    """The neighbouring tables: the same without one patient's rows."""
    patients, labs = tables.patients, tables.labs
    return Tables(
        patients=patients[patients["patient_id"] != patient].reset_index(drop=True),
        labs=labs[labs["patient_id"] != patient].reset_index(drop=True),
    )


def assert_same(left: Cohort, right: Cohort) -> None:
    """Two cohorts are equal to the last bit: schema, patients, types, records and their order."""
    assert left.schema == right.schema
    pd.testing.assert_frame_equal(left.patients, right.patients, check_exact=True)
    for name in ("owner", "time", "test", "value"):
        mine, theirs = getattr(left.records, name), getattr(right.records, name)
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs, err_msg=name)
