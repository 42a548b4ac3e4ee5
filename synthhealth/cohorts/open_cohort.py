"""What an open cohort is: a schema, two tables that everybody may see, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from privacy.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCohort:
    """Tables as a hospital would export them, before admission, with the schema that fits them.

    `source` says where they come from and what to cite.

    Privacy: internal only, as any real rows, although these are public.
    """

    schema: Schema
    patients: pd.DataFrame
    labs: pd.DataFrame
    source: str
