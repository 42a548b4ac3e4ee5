"""The registry of deliberate breaks: each is put on the running code for a while, and a named test must notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from audit import mutants_of_fits, mutants_of_mechanisms, mutants_of_rows
from audit.mutant import Mutant

MUTANTS = (*mutants_of_mechanisms.MUTANTS, *mutants_of_fits.MUTANTS, *mutants_of_rows.MUTANTS)


@contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    """The code with the mutant's break in it; whole again afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.break_it(patch)
        yield


def survives(mutant: Mutant) -> bool:
    """Whether the killer passes although the break is in: an error of any kind other than a failed check is raised."""
    with broken(mutant):
        try:
            mutant.killer()
        except (AssertionError, pytest.fail.Exception):
            return False
    return True
