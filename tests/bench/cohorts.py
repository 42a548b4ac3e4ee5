"""The real patients on which the bars of the attack suite are measured, and how they are dealt out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from privacy.cohort import Cohort
from privacy.schema import Schema
from synthhealth.cohorts.nafld import nafld

ICU_SCHEMA = Path(__file__).parents[2] / "docs" / "examples" / "physionet2012.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many patients each side gets."""

    train: int
    holdout: int
    reference: int
    fresh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A cohort of real patients, its name, and the sizes of its sides."""

    name: str
    cohort: Cohort
    sizes: Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """Four disjoint sets of one bench's patients."""

    train: Cohort
    holdout: Cohort
    reference: Cohort
    fresh: Cohort


def nafld_bench() -> Bench:
    """The default cohort."""
    tables = nafld()
    cohort = Cohort.of(tables.schema, tables.patients, tables.labs)
    return Bench(name="NAFLD", cohort=cohort, sizes=Sizes(train=7_000, holdout=3_000, reference=2_500, fresh=5_000))


def icu_bench(folder: Path) -> Bench:
    """PhysioNet 2012 from a folder of its two tables, which the project does not hold."""
    tables = [pd.read_parquet(folder / f"physionet2012_{part}.parquet") for part in ("patients", "labs")]
    cohort = Cohort.of(Schema.load(ICU_SCHEMA), *tables)
    return Bench(name="ICU", cohort=cohort, sizes=Sizes(train=3_000, holdout=1_500, reference=1_200, fresh=2_300))


def deal(bench: Bench, seed: int) -> Deal:
    """The bench's patients dealt out by the seed."""
    order = np.random.default_rng([2012, seed]).permutation(len(bench.cohort))
    sizes = bench.sizes
    ends = np.cumsum([sizes.train, sizes.holdout, sizes.reference, sizes.fresh])
    train, holdout, reference, fresh = (np.sort(part) for part in np.split(order, ends)[:4])
    take = bench.cohort.take
    return Deal(train=take(train), holdout=take(holdout), reference=take(reference), fresh=take(fresh))
