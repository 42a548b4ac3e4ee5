"""The only input of every test: train, holdout, reference and synthetic cohorts in one schema."""

from __future__ import annotations

from dataclasses import dataclass

from privacy.cohort import Cohort
from privacy.errors import CheckError, refusal
from privacy.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """Four disjoint sets of patients: the members, the non-members, the attacker's own sample, the synthetic.

    Privacy: internal only; everything computed from it is outside the guarantee.
    """

    train: Cohort
    holdout: Cohort
    reference: Cohort
    synthetic: Cohort

    @staticmethod
    def of(
        train: Cohort, holdout: Cohort, synthetic: Cohort, *, reference: Cohort | None = None, key: bytes | None = None
    ) -> Exhibit:
        """An exhibit; without a `reference` the holdout is split in two halves by keyed lots.

        Raises CheckError when the cohorts are not in one schema.

        Privacy: internal only.
        """
        scored = holdout
        if reference is None:
            scored, reference = holdout.split(0.5, key=key)
        for name, cohort in (("holdout", scored), ("reference", reference), ("synthetic", synthetic)):
            if cohort.schema.sha256 != train.schema.sha256:
                raise CheckError(
                    refusal(
                        what=f"the {name} cohort",
                        must="be in the schema of the training cohort",
                        got=f"schema {cohort.schema.name!r}",
                        fix="read all tables with one schema file",
                    )
                )
        return Exhibit(train=train, holdout=scored, reference=reference, synthetic=synthetic)

    @property
    def schema(self) -> Schema:
        """The schema all four cohorts share."""
        return self.train.schema
