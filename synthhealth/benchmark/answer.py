"""What `benchmark` found: one line a contender, each with its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from evaluation.benchmark_metrics import BenchmarkFigures
from synthhealth.results import Result

FLOOR = "holdout"
# How a figure is read: towards 0, towards the floor's own value, or towards one half.
MEANINGS: Mapping[str, str] = {
    "value": "values of each test: mean total variation distance, 12 classes",
    "presence": "share of draws that hold a test: mean difference",
    "pairs": "pairs of tests in a draw: mean distance of the joint tables",
    "lag1": "a value and the patient's next: mean distance of the joint tables",
    "records": "records a patient: distance of the distribution",
    "attribute_value": "attributes with values: mean distance of the joint tables",
    "spread": "spread within patients over total spread: mean difference",
    "tstr": "area under the curve of a model trained on the contender, tested on holdout; more is better",
    "two_sample": "area under the curve of a model that tells contender from holdout; one half is best",
    "one_way": "columns of the patients' table: mean distance",
    "two_way": "pairs of columns: mean distance",
    "three_way": "triples of columns: mean distance",
}


class Line(Result):
    """One contender; `epsilon` is None where nothing is promised, `figures` None where one cannot be measured.

    Privacy: internal only.
    """

    name: str
    epsilon: float | None
    private: bool
    fit_seconds: float | None
    sample_seconds: float | None
    patients: int
    figures: dict[str, float | None]


class Benchmarked(Result):
    """The scoreboard of one cohort.

    Privacy: internal only; every figure is exact.
    """

    cohort: str
    train: int
    holdout: int
    delta: float
    seed: int
    lines: tuple[Line, ...]
    files: tuple[str, ...]


def figures_of(figures: BenchmarkFigures) -> dict[str, float | None]:
    """The figures by name, None for those that the schema gives nothing to measure for."""
    return {name: None if value != value else float(value) for name, value in asdict(figures).items()}  # noqa: PLR0124  # NaN
