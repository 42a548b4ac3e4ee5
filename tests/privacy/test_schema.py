"""A schema is read in full or refused with the line on which to mend it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from strategies import schemas

from privacy.errors import SchemaError
from privacy.schema import Category, Derived, Number, Schema
from privacy.schema_lines import locate

GOOD = """\
name = "ward"
cohort_size = 500
outcomes = ["died"]
end_of_followup = "stay"

[privacy_unit]
max_records = 10
window = [0, 48]

[columns.age]
kind = "integer"
low = 18
high = 90

[columns.stay]
kind = "integer"
low = 1
high = 47

[columns.died]
kind = "categorical"
codes = [0, 1]

[tests.K]
unit = "mmol/L"
low = 1.5
high = 10
precision = 0.1
"""


def refusal_of(text: str) -> str:
    with pytest.raises(SchemaError) as caught:
        Schema.parse(text, source="ward.toml")
    assert caught.value.exit_code == 2
    return str(caught.value)


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def test_a_good_schema_says_what_it_holds():
    schema = Schema.parse(GOOD)
    assert list(schema.columns) == ["age", "stay", "died"]
    assert isinstance(schema.columns["age"], Number)
    assert isinstance(schema.columns["died"], Category)
    assert schema.columns["died"].levels == (0, 1)
    assert schema.tests["K"].grid.size == 86
    assert (schema.times.low, schema.times.high, schema.times.size) == (0, 47, 48)
    assert schema.privacy_unit.key == "patient_id"


def test_a_table_without_tests_needs_neither_cap_nor_window():
    alone = (
        changed("max_records = 10\nwindow = [0, 48]\n", "")
        .split("[tests.K]")[0]
        .replace('end_of_followup = "stay"', "")
    )
    assert Schema.parse(alone).tests == {}
    assert Schema.parse("time_precision = 24\n" + alone).privacy_unit.max_records == 1


# (what is written instead, the line to point at, what to say)
MISTAKES = {
    "misspelled key": (
        "low = 18",
        "lwo = 18",
        12,
        "columns.age.lwo: extra keys are not permitted: lwo (did you mean low?)",
    ),
    "misspelled key leaves one out": ("low = 18", "lwo = 18", 10, "columns.age.low: the key low is missing"),
    "unknown top key": ('name = "ward"', 'name = "w"\nzzz = 1', 2, "zzz: extra keys are not permitted: zzz"),
    "no kind": ('kind = "integer"\nlow = 18', "low = 18", 10, "the key kind is missing; it must be one of categorical"),
    "unknown kind": (
        'kind = "integer"\nlow = 18',
        'kind = "int"\nlow = 18',
        11,
        "kind must be one of categorical, ordinal",
    ),
    "bounds the wrong way": ("low = 18", "low = 180", 10, "low must be below high; got low = 180, high = 90"),
    "text for a number": ("high = 90", 'high = "90+"', 13, "must be a valid number"),
    "infinite bound": ("high = 90", "high = inf", 13, "must be a finite number"),
    "code of a wrong type": ("codes = [0, 1]", "codes = [0.5, 1]", 22, "must be a whole number or text in quotes"),
    "codes twice": ("codes = [0, 1]", 'codes = [1, "1"]', 20, "codes must differ from one another"),
    "no codes": ("codes = [0, 1]", "codes = []", 22, "at least 1 item"),
    "reserved code": ("codes = [0, 1]", 'codes = ["a", "OTHER"]', 20, "write other = true instead"),
    "code with a space": ("codes = [0, 1]", 'codes = ["a "]', 20, "codes must not be empty nor begin or end"),
    "test without bounds": ("low = 1.5\n", "", 24, "low must be given (or codes"),
    "test without precision": ("precision = 0.1", "", 24, "precision must be given"),
    "results in words": ("low = 1.5", 'codes = ["negative", "positive"]', 26, "write results in words as numbers"),
    "log scale below zero": ("low = 1.5", 'scale = "log"\nlow = -1', 24, "low must be at least 0 on a log scale"),
    "too few values": ("precision = 0.1", "precision = 50", 24, "precision must leave between 2 and"),
    "too many values": ("precision = 0.1", "precision = 1e-12", 24, "precision must leave between 2 and"),
    "negative factor": ("precision = 0.1", "precision = 0.1\nunits = { x = -1 }", 24, "a positive factor"),
    "factor of the unit itself": (
        "precision = 0.1",
        'precision = 0.1\nunits = { "mmol/L" = 2 }',
        24,
        "must not turn 'mmol/L' into itself",
    ),
    "outcome that is no column": (
        'outcomes = ["died"]',
        'outcomes = ["dead"]',
        3,
        "outcomes names 'dead', which is no column",
    ),
    "end that is no number": ('end_of_followup = "stay"', 'end_of_followup = "died"', 4, "which is no integer"),
    "end that may be missing": ("high = 47", "high = 47\nmissing = true", 4, "which must not be missing"),
    "key among the columns": (
        "max_records = 10",
        'max_records = 10\nkey = "age"',
        11,
        "must not hold the privacy unit's key",
    ),
    "key of the labs' own": (
        "max_records = 10",
        'max_records = 10\nkey = "time"',
        8,
        "key must not be one of time, test",
    ),
    "patient_id among the columns": (
        "[columns.age]",
        "[columns.patient_id]",
        10,
        "must not hold the privacy unit's key",
    ),
    "index date among the columns": (
        'end_of_followup = "stay"',
        'index_date = "age"',
        4,
        "it is no column of the schema",
    ),
    "window upside down": ("window = [0, 48]", "window = [48, 0]", 6, "start below end"),
    "window off the time grid": ("window = [0, 48]", "window = [0, 48.5]", 8, "multiples of time_precision"),
    "no cap": ("max_records = 10\n", "", 6, "the key max_records is missing"),
    "tiny cohort": ("cohort_size = 500", "cohort_size = 3", 2, "greater than or equal to 20"),
    "name with a space": ("[tests.K]", '[tests." K"]', 24, "must not be empty nor begin or end with a space"),
    "formula of unknown columns": (
        "[columns.died]",
        '[columns.x]\nkind = "derived"\nformula = "age + died"\n\n[columns.died]',
        22,
        "the formula uses 'died', which is no numeric column",
    ),
    "formula that is no arithmetic": (
        "[columns.died]",
        '[columns.x]\nkind = "derived"\nformula = "age if 1"\n\n[columns.died]',
        20,
        "must be arithmetic on column names",
    ),
    "constant formula": (
        "[columns.died]",
        '[columns.x]\nkind = "derived"\nformula = "1 + 1"\n\n[columns.died]',
        20,
        "must use at least one column",
    ),
    "constraint on a code": (
        "[tests.K]",
        (
            '[[constraints]]\nbefore = "age"\nafter = "age"\n\n'
            '[[constraints]]\nbefore = "age"\nafter = "died"\n\n[tests.K]'
        ),
        30,
        "after names 'died', which is no integer",
    ),
    "constraint that cannot be mended": (
        "[tests.K]",
        '[[constraints]]\nbefore = "age"\nafter = "stay"\n\n[tests.K]',
        24,
        "the highest 'stay' must not be below the highest 'age'",
    ),
}


@pytest.mark.parametrize(("old", "new", "line", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line(old: str, new: str, line: int, says: str):
    message = refusal_of(changed(old, new))
    assert f"ward.toml, line {line}: " in message
    assert any(says in row and f"line {line}: " in row for row in message.splitlines()), message
    assert "pydantic" not in message


def test_all_mistakes_are_named_at_once():
    text = (
        GOOD.replace("high = 90", "hihg = 90")
        .replace('outcomes = ["died"]', "outcomes = 3")
        .replace("codes =", "code =")
    )
    rows = refusal_of(text).splitlines()
    assert [row.split(": ")[0] for row in rows] == [
        "ward.toml, line 3",
        "ward.toml, line 10",
        "ward.toml, line 13",
        "ward.toml, line 20",
        "ward.toml, line 22",
    ]


def test_all_broken_references_are_named_at_once():
    text = GOOD.replace('outcomes = ["died"]', 'outcomes = ["a", "b"]\nsubgroups = ["c"]')
    assert [row.split("'")[1] for row in refusal_of(text).splitlines()] == ["a", "b", "c"]


def test_broken_toml_is_refused_with_its_place():
    assert "ward.toml: not valid TOML: " in refusal_of("name = \n")
    assert "line 2" in refusal_of('name = "a"\nname = "b"\n')


def test_a_schema_file_may_have_a_byte_order_mark_and_other_line_ends(tmp_path: Path):
    file = tmp_path / "schema.toml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert Schema.load(file) == Schema.parse(GOOD)


def test_a_schema_file_that_cannot_be_read_is_refused(tmp_path: Path):
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "Köln"'.encode("latin-1"))
    for path, says in ((tmp_path / "none.toml", "no such file"), (tmp_path, "can be read"), (latin, "UTF-8")):
        with pytest.raises(SchemaError, match=says):
            Schema.load(path)


def test_the_fingerprint_follows_the_content_and_not_the_spelling():
    schema = Schema.parse(GOOD)
    assert Schema.parse("# a comment\n" + GOOD.replace(" = ", "=")).sha256 == schema.sha256
    assert Schema.parse(GOOD.replace("high = 90", "high = 91")).sha256 != schema.sha256
    assert schema.model_copy(update={"cohort_size": 501}).sha256 != schema.sha256


@given(schemas())
def test_a_schema_survives_json(schema: Schema):
    again = Schema.model_validate_json(schema.model_dump_json())
    assert again == schema
    assert again.sha256 == schema.sha256
    assert Schema.model_validate(json.loads(schema.model_dump_json())).sha256 == schema.sha256


def test_a_schema_is_frozen():
    schema = Schema.parse(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        schema.name = "other"
    with pytest.raises(ValueError, match="frozen"):
        schema.columns["age"].low = 0


def test_derived_columns_are_told_from_free_ones(six_schema: Schema):
    assert list(six_schema.derived_columns) == ["bmi"]
    assert isinstance(six_schema.columns["bmi"], Derived)
    assert "bmi" not in six_schema.free_columns
    assert {*six_schema.free_columns, "bmi"} == {*six_schema.columns}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("table", "x"), 4),
        (("table", "in", "line"), 5),
        (("table", "dotted", "key"), 6),
        (("quoted", "a.b", "c"), 9),
        (("list", "0", "k"), 12),
        (("list", "1", "k"), 14),
        (("list", "1", "absent"), 13),
        (("nowhere",), 1),
        (("table", "absent"), 3),
        (("codes", "2"), 2),
    ],
)
def test_locate_finds_keys_however_they_are_written(path: tuple[str, ...], line: int):
    text = (
        "a = 1\ncodes = [1, 2]\n[table]\n  x = 1\nin = { line = 1 }\ndotted . key = 2\n"
        '# comment = 3\n[quoted."a.b"]\n"c" = 1\n\n[[list]]\nk = 1\n[[ list ]]\n\'k\' = 2\n'
    )
    assert locate(text, path) == line
