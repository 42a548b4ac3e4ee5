"""Reads two queries from DuckDB or from any database that SQLAlchemy reaches, as tables that admission takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from privacy.errors import ConfigError, DataError, refusal
from synthhealth.io.exchange import Tables, needed

DUCKDB = "duckdb:///"
EVERYTHING = "SELECT * FROM {}"


def is_database(source: str) -> bool:
    """Whether `source` is a database's URL, or a DuckDB file."""
    return "://" in source or source.endswith((".duckdb", ".ddb"))


def read_queries(source: str, *, patients: str | None = None, labs: str | None = None) -> Tables:
    """The result of one query for each table; without a query, the tables `patients` and `labs` as they are.

    `source` is a SQLAlchemy URL, `duckdb:///file` or the path of a `.duckdb` file, which is
    opened read-only.

    Raises ConfigError where the library is missing or the URL is none, DataError where a query
    fails; neither repeats the URL, which may hold a password, nor the database's own words,
    which may hold a cell.

    Privacy: internal only, when the tables are real.
    """
    wanted = tuple(
        EVERYTHING.format(name) if query is None else query for name, query in (("patients", patients), ("labs", labs))
    )
    if source.startswith(DUCKDB) or "://" not in source:
        return _duckdb(source.removeprefix(DUCKDB), *wanted)
    return _sqlalchemy(source, *wanted)


def _duckdb(file: str, patients: str, labs: str) -> Tables:
    duckdb = needed("duckdb", extra="sql")
    if file != ":memory:" and not Path(file).is_file():
        raise ConfigError(
            refusal(what=f"the DuckDB file {file}", must="exist", got="no such file", fix="check the path")
        )
    try:
        connection = duckdb.connect(file, read_only=file != ":memory:")
    except duckdb.Error:
        raise _no_connection() from None
    try:
        frames = _run(lambda query: connection.execute(query).df(), (patients, labs), duckdb.Error)
    finally:
        connection.close()
    return Tables(patients=frames[0], labs=frames[1])


def _sqlalchemy(url: str, patients: str, labs: str) -> Tables:
    sqlalchemy = needed("sqlalchemy", extra="sql")
    try:
        engine = sqlalchemy.create_engine(url)
        connection = engine.connect()
    except (sqlalchemy.exc.SQLAlchemyError, ModuleNotFoundError):
        raise _no_connection() from None
    try:
        frames = _run(
            lambda query: pd.read_sql_query(sqlalchemy.text(query), connection),
            (patients, labs),
            pd.errors.DatabaseError,
        )
    finally:
        connection.close()
        engine.dispose()
    return Tables(patients=frames[0], labs=frames[1])


def _run(
    ask: Callable[[str], pd.DataFrame], queries: tuple[str, str], failure: type[Exception]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        return ask(queries[0]), ask(queries[1])
    except failure:
        # the database's own sentence may quote a cell, so it is neither repeated nor chained
        raise DataError(
            refusal(
                what="a query",
                must="be one that the database can run",
                got="its refusal",
                fix="try --patients-query and --labs-query in the database's own shell first",
            )
        ) from None


def _no_connection() -> ConfigError:
    return ConfigError(
        refusal(
            what="the database",
            must="be one that can be reached",
            got="no connection",
            fix="check the URL (dialect://user:password@host/name) and install the dialect's driver",
        )
    )
