"""The figures by which engines are compared: each one number, defined so that anybody can repeat it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from evaluation.benchmark_labs import ICU_ATTRIBUTES, lab_figures
from evaluation.features import attribute_features, column_numbers, lab_features, summarise
from evaluation.fidelity.draws import Draws
from evaluation.fidelity.grids import column_cells, place_or_missing, public_edges
from evaluation.fidelity.histograms import Floats, Ints, mean_known, total_variation
from privacy.cohort import Cohort
from privacy.randomness import public
from privacy.schema import Category, Schema

PUBLIC_BINS, MOST_PAIRS, TRIPLES, SMALLEST_SAMPLE, BINARY = 20, 2000, 100, 20, 2
# The predictors of the published table of the ICU stays; another schema's are chosen by rule.
ICU_PREDICTORS = ("age", "sex", "height_cm", "weight_kg", "icu_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkFigures:
    """Distances between a cohort and the training data (smaller is nearer), and two areas under the curve.

    `value` to `spread` are mean distances of labs, `one_way` to `three_way` of the patients' table
    with its lab summaries (to the holdout), `tstr` the area for the first outcome of a classifier
    trained on the cohort, `two_sample` that of a classifier between cohort and holdout. NaN where
    the schema has nothing to measure.
    """

    value: float
    presence: float
    pairs: float
    lag1: float
    records: float
    attribute_value: float
    spread: float
    tstr: float
    two_sample: float
    one_way: float
    two_way: float
    three_way: float


def benchmark_figures(train: Cohort, holdout: Cohort, synthetic: Cohort, *, seed: int = 0) -> BenchmarkFigures:
    """All figures of `synthetic`; with `holdout` in its place they are the floor.

    Privacy: internal only.
    """
    labs = lab_figures(train, synthetic)
    one, two, three = table_figures(holdout, synthetic, seed=seed)
    return BenchmarkFigures(
        value=labs.value,
        presence=labs.presence,
        pairs=labs.pairs,
        lag1=labs.lag1,
        records=labs.records,
        attribute_value=labs.attribute_value,
        spread=labs.spread,
        tstr=tstr_auc(synthetic, holdout),
        two_sample=two_sample_auc(holdout, synthetic, seed=seed),
        one_way=one,
        two_way=two,
        three_way=three,
    )


def benchmark_predictors(schema: Schema) -> tuple[str, ...]:
    """The attributes a classifier of the outcome may use: all but outcomes and the end of follow-up."""
    if {*ICU_ATTRIBUTES, *ICU_PREDICTORS} <= set(schema.columns):
        return ICU_PREDICTORS
    barred = (*schema.outcomes, schema.end_of_followup)
    return tuple(name for name in schema.free_columns if name not in barred)


def tstr_auc(trained_on: Cohort, tested_on: Cohort) -> float:
    """Area under the curve for the first two-valued outcome, trained on one cohort, tested on another.

    NaN without such an outcome in the schema; 0.5 when the training cohort has one class only.

    Privacy: internal only.
    """
    outcome = first_binary_outcome(trained_on.schema)
    if outcome is None:
        return float("nan")
    y, truth = column_numbers(trained_on, outcome), column_numbers(tested_on, outcome)
    known, judged = np.isfinite(y), np.isfinite(truth)
    if len(np.unique(truth[judged])) <= 1:
        return float("nan")
    if len(np.unique(y[known])) <= 1:
        return 0.5
    model = _classifier().fit(benchmark_features(trained_on)[known], y[known])
    scores = model.predict_proba(benchmark_features(tested_on)[judged])[:, 1]
    return float(roc_auc_score(truth[judged], scores))


def two_sample_auc(holdout: Cohort, synthetic: Cohort, *, seed: int = 0) -> float:
    """Area under the curve of a cross-validated classifier between equal numbers of real and synthetic patients.

    Privacy: internal only.
    """
    size = min(len(holdout), len(synthetic))
    if size < SMALLEST_SAMPLE:
        return float("nan")
    chance = public(seed, "benchmark", "two sample")
    x = np.concatenate(
        [benchmark_features(cohort)[chance.permutation(len(cohort))[:size]] for cohort in (synthetic, holdout)]
    )
    y = np.repeat([0, 1], size)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    scores = cross_val_predict(_classifier(), x, y, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(y, scores))


def first_binary_outcome(schema: Schema) -> str | None:
    """The first outcome with two codes, None where the schema names none."""
    for name in schema.outcomes:
        kind = schema.columns[name]
        if isinstance(kind, Category) and len(kind.levels) == BINARY:
            return name
    return None


def benchmark_features(cohort: Cohort) -> Floats:
    """Mean, last value and count of each test beside the predictors, shape [n, p].

    Privacy: internal only.
    """
    attributes = attribute_features(cohort, benchmark_predictors(cohort.schema))
    return lab_features(cohort, ("mean", "last", "count")).beside(attributes).values


def table_figures(holdout: Cohort, synthetic: Cohort, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean distance of all columns, all pairs and 100 random triples, on 20 public bins.

    The table is the patients' attributes (derived ones too) and for each test the number of records
    and their mean.

    Privacy: internal only.
    """
    left, sizes = table_cells(holdout)
    right, _ = table_cells(synthetic)
    width = len(sizes)
    sets = (
        [(column,) for column in range(width)],
        _some(list(combinations(range(width), 2)), MOST_PAIRS, seed),
        _some(list(combinations(range(width), 3)), TRIPLES, seed),
    )
    one, two, three = (
        mean_known(np.array([_joint_distance(left, right, sizes, columns) for columns in group])) for group in sets
    )
    return one, two, three


def table_cells(cohort: Cohort) -> tuple[list[Ints], list[int]]:
    """Each column of the patients' table and each lab summary as cells of a public grid, and their numbers of cells.

    Each array is [n], one cell a patient.

    Privacy: internal only.
    """
    columns = [column_cells(cohort, name, PUBLIC_BINS) for name in cohort.schema.columns]
    tests = tuple(cohort.schema.tests.values())
    number, mean = summarise(Draws.of(cohort), ("count", "mean"))
    cap = max(cohort.schema.privacy_unit.max_records, 7) + 1
    few = np.unique(np.concatenate((np.arange(1.0, 6.0), np.geomspace(6, cap, PUBLIC_BINS - 4))).round())
    columns += [place_or_missing(number[:, place], few) for place in range(len(tests))]
    columns += [place_or_missing(mean[:, place], public_edges(test, PUBLIC_BINS)) for place, test in enumerate(tests)]
    return [cells for cells, _ in columns], [size for _, size in columns]


def _some(sets: list[tuple[int, ...]], most: int, seed: int) -> list[tuple[int, ...]]:
    if len(sets) <= most:
        return sets
    chosen = public(seed, "benchmark", "sets").permutation(len(sets))[:most]
    return [sets[place] for place in chosen]


def _joint_distance(left: list[Ints], right: list[Ints], sizes: list[int], columns: tuple[int, ...]) -> float:
    shape = [sizes[column] for column in columns]
    tables = [
        np.bincount(np.ravel_multi_index([side[column] for column in columns], shape), minlength=int(np.prod(shape)))
        for side in (left, right)
    ]
    return float(total_variation(tables[0].astype(np.float64), tables[1].astype(np.float64)))


def _classifier() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=80, learning_rate=0.06, random_state=0)
