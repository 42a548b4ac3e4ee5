"""Models trained on synthetic patients, on data with a known answer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from mixtures import spoilt, with_codes, with_column

from evaluation.features import Features
from evaluation.fidelity.nulls import shuffled
from evaluation.finding import Finding, Verdict
from evaluation.utility.coefficients import Fit, coefficient_finding, overlap, regression, same_conclusion, same_sign
from evaluation.utility.findings import utility_findings
from evaluation.utility.hybrid import hybrid_finding, topping
from evaluation.utility.importance import agreement, importance_finding, top_shared
from evaluation.utility.learners import LEARNERS, Scale
from evaluation.utility.tasks import Rows, Task, frequent_tests, predictors, rows_of, table_of, tasks_of
from evaluation.utility.transfer import Bench, Transfer, can_judge, transfer_finding, transfers
from privacy.cohort import Cohort
from privacy.schema import Schema
from synthhealth.generators.simulator import simulate

DIED = Task(outcome="died", kind="class", level=1, title="died = 1")


@pytest.fixture(scope="module")
def train() -> Cohort:
    return simulate(900, seed=31)


@pytest.fixture(scope="module")
def holdout() -> Cohort:
    return simulate(900, seed=32)


@pytest.fixture(scope="module")
def copied(train: Cohort, holdout: Cohort) -> tuple[Bench, tuple[Transfer, ...]]:
    bench = Bench.of(train, holdout, train)
    return bench, transfers(bench, train)


def value_of(finding: Finding) -> float:
    assert finding.headline.value is not None
    return finding.headline.value


def test_outcomes_of_every_kind_become_tasks(train: Cohort):
    schema: Schema = train.schema.model_copy(update={"outcomes": ("died", "ward", "stay_hours")})
    tasks = tasks_of(replace(train, schema=schema))
    assert [task.title for task in tasks] == [
        "died = 1",
        "ward = Medical",
        "ward = Surgical",
        "ward = Cardiac",
        "ward = Intensive",
        "stay_hours",
    ]
    assert tasks[-1].kind == "number"
    assert not {"died", "ward", "stay_hours", "bmi"} & set(predictors(schema))


def test_a_table_has_one_column_a_code_of_an_unordered_column(train: Cohort):
    table = table_of(train, frequent_tests(train))
    wards = table.values[:, [name.startswith("ward = ") for name in table.names]]
    assert wards.shape[1] == 4
    assert (wards.sum(axis=1) == 1).all()


def test_rows_leave_out_patients_whose_outcome_is_unknown(train: Cohort):
    codes = train.codes("died").copy()
    codes[:5] = -1
    rows = rows_of(DIED, with_codes(train, "died", codes), table_of(train, ()))
    assert rows.patient.tolist() == list(range(5, 900))
    assert rows.y.tolist() == codes[5:].tolist()


def test_trained_on_a_copy_is_trained_on_real(copied: tuple[Bench, tuple[Transfer, ...]]):
    _, done = copied
    assert [transfer.family for transfer in done] == ["boosted trees", "linear model"]
    for transfer in done:
        finding = transfer_finding(transfer)
        assert finding.floor is not None
        assert finding.headline.value == finding.floor.value
        difference = finding.others[0]
        assert difference.value == 0
        assert difference.interval is not None
        assert difference.interval.low == difference.interval.high == 0
        assert finding.gap_closed == pytest.approx(1)
        assert value_of(finding) > 0.8


def test_importances_and_coefficients_of_a_copy_agree(train: Cohort, copied: tuple[Bench, tuple[Transfer, ...]]):
    finding = importance_finding(copied[1][0])
    assert value_of(finding) == pytest.approx(1)
    assert finding.floor is not None
    assert finding.floor.value is not None
    assert -1 <= finding.floor.value < 1
    regressions = coefficient_finding(DIED, train, train, train)
    assert value_of(regressions) == pytest.approx(1)
    assert regressions.ceiling is not None
    assert regressions.ceiling.value is not None
    assert regressions.ceiling.value < 0.9
    assert regressions.others[0].value == regressions.others[2].value == 1


def test_utility_falls_as_patients_are_shuffled(train: Cohort, holdout: Cohort):
    null = shuffled(train, np.random.default_rng(0))
    flipped = with_codes(null, "died", 1 - null.codes("died"))
    scores = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        bench = Bench.of(train, holdout, spoilt(train, flipped, share))
        linear = transfers(bench, train)[1]
        scores.append(transfer_finding(linear).others)
    brier = [next(one.value for one in others if one.name == "Brier score, trained on synthetic") for others in scores]
    assert all(low < high for low, high in pairwise(brier)), brier


def test_the_holdout_must_hold_enough_of_both_classes(train: Cohort, holdout: Cohort):
    assert not can_judge(DIED, np.r_[np.ones(9), np.zeros(100)])
    assert not can_judge(DIED, np.r_[np.ones(100), np.zeros(9)])
    assert not can_judge(Task(outcome="age", kind="number"), np.arange(49.0))
    assert can_judge(DIED, np.r_[np.ones(10), np.zeros(100)])
    immortal = with_codes(holdout, "died", np.zeros(len(holdout), dtype=np.int64))
    bench = Bench.of(train, immortal, train)
    findings = utility_findings(bench, transfers(bench, train), (train, immortal, train))
    assert [finding.verdict for finding in findings] == [Verdict.NOT_MEASURABLE]
    assert "too few" in findings[0].reason


def test_a_synthetic_cohort_of_one_class_is_worth_a_coin(train: Cohort, holdout: Cohort):
    immortal = with_codes(train, "died", np.zeros(len(train), dtype=np.int64))
    bench = Bench.of(train, holdout, immortal)
    for transfer in transfers(bench, train):
        assert value_of(transfer_finding(transfer)) == 0.5


def test_the_rare_class_is_topped_up_to_twice_its_number():
    x = Features(names=("a",), sources=("a",), values=np.zeros((10, 1)))
    real = Rows(x=x, y=np.array([1.0] * 3 + [0.0] * 7), patient=np.arange(10))
    synthetic = Rows(x=x, y=np.array([1.0] * 5 + [0.0] * 5), patient=np.arange(10))
    assert topping(real, synthetic).tolist() == [0, 1, 2]
    swapped = Rows(x=x, y=1 - real.y, patient=real.patient)
    assert topping(swapped, synthetic).tolist() == [5, 6, 7]


def test_hybrid_training_stands_beside_real_alone(copied: tuple[Bench, tuple[Transfer, ...]]):
    bench, done = copied
    finding = hybrid_finding(bench, done[0])
    assert finding.baseline is not None
    assert finding.baseline.value == pytest.approx(value_of(transfer_finding(done[0])))
    differences = [one for one in finding.others if "minus" in one.name]
    assert len(differences) == 4
    assert all(one.interval is not None for one in differences)


def test_a_numeric_outcome_is_judged_by_the_share_explained(train: Cohort, holdout: Cohort):
    schema: Schema = train.schema.model_copy(update={"outcomes": ("age",), "end_of_followup": None})
    real, fresh = replace(train, schema=schema), replace(holdout, schema=schema)
    bench = Bench.of(real, fresh, real)
    findings = utility_findings(bench, transfers(bench, real), (real, fresh, real))
    assert {finding.test for finding in findings} == {"train on synthetic, test on real", "importance", "coefficients"}
    assert findings[0].title.startswith("R2 for age")
    assert -1 < value_of(findings[0]) < 1


@pytest.mark.parametrize(("name", "learn"), LEARNERS)
def test_learners_find_a_line_through_missing_values(name: str, learn: object):
    assert callable(learn), name
    chance = np.random.default_rng(0)
    x = chance.normal(size=(600, 3))
    y = (x[:, 0] > 0).astype(np.float64)
    x[:, 2] = np.nan
    x[::7, 1] = np.nan
    risk = learn(x, y, "class")(x)
    assert ((risk > 0.5) == (y == 1)).mean() > 0.95
    number = learn(x, 3 * x[:, 0], "number")(x)
    assert np.corrcoef(number, x[:, 0])[0, 1] > 0.98
    assert learn(x, np.ones(600), "class")(x[:4]).tolist() == [1.0] * 4


def test_a_scale_holds_outliers_and_marks_missing():
    scale = Scale.of(np.array([[0.0, 5.0, np.nan], [2.0, 5.0, np.nan]]))
    rows = scale.apply(np.array([[1e9, 5.0, 1.0], [np.nan, 6.0, np.nan]]))
    assert rows.tolist() == [[5.0, 0.0, 1.0, 0, 0, 0], [0.0, 1.0, 0.0, 1, 0, 1]]


def test_regression_is_least_squares_and_its_errors_are_the_textbooks():
    chance = np.random.default_rng(1)
    x = chance.normal(size=(2000, 2))
    y = 2 * x[:, 0] + chance.normal(size=2000)
    rows = Rows(x=Features(names=("a", "b"), sources=("a", "b"), values=x), y=y, patient=np.arange(2000))
    fit = regression(rows, Scale.of(x), "number", np.random.default_rng(0))
    spread = y.std()
    assert fit.coefficient[0] * spread == pytest.approx([2, 0], abs=0.08)
    assert fit.error[0] * spread == pytest.approx([1 / np.sqrt(2000)] * 2, rel=0.1)
    assert fit.coefficient[1:].std(axis=0) == pytest.approx(fit.error[0], rel=0.4)


def fit_of(coefficient: list[float], error: list[float]) -> Fit:
    names = tuple("abcdefgh"[: len(coefficient)])
    return Fit(names=names, coefficient=np.array([coefficient]), error=np.array([error]))


def test_overlap_of_intervals_by_hand():
    one = fit_of([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    two = fit_of([0.0, 1.959964 * 2, 1.959964 * 4], [1.0, 1.0, 1.0])
    assert overlap(one, two)[0] == pytest.approx([1.0, 0.0, -1.0], abs=1e-6)


def test_conclusions_need_sign_and_distance_from_zero():
    real, other = fit_of([3.0, -3.0, 0.1], [1.0] * 3), fit_of([3.0, -0.5, 9.0], [1.0] * 3)
    assert same_sign(real, other)[0] == 1.0
    assert same_conclusion(real, other)[0] == 0.5
    assert np.isnan(same_conclusion(fit_of([0.1], [1.0]), other)[0])


def test_agreement_of_importances_by_hand():
    left = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert agreement(left, -left).tolist() == pytest.approx([-1, -1])
    assert agreement(left, left**3).tolist() == pytest.approx([1, 1])
    assert np.isnan(agreement(left, np.zeros((2, 3)))).all()
    assert top_shared(np.arange(10.0)[None], np.arange(10.0)[::-1][None])[0] == 0


def test_a_column_without_a_known_value_does_no_harm(train: Cohort, holdout: Cohort):
    blank = with_column(train, "height", np.full(len(train), np.nan))
    bench = Bench.of(blank, with_column(holdout, "height", np.full(len(holdout), np.nan)), blank)
    assert len(transfers(bench, blank)) == 2
