"""What may be spent and what was promised: `Budget` and `Guarantee`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from privacy.errors import BudgetError, ConfigError, refusal

Neighbours = Literal["add_remove", "replace_one"]
DELTA_SHARE = 0.1  # delta times the number of patients bounds the expected number of patients exposed at worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much privacy a release may cost: `epsilon` above 0, `delta` in (0, 1)."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon > 0):
            raise ConfigError(
                refusal(
                    what=f"epsilon ({self.epsilon:g})",
                    must="be finite and above 0",
                    got=f"{self.epsilon:g}",
                    fix="try 3",
                )
            )
        if not 0 < self.delta < 1:
            raise ConfigError(
                refusal(
                    what=f"delta ({self.delta:g})", must="lie between 0 and 1", got=f"{self.delta:g}", fix="try 1e-6"
                )
            )

    def require_for(self, cohort_size: int) -> None:
        """Raise BudgetError where delta is above 0.1 / `cohort_size`, an approximate public figure.

        A mechanism that publishes one patient at random in every 1/delta-th release keeps
        (0, delta); below this bound it exposes a tenth of a patient in expectation at most.
        Raises ConfigError where `cohort_size` is below 1.
        """
        if cohort_size < 1:
            raise ConfigError(
                refusal(
                    what=f"cohort_size ({cohort_size})",
                    must="be at least 1",
                    got=f"{cohort_size}",
                    fix="give the approximate number of patients",
                )
            )
        most = DELTA_SHARE / cohort_size
        if self.delta > most * (1 + 1e-9):
            raise BudgetError(
                refusal(
                    what=f"delta ({self.delta:g})",
                    must=f"be at most {DELTA_SHARE:g}/cohort_size = {most:g}",
                    got=f"requested {self.delta:g}, allowed {most:g}, difference {self.delta - most:g}",
                    fix=f"lower delta to {most:.0e} or less",
                )
            )

    @staticmethod
    def default_delta(cohort_size: int) -> float:
        """1e-6 up to 10,000 patients, then a tenth of it for each further factor of 10 in size.

        Delta times the number of patients stays at 0.01 or below, which the default policy passes.
        """
        return 10.0 ** -(6 + max(0, math.ceil(math.log10(max(cohort_size, 1))) - 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """The promise of a release: for every patient with all rows, (epsilon, delta) and the whole profile.

    `profile` holds pairs (epsilon, delta), each true at the same time; `replace_one_epsilon`
    is the price at the same delta when a patient is exchanged for another.
    """

    epsilon: float
    delta: float
    replace_one_epsilon: float
    profile: tuple[tuple[float, float], ...]
    unit: str = "one patient with all rows in all tables"
    neighbours: Neighbours = "add_remove"

    def __str__(self) -> str:
        return (
            f"({self.epsilon:.4g}, {self.delta:g})-differential privacy for {self.unit} (add or remove one); "
            f"replace one: epsilon {self.replace_one_epsilon:.4g}"
        )

    def to_json(self) -> Mapping[str, object]:
        """The guarantee as plain values."""
        return {
            "epsilon": self.epsilon,
            "delta": self.delta,
            "unit": self.unit,
            "neighbours": self.neighbours,
            "replace_one_epsilon": self.replace_one_epsilon,
            "profile": [list(pair) for pair in self.profile],
        }
