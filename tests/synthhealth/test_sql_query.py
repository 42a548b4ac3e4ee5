"""Queries become tables; neither a URL nor a database's own words reach a message."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pytest
from strategies import assert_same

from privacy.cohort import Cohort
from privacy.errors import ConfigError, DataError
from synthhealth.io.convert import read_source


def filled(folder: Path, cohort: Cohort, kind: str) -> str:
    """A database with the cohort's two tables; returns what names it."""
    tables = {"patients": cohort.patients.astype(object).where(cohort.patients.notna(), None), "labs": cohort.labs}
    if kind == "duckdb":
        with duckdb.connect(str(folder / "ward.duckdb")) as connection:
            for name, table in tables.items():
                connection.register("frame", table.astype(str))
                connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")  # noqa: S608  # names of ours
        return str(folder / "ward.duckdb")
    connection = sqlite3.connect(folder / "ward.sqlite")
    for name, table in tables.items():
        table.astype(str).to_sql(name, connection, index=False)
    connection.close()
    return f"sqlite:///{folder / 'ward.sqlite'}"


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_cohort_in_a_database_is_the_same_cohort(tmp_path: Path, six_patients: Cohort, kind: str) -> None:
    assert_same(read_source(six_patients.schema, filled(tmp_path, six_patients, kind)).cohort, six_patients)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_queries_choose_rows(tmp_path: Path, six_patients: Cohort, kind: str) -> None:
    source = filled(tmp_path, six_patients, kind)
    few = read_source(
        six_patients.schema,
        source,
        patients_query="SELECT * FROM patients WHERE patient_id < 'c'",
        labs_query="SELECT * FROM labs WHERE test = 'K'",
    ).cohort
    assert few.ids.tolist() == ["a", "b"]
    assert set(few.records.test.tolist()) == {0}


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_failing_query_is_refused_without_the_databases_words(
    tmp_path: Path, six_patients: Cohort, kind: str
) -> None:
    source = filled(tmp_path, six_patients, kind)
    with pytest.raises(DataError, match="a query must be one that the database can run") as refused:
        read_source(six_patients.schema, source, patients_query="SELECT CANARY FROM nowhere")
    assert "CANARY" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("url", ["nosuchdialect://u:CANARY@h/n", "postgresql+nosuchdriver://u:CANARY@h/n"])
def test_a_database_out_of_reach_is_refused_without_its_url(six_patients: Cohort, url: str) -> None:
    with pytest.raises(ConfigError, match="the database must be one that can be reached") as refused:
        read_source(six_patients.schema, url)
    assert "CANARY" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, six_patients: Cohort) -> None:
    with pytest.raises(ConfigError, match="must exist"):
        read_source(six_patients.schema, str(tmp_path / "no.duckdb"))
    (tmp_path / "text.duckdb").write_text("CANARY" * 1000)
    with pytest.raises(ConfigError, match="the database must be one that can be reached"):
        read_source(six_patients.schema, str(tmp_path / "text.duckdb"))
