"""The benchmark figures against a slow reading of their definitions, and on data with a known answer."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from mixtures import spoilt, with_codes, with_records

from evaluation.benchmark_labs import (
    ICU_ATTRIBUTES,
    JOINT_BINS,
    attribute_counts,
    benchmark_attributes,
    lab_figures,
    lag_counts,
    pair_counts,
    record_classes,
    within_patient_spread,
)
from evaluation.benchmark_metrics import (
    ICU_PREDICTORS,
    benchmark_figures,
    benchmark_predictors,
    first_binary_outcome,
    table_figures,
    tstr_auc,
    two_sample_auc,
)
from evaluation.fidelity.draws import Draws
from evaluation.fidelity.histograms import place_within, quantile_edges
from evaluation.fidelity.nulls import scattered, shuffled
from privacy.cohort import Cohort
from privacy.schema import Schema
from synthhealth.generators.simulator import simulate

LABS = ("value", "presence", "pairs", "lag1", "records", "attribute_value", "spread")


@pytest.fixture(scope="module")
def train() -> Cohort:
    return simulate(600, seed=11)


@pytest.fixture(scope="module")
def holdout() -> Cohort:
    return simulate(600, seed=12)


def coarse(draws: Draws) -> np.ndarray:
    edges = [quantile_edges(draws.value[draws.test == test], JOINT_BINS) for test in range(draws.tests)]
    return place_within(draws.value, draws.test, edges)


def test_a_cohort_is_at_no_distance_from_itself(train: Cohort):
    labs = asdict_of(lab_figures(train, train))
    assert labs == dict.fromkeys(LABS, 0.0)
    assert table_figures(train, train) == (0.0, 0.0, 0.0)


def test_pairs_are_the_joint_of_classes_or_absence_over_draws(simulated_small: Cohort):
    draws = Draws.of(simulated_small.take(np.arange(40)))
    code = coarse(draws)
    wide = np.full((len(draws.draw_owner), draws.tests), JOINT_BINS)
    wide[draws.draw, draws.test] = code
    fast = pair_counts(draws, code)
    for a, b in combinations(range(draws.tests), 2):
        slow = np.bincount(wide[:, a] * 9 + wide[:, b], minlength=81)
        assert fast[a, b].tolist() == slow.tolist()


def test_lag_one_counts_each_value_with_the_next_of_its_test(simulated_small: Cohort):
    draws = Draws.of(simulated_small.take(np.arange(40)))
    code = coarse(draws)
    slow = np.zeros((draws.tests, JOINT_BINS**2))
    last: dict[tuple[int, int], int] = {}
    for owner, test, cell in zip(draws.owner.tolist(), draws.test.tolist(), code.tolist(), strict=True):
        if (owner, test) in last:
            slow[test, last[owner, test] * JOINT_BINS + cell] += 1
        last[owner, test] = cell
    assert lag_counts(draws, code).tolist() == slow.tolist()


def test_spread_within_patients_is_the_mean_deviation_over_the_whole(six_patients: Cohort):
    spread = within_patient_spread(six_patients, Draws.of(six_patients))
    potassium = [np.std([4.0, 4.4], ddof=1), np.std([6.0, 5.5, 5.0], ddof=1)]
    assert spread[0] == pytest.approx(np.mean(potassium) / np.std([4.0, 4.4, 5.0, 6.0, 5.5, 5.0]))
    assert spread[2] == 0  # nobody has two dipsticks


def test_records_a_patient_fall_in_classes_of_five(six_patients: Cohort):
    assert record_classes(Draws.of(six_patients))[:3].tolist() == [5, 1, 0]


def test_attributes_are_crossed_in_six_classes_with_missing_as_one(six_patients: Cohort):
    draws = Draws.of(six_patients)
    table = attribute_counts(six_patients, draws, np.zeros(len(draws.owner), dtype=np.int64))
    names = benchmark_attributes(six_patients.schema)
    urgency = table[names.index("urgency")].sum(axis=0).reshape(-1, JOINT_BINS).sum(axis=1)
    assert urgency[:4].tolist() == [3, 2, 6, 1]  # a, b, c and d, and e whose urgency is missing


def test_an_icu_table_is_judged_on_the_published_columns(six_schema: Schema):
    column = six_schema.columns["height"]
    names = ("age", "sex", "height_cm", "weight_kg", "icu_type", "saps1", "in_hospital_death", "los_days")
    schema = Schema.model_validate(
        {
            "name": "icu",
            "cohort_size": 100,
            "outcomes": ("in_hospital_death",),
            "privacy_unit": {"max_records": 5, "window": (0, 48)},
            "columns": {name: column.model_dump() for name in names},
        }
    )
    assert benchmark_attributes(schema) == ICU_ATTRIBUTES
    assert benchmark_predictors(schema) == ICU_PREDICTORS
    assert first_binary_outcome(schema) is None


def test_other_tables_are_judged_by_rule(six_schema: Schema):
    assert benchmark_attributes(six_schema)[:2] == ("sex", "died")
    assert not {"died", "stay_hours", "bmi"} & set(benchmark_predictors(six_schema))
    assert first_binary_outcome(six_schema) == "died"


def test_shuffling_leaves_margins_and_breaks_what_ties_them(train: Cohort):
    null = shuffled(train, np.random.default_rng(0))
    figures = lab_figures(train, null)
    # the first of a tie may differ once values move, so the margins are near 0 and not 0
    assert figures.value < 0.01
    assert figures.presence == figures.records == 0
    assert figures.lag1 > 0.3
    assert figures.spread > 0.3


def test_real_holdout_lies_between_copy_and_shuffled(train: Cohort, holdout: Cohort):
    floor = benchmark_figures(train, holdout, simulate(600, seed=13))
    worst = benchmark_figures(train, holdout, scattered(holdout, np.random.default_rng(0)))
    for name, value in asdict_of(floor).items():
        if name not in ("tstr", "spread"):
            assert value < getattr(worst, name), name
    assert floor.tstr > 0.8
    assert 0.4 < floor.two_sample < 0.62
    assert worst.two_sample > 0.95


@pytest.mark.parametrize("name", LABS)
def test_figures_grow_with_the_share_of_patients_that_know_only_the_schema(train: Cohort, name: str):
    null = scattered(train, np.random.default_rng(1))
    steps = [getattr(lab_figures(train, spoilt(train, null, share)), name) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert steps[0] == 0
    assert all(low < high for low, high in pairwise(steps)), steps


def test_table_figures_grow_with_noise(train: Cohort):
    null = scattered(train, np.random.default_rng(1))
    steps = np.array([table_figures(train, spoilt(train, null, share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)])
    assert (np.diff(steps, axis=0) > 0).all()


def test_a_model_of_one_class_is_worth_a_coin(train: Cohort, holdout: Cohort):
    immortal = with_codes(train, "died", np.zeros(len(train), dtype=np.int64))
    assert tstr_auc(immortal, holdout) == 0.5
    assert np.isnan(tstr_auc(train, with_codes(holdout, "died", np.zeros(len(holdout), dtype=np.int64))))


def test_a_shifted_test_is_told_apart(train: Cohort, holdout: Cohort):
    value = train.records.value * 1.3
    assert two_sample_auc(holdout, with_records(train, "value", value)) > 0.9


def test_a_schema_without_tests_has_figures_of_its_table(train: Cohort):
    bare = bare_of(train)
    figures = benchmark_figures(bare, bare, bare)
    assert all(np.isnan(getattr(figures, name)) for name in LABS)
    assert figures.one_way == 0
    assert np.isfinite(figures.two_sample)


def test_a_cohort_without_records_is_far_from_one_with_them(train: Cohort):
    none = replace(train, records=train.records.keep(np.zeros(len(train.records), dtype=np.bool_)))
    figures = lab_figures(train, none)
    assert figures.value == figures.pairs == figures.lag1 == 1.0
    assert 0 < figures.presence < 1


def bare_of(cohort: Cohort) -> Cohort:
    schema = cohort.schema.model_copy(update={"tests": {}})
    return Cohort(
        schema=schema,
        patients=cohort.patients,
        records=cohort.records.keep(np.zeros(len(cohort.records), dtype=np.bool_)),
    )


def asdict_of(figures: object) -> dict[str, float]:
    return {str(name): float(value) for name, value in asdict(figures).items()}  # type: ignore[call-overload]
