"""Every measure of fidelity on data with a known answer: copies, shuffled columns, noise in five steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from mixtures import spoilt, with_records

from evaluation.fidelity import columns, joint, rhythm, trajectories
from evaluation.fidelity.arms import Arms, Side, class_edges, some_patients
from evaluation.fidelity.by_name import each_column, each_test
from evaluation.fidelity.detection import two_sample
from evaluation.fidelity.nulls import scattered, shuffled
from evaluation.finding import Finding, Verdict
from evaluation.plausibility import at_the_bounds, critical_values, delta_checks, new_panels, physiologic_pairs
from privacy.cohort import Cohort
from synthhealth.generators.simulator import simulate

Measure = Callable[[Arms], Finding]
SIZE = 400
MARGINS: dict[str, Measure] = {
    "one-way": columns.one_way,
    "values": columns.values,
    "missing rates": columns.missing_rates,
    "last digits": columns.last_digits,
    "records": rhythm.records,
    "gaps": rhythm.gaps,
    "presence": rhythm.presence,
    "panels": rhythm.panels,
    "ever measured": rhythm.ever_measured,
    "pairs": lambda arms: rhythm.pairs_in_a_draw(arms)[0],
    "critical values": critical_values,
    "bounds": at_the_bounds,
    "new panels": new_panels,
}
TIES: dict[str, Measure] = {
    "two-way": joint.two_way,
    "three-way": joint.three_way,
    "correlations": joint.correlations,
    "pair values": lambda arms: rhythm.pairs_in_a_draw(arms)[1],
    "lag 1": trajectories.lag_one,
    "cross lag": trajectories.cross_lag,
    "spread": trajectories.spread,
    "slopes": trajectories.slopes,
    "attribute and value": trajectories.attribute_and_value,
    "delta checks": delta_checks,
    "physiologic pairs": physiologic_pairs,
}
ALL = MARGINS | TIES


@pytest.fixture(scope="module")
def real() -> Cohort:
    return simulate(SIZE, seed=21)


@pytest.fixture(scope="module")
def arms(real: Cohort) -> Arms:
    return Arms.of(real, simulate(SIZE, seed=22), simulate(SIZE, seed=23))


def beside(arms: Arms, cohort: Cohort) -> Arms:
    """The same arms with another synthetic cohort."""
    side = Side.of(cohort, class_edges(arms.train.draws), np.random.default_rng(0))
    return replace(arms, synthetic=side)


def value_of(finding: Finding) -> float:
    assert finding.verdict is Verdict.MEASURED, finding.reason
    value, interval = finding.headline.value, finding.headline.interval
    assert value is not None
    assert interval is not None
    assert interval.low <= value <= interval.high
    return value


@pytest.mark.parametrize("name", ALL)
def test_a_copy_of_the_training_data_is_at_distance_zero(arms: Arms, real: Cohort, name: str):
    assert value_of(ALL[name](beside(arms, real))) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_fresh_real_patients_close_the_gap(arms: Arms, name: str):
    finding = ALL[name](arms)
    assert finding.floor is not None
    assert finding.ceiling is not None
    assert finding.floor.value is not None
    # two samples of one hospital are both at the floor, to within what their intervals allow
    floor = finding.floor.interval
    headline = finding.headline.interval
    assert floor is not None
    assert headline is not None
    assert headline.low <= floor.high
    assert floor.low <= headline.high


@pytest.mark.parametrize("name", ALL)
def test_the_null_cohort_gives_the_ceiling(arms: Arms, name: str):
    null = arms.scattered if name in MARGINS else arms.shuffled
    finding = ALL[name](replace(arms, synthetic=null))
    assert finding.ceiling is not None
    assert value_of(finding) == pytest.approx(finding.ceiling.value)
    assert finding.gap_closed == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_a_measure_grows_with_noise_in_five_steps(arms: Arms, real: Cohort, name: str):
    make = scattered if name in MARGINS else shuffled
    null = make(real, np.random.default_rng(3))
    steps = [value_of(ALL[name](beside(arms, spoilt(real, null, share)))) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert all(low < high for low, high in pairwise(steps)), steps


def test_patterns_of_missing_values_see_columns_that_go_missing_together(arms: Arms, real: Cohort):
    finding = joint.missing_patterns(arms)
    assert finding.verdict is Verdict.MEASURED
    table = real.patients.copy()
    both = np.arange(len(real)) % 2 == 0
    table.loc[both, ["height", "weight", "bmi"]] = np.nan
    assert value_of(joint.missing_patterns(beside(arms, replace(real, patients=table)))) > 0.3


def test_rounding_a_test_to_tens_shows_in_its_last_digit(arms: Arms, real: Cohort):
    glucose = list(real.schema.tests).index("Glucose")
    value = np.where(real.records.test == glucose, np.round(real.records.value, -1), real.records.value)
    finding = columns.last_digits(beside(arms, with_records(real, "value", value)))
    worst = next(one for one in finding.others if one.name.startswith("worst"))
    assert worst.name == "worst: Glucose"
    assert worst.value is not None
    assert worst.value > 0.8


def test_each_column_and_test_carries_the_named_distances(arms: Arms):
    findings = {finding.subject: finding for finding in (*each_column(arms), *each_test(arms))}
    assert set(findings) == {*arms.schema.columns, *arms.schema.tests}
    names = [one.name for one in findings["age"].others]
    assert names[1:] == [
        "Kolmogorov-Smirnov distance",
        "Wasserstein distance (standard deviations)",
        "Kullback-Leibler divergence",
    ]
    assert [one.name for one in findings["sex"].others][1:] == ["Kullback-Leibler divergence"]
    assert all(one.value is None or one.interval is not None for finding in findings.values() for one in finding.others)


def test_a_moved_column_is_named_with_its_size(arms: Arms, real: Cohort):
    age = real.patients["age"]
    moved = replace(real, patients=real.patients.assign(age=np.minimum(age + 10, 100)))
    finding = next(one for one in each_column(beside(arms, moved)) if one.subject == "age")
    wasserstein = next(one for one in finding.others if one.name.startswith("Wasserstein"))
    assert wasserstein.value == pytest.approx((moved.patients["age"] - age).mean() / age.std(ddof=0))


def test_a_classifier_names_the_column_that_gave_the_patients_away(arms: Arms, real: Cohort):
    potassium = list(real.schema.tests).index("K")
    value = np.where(real.records.test == potassium, real.records.value * 1.5, real.records.value)
    finding = two_sample(beside(arms, with_records(real, "value", value)))
    assert value_of(finding) > 0.8
    assert finding.others[0].name == "given away by K"
    assert finding.floor is not None
    assert finding.floor.interval is not None
    assert finding.floor.interval.holds(0.5)
    assert finding.ceiling is not None
    assert finding.ceiling.value is not None
    assert finding.ceiling.value > 0.9


def test_both_sides_are_cut_to_one_size_by_lots_that_can_be_repeated():
    train, holdout, synthetic = simulate(80, seed=1), simulate(50, seed=2), simulate(70, seed=3)
    arms = Arms.of(train, holdout, synthetic, seed=4)
    assert [len(side.cohort) for side in (arms.train, arms.holdout, arms.synthetic, arms.shuffled)] == [80, 50, 50, 50]
    assert some_patients(synthetic, 50, 4).ids.tolist() == arms.synthetic.cohort.ids.tolist()
    assert some_patients(synthetic, 50, 5).ids.tolist() != arms.synthetic.cohort.ids.tolist()


def test_nulls_keep_to_the_schema(real: Cohort):
    chance = np.random.default_rng(0)
    for null in (shuffled(real, chance), scattered(real, chance)):
        assert len(null) == len(real)
        assert len(null.records) == len(real.records)
        for name, column in real.schema.columns.items():
            if column.kind in ("integer", "continuous"):
                known = null.numbers(name)[np.isfinite(null.numbers(name))]
                assert known.tolist() == column.grid.snap(known).tolist()
    mixed = shuffled(real, chance)
    assert sorted(mixed.patients["ward"]) == sorted(real.patients["ward"])
    for test in range(len(real.schema.tests)):
        mine, other = (np.sort(one.records.value[one.records.test == test]) for one in (mixed, real))
        assert mine.tolist() == other.tolist()
