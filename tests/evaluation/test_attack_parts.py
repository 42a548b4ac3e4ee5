"""The pieces attacks are made of, solved by hand: fingerprints, planted cohorts, evidence, guesses, secrets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_cohorts import SCHEMA, lab_cohort

from evaluation.attacks import distances, duplicates, lab_sets, linkability, singling_out
from evaluation.attacks.ground import control_worlds, ground_of
from evaluation.attacks.planted import jittered, joined, redrawn_labs, renamed
from evaluation.attacks.reading import NotMeasurableError
from evaluation.attacks.secrets import right, secrets
from evaluation.attacks.stage import Ground, Stage
from evaluation.attacks.success import residual_risk
from evaluation.attacks.suite import attack
from evaluation.exhibit import Exhibit
from evaluation.finding import Verdict
from evaluation.fingerprints import as_words, mixed, patient_words, run_words
from evaluation.patient_table import Feature, PatientTable
from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.schema import Schema

NO_LABS = Schema.parse(
    'name = "n"\ncohort_size = 100\n[privacy_unit]\nmax_records = 1\nwindow = [0, 1]\n'
    '[columns.a]\nkind = "integer"\nlow = 0\nhigh = 1000\n'
    '[columns.b]\nkind = "integer"\nlow = 0\nhigh = 1000\n'
    '[columns.c]\nkind = "categorical"\ncodes = ["x", "y"]\n'
)


def _no_labs(n: int, seed: int) -> Cohort:
    rng = np.random.default_rng(seed)
    cells = {"a": rng.integers(1000, size=n), "b": rng.integers(1000, size=n), "c": rng.integers(2, size=n)}
    frame = patient_frame(NO_LABS, [f"{seed}-{i}" for i in range(n)], cells)
    return Cohort(schema=NO_LABS, patients=frame, records=_records([]))


def _records(rows: list[tuple[int, float, int, float]]) -> Records:
    owner, time, test, value = np.array(rows, dtype=float).reshape(-1, 4).T
    return Records.sorted(owner=owner.astype(int), time=time, test=test.astype(int), value=value)


def _ground(n: int = 300, *, seed: int = 0) -> Ground:
    train, holdout, reference = (lab_cohort(n, 50 + seed + place) for place in range(3))
    return ground_of(Exhibit.of(train, holdout, holdout, reference=reference), quick=True, seed=seed)


def _stage(synthetic: Cohort | None = None) -> Stage:
    return _ground().stage("release", lab_cohort(300, 60) if synthetic is None else synthetic)


def _with(records: list[tuple[int, float, int, float]]) -> Cohort:
    return replace(lab_cohort(4, 1), records=_records(records))


def test_a_patient_is_known_by_every_cell_and_by_no_name():
    cohort = lab_cohort(200, 3)
    words = patient_words(cohort)
    assert len(set(words.tolist())) > 195
    assert (patient_words(renamed(cohort)) == words).all()
    order = np.random.default_rng(0).permutation(200)
    assert (patient_words(cohort.take(order)) == words[order]).all()


@given(st.integers(0, 199), st.sampled_from(["age", "ward", "record", "time"]))
@settings(max_examples=20, deadline=None)
def test_one_changed_cell_changes_the_word_of_its_patient_alone(row: int, what: str):
    cohort = lab_cohort(200, 4, records=3)
    patients, records = cohort.patients.copy(), cohort.records
    touched = row
    if what == "age":
        patients.loc[row, "age"] += 1
    elif what == "ward":
        patients.loc[row, "ward"] = "A" if patients.loc[row, "ward"] != "A" else "B"
    else:
        place = row % len(records)
        touched = int(records.owner[place])
        column = "value" if what == "record" else "time"
        moved = getattr(records, column).copy()
        moved[place] += 1
        records = replace(records, **{column: moved})
    changed = patient_words(replace(cohort, patients=patients, records=records)) != patient_words(cohort)
    assert np.flatnonzero(changed).tolist() == [touched]


def test_missing_is_a_value_of_its_own():
    words = as_words(np.array([np.nan, np.nan, 0.0, -1.0]))
    assert words[0] == words[1]
    assert len(set(words.tolist())) == 3


def test_mixing_is_ordered():
    one, two = np.array([1], dtype=np.uint64), np.array([2], dtype=np.uint64)
    assert mixed(one, two) != mixed(two, mixed(one, one))


def test_runs_are_three_records_of_one_patient_wherever_they_stand_in_time():
    rows = [(0, 1, 0, 140), (0, 3, 1, 2.5), (0, 7, 0, 141), (1, 0, 0, 140), (1, 1, 0, 140)]
    later = [(2, 11, 0, 140), (2, 13, 1, 2.5), (2, 17, 0, 141)]
    other_gap = [(3, 11, 0, 140), (3, 13, 1, 2.5), (3, 18, 0, 141)]
    owner, words = run_words(_with(rows + later + other_gap))
    assert owner.tolist() == [0, 2, 3]
    assert words[0] == words[1] != words[2]


def test_too_few_records_have_no_runs():
    owner, words = run_words(_with([(0, 1, 0, 140), (0, 2, 0, 140)]))
    assert len(owner) == len(words) == 0


def test_duplicates_are_counted_on_both_sides():
    ground = _ground()
    held = ground.targets.cohort.take(np.flatnonzero(~ground.member)[:5])
    stage = ground.stage("release", joined(held, lab_cohort(200, 70)))
    exact, close = duplicates.patients(stage)
    for reading in (exact, close):
        rates = {one.name: one.value for one in reading.others}
        assert rates["success on holdout"] == pytest.approx(5 / 300, abs=0.01)
        assert reading.p_value > 0.5


def test_runs_that_the_reference_has_too_do_not_count():
    ground = _ground()
    stage = ground.stage("release", renamed(ground.reference.cohort))
    (reading,) = duplicates.runs(stage)
    assert {one.name: one.value for one in reading.others}["success on train"] == 0


def test_jitter_keeps_to_the_grid_the_bounds_and_what_is_missing():
    cohort = lab_cohort(300, 5)
    moved = jittered(cohort, 0.5, np.random.default_rng(0))
    weight = moved.numbers("weight")
    assert (np.isnan(weight) == np.isnan(cohort.numbers("weight"))).all()
    assert np.nanmax(np.abs(weight * 10 - np.round(weight * 10))) < 1e-9
    assert moved.numbers("age").min() >= 0
    assert moved.numbers("age").max() <= 100
    assert (moved.codes("ward") == cohort.codes("ward")).all()
    difference = moved.records.value - cohort.records.value
    sodium = cohort.records.test == 0
    assert difference[sodium].std() == pytest.approx(0.5 * cohort.records.value[sodium].std(), rel=0.15)


def test_redrawn_labs_keep_counts_and_copy_every_record():
    cohort = lab_cohort(300, 6)
    redrawn = redrawn_labs(cohort, np.random.default_rng(0))
    assert (redrawn.records_per_patient() == cohort.records_per_patient()).all()
    real = set(zip(cohort.records.time, cohort.records.test, cohort.records.value, strict=True))
    assert set(zip(redrawn.records.time, redrawn.records.test, redrawn.records.value, strict=True)) <= real
    assert np.mean(redrawn.records.value != cohort.records.value) > 0.5


def test_joined_keeps_both_cohorts_apart():
    one, two = lab_cohort(5, 7), lab_cohort(6, 8)
    both = joined(one, two)
    assert len(both) == 11
    assert len(set(both.ids)) == 11
    assert both.records_per_patient().tolist() == [*one.records_per_patient(), *two.records_per_patient()]
    assert (patient_words(both) == np.concatenate([patient_words(one), patient_words(two)])).all()


def test_control_worlds_never_score_their_own_fresh_patients():
    ground = _ground(400)
    worlds = {one.known.name: one for one in control_worlds(ground)}
    scored = set(patient_words(ground.targets.cohort.take(worlds["NEG-fresh"].rows)).tolist())
    assert not scored & set(patient_words(worlds["NEG-fresh"].planted).tolist())
    copied = set(patient_words(worlds["POS-copy"].planted).tolist())
    assert copied <= scored
    planted = patient_words(worlds["POS-2 %"].planted)
    assert sum(int(word) in copied for word in planted) == max(5, round(0.02 * len(copied)))


def test_record_evidence_is_the_poisson_ratio():
    frame = lab_cohort(4, 1).patients
    mine = _with([(0, 5, 0, 140)])
    stage = _stage(replace(mine, patients=frame, records=_records([(0, 5, 0, 140), (1, 5, 0, 140), (2, 9, 1, 3.0)])))
    stage = replace(stage, targets=replace(stage.targets, cohort=mine))
    only = replace(stage.reference, cohort=_with([(0, 90, 1, 400.0)] * 3))
    owner, evidence = lab_sets.record_evidence(replace(stage, reference=only))
    # two synthetic records share the cell of every view but that of changes, where all first records do
    expected = 4 * (2 * np.log1p(1 / 0.5) - 1)
    assert owner.tolist() == [0]
    assert evidence[0] == pytest.approx(expected)


def test_labs_without_records_are_not_measurable():
    empty = replace(lab_cohort(300, 60), records=_records([]))
    with pytest.raises(NotMeasurableError):
        lab_sets.measure(_stage(empty))


NUMBER = Feature(name="x", source="x", part="attribute", kind="number", low=-100, high=100, step=0.5)
CODE = Feature(name="c", source="c", part="attribute", kind="code", levels=3)


def test_a_negative_guess_is_not_always_right():
    guess, truth = np.array([-50.0, -10.0, 9.6, 10.5]), np.array([10.0, -10.2, 10.0, 10.0])
    assert right(guess, truth, NUMBER).tolist() == [0, 1, 1, 1]
    assert right(np.array([-1.0]), np.array([0.0]), NUMBER).tolist() == [0]


def test_codes_must_be_equal_and_missing_meets_missing():
    guess, truth = np.array([1.0, 2.0, np.nan, np.nan]), np.array([1.0, 1.0, 1.0, np.nan])
    assert right(guess, truth, CODE).tolist() == [1, 0, 0, 1]


def test_outcomes_are_the_first_secrets():
    stage = _stage()
    names = [stage.targets.table.features[place].name for place in secrets(stage)]
    assert names == ["died", "age", "weight", "ward"]


def test_linkability_cuts_attributes_in_half_where_there_are_no_labs():
    train, holdout, reference, synthetic = (_no_labs(150, seed) for seed in range(4))
    ground = ground_of(Exhibit.of(train, holdout, holdout, reference=reference), quick=True, seed=0)
    one, two = linkability.halves(ground.stage("release", synthetic))
    assert one.tolist() == [0, 2]
    assert two.tolist() == [1]


def test_without_labs_the_lab_attacks_stand_aside_and_the_others_go_on():
    train, holdout, synthetic = _no_labs(300, 0), _no_labs(400, 1), renamed(_no_labs(300, 0))
    verdicts = {one.test: one.verdict for one in attack(train, holdout, synthetic)}
    assert verdicts["labs-sum"] is verdicts["lab-runs"] is Verdict.NOT_MEASURABLE
    assert verdicts["exact-duplicates"] is verdicts["linkability"] is verdicts["suite"] is Verdict.LEAK
    assert Verdict.INCONCLUSIVE not in verdicts.values()


def test_guesses_fit_the_synthetic_patient_they_come_from_alone():
    table = PatientTable.of(lab_cohort(400, 9))
    guesses = singling_out._conjunctions(table, np.random.default_rng(0))
    assert len(guesses) > 50
    assert (singling_out._fits(guesses, table).sum(axis=1) == 1).all()
    assert all(2 <= len(guess.feature) <= 5 for guess in guesses)


def test_extremes_are_unique_values():
    table = PatientTable(features=(NUMBER, CODE), values=np.array([[1.0, 0], [2, 0], [2, 1], [np.nan, 2]]))
    guesses = singling_out._extremes(table)
    found = sorted((int(g.feature[0]), float(g.border[0]), int(g.sign[0])) for g in guesses)
    assert found == [(0, 1.0, -1), (1, 1.0, 0), (1, 2.0, 0)]
    assert singling_out._fits(guesses, table)[:, 0].tolist() == [True, False, False]


def test_singling_out_is_fair_though_train_and_holdout_differ_in_size():
    p_values = []
    for seed in range(12):
        train, holdout, reference = lab_cohort(600, 100 + seed), lab_cohort(150, 200 + seed), lab_cohort(100, 300)
        ground = ground_of(Exhibit.of(train, holdout, holdout, reference=reference), quick=True, seed=seed)
        (reading,) = singling_out.measure(ground.stage("release", lab_cohort(600, 400 + seed)))
        p_values.append(reading.p_value)
    assert min(p_values) > 0.002
    assert np.mean(p_values) > 0.25


def test_residual_risk_leaves_out_what_the_control_reaches():
    member = np.arange(200) < 100
    hit = np.where(member, np.arange(200) % 10 < 6, np.arange(200) % 10 < 2).astype(float)
    risk = residual_risk(hit, member)
    assert risk.value == pytest.approx((0.6 - 0.2) / 0.8)
    assert risk.interval is not None
    assert 0.3 < risk.interval.low < 0.5 < risk.interval.high < 0.65


def test_residual_risk_of_a_certain_control_is_nothing_and_says_so():
    risk = residual_risk(np.ones(20), np.arange(20) < 10)
    assert risk.value == 0
    assert risk.note


def test_the_schema_of_the_small_cohort_is_what_these_tests_assume():
    assert list(SCHEMA.tests) == ["Na", "CRP"]


def test_the_share_closer_to_train_is_half_for_fresh_patients_and_passes_few_copies():
    ground = _ground(400)
    members = ground.targets.cohort.take(np.flatnonzero(ground.member))
    fresh, few, all_of_them = lab_cohort(400, 90), members.take(np.arange(8)), renamed(members)
    shares = [
        distances.share_closer_to_train(ground.stage("release", synthetic))
        for synthetic in (fresh, joined(fresh, few), all_of_them)
    ]
    assert all(one.interval is not None and one.interval.low < one.value < one.interval.high for one in shares[:2])
    assert shares[0].interval is not None
    assert shares[1].interval is not None
    assert shares[0].interval.holds(0.5)
    assert shares[1].interval.holds(0.5)
    assert shares[2].value == 1


def test_a_full_run_plants_more_doses():
    ground = replace(_ground(), quick=False)
    names = [one.known.name for one in control_worlds(ground)]
    assert {"POS-0.5 %", "POS-1 %", "POS-2 %", "POS-5 %", "POS-jitter 0.01 sd", "POS-jitter 0.1 sd"} <= set(names)
