"""What a deliberate break of the running code is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`break_it` changes what runs; `killer` passes otherwise and must fail then; `slow` ones are not in the gate."""

    name: str
    break_it: Break
    killer: Callable[[], None]
    slow: bool = False

    @property
    def killed_by(self) -> str:
        """The killer's place among the tests."""
        return f"{self.killer.__module__.rsplit('.', 1)[-1]}.py::{self.killer.__name__}"
