"""The refusals of the whole project, one tree, each with the exit code that the command line returns for it."""

from __future__ import annotations

from typing import ClassVar


class SynthhealthError(Exception):
    """Anything the software refuses on purpose; its text never holds a cell of real data."""

    exit_code: ClassVar[int] = 1


class ConfigError(SynthhealthError):
    """A setting, an option or a file name is wrong (exit code 2)."""

    exit_code = 2


class SchemaError(ConfigError):
    """The schema file breaks a rule; the text names the file and the line (exit code 2)."""


class DataError(SynthhealthError):
    """A table breaks a rule of the schema; the text names table, column and rule (exit code 3)."""

    exit_code = 3


class BudgetError(SynthhealthError):
    """A spend that the plan, the budget or the population's ceiling does not cover (exit code 4)."""

    exit_code = 4


class CheckError(SynthhealthError):
    """A check, a gate or a verification failed (exit code 5)."""

    exit_code = 5


def refusal(*, what: str, must: str, got: str, fix: str) -> str:
    """One sentence for every refusal: what must hold, what was met, and the way to mend it."""
    return f"{what} must {must}; got {got}; to fix: {fix}"
