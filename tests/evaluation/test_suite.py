"""The whole evaluation: what it holds, that it can be repeated, and cohorts with hardly anything in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from evaluation.finding import Family, Finding, Scope, Verdict
from evaluation.suite import evaluate
from privacy.cohort import Cohort
from privacy.errors import CheckError
from privacy.schema import Schema
from synthhealth.generators.simulator import simulate

FORBIDDEN = ("compliant", "certified", "anonym", "de-identified", " safe", "no risk", "guaranteed private")


@pytest.fixture(scope="module")
def cohorts() -> tuple[Cohort, Cohort, Cohort]:
    return simulate(250, seed=61), simulate(250, seed=62), simulate(250, seed=63)


@pytest.fixture(scope="module")
def findings(cohorts: tuple[Cohort, Cohort, Cohort]) -> tuple[Finding, ...]:
    return evaluate(*cohorts)


def with_schema(cohorts: tuple[Cohort, Cohort, Cohort], update: dict[str, object]) -> tuple[Cohort, Cohort, Cohort]:
    schema: Schema = cohorts[0].schema.model_copy(update=update)
    train, holdout, synthetic = (replace(cohort, schema=schema) for cohort in cohorts)
    return train, holdout, synthetic


def without_records(cohort: Cohort) -> Cohort:
    return replace(cohort, records=cohort.records.keep(np.zeros(len(cohort.records), dtype=np.bool_)))


def timeless(finding: Finding) -> Finding:
    return replace(finding, seconds=0.0)


def measured(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.test for finding in findings if finding.verdict is Verdict.MEASURED}


def test_every_chapter_is_there_and_every_number_has_its_interval(findings: tuple[Finding, ...]):
    chapters = {finding.family for finding in findings}
    assert chapters == {Family.CONSTRAINTS, Family.FIDELITY, Family.PLAUSIBILITY, Family.UTILITY, Family.FAIRNESS}
    for finding in findings:
        assert finding.scope is Scope.INTERNAL_EXACT
        if finding.verdict is Verdict.NOT_MEASURABLE:
            assert finding.reason
            assert finding.headline.value is None
            continue
        assert finding.verdict is Verdict.MEASURED
        for one in (finding.headline, finding.floor, finding.ceiling, *finding.others):
            if one is None:
                continue
            assert (one.value is None) == (one.interval is None), (finding.test, one)
            assert one.value is not None or one.note
            assert one.interval is None or one.interval.low <= one.interval.high


def test_fidelity_stands_between_floor_and_ceiling(findings: tuple[Finding, ...]):
    for finding in findings:
        if finding.family in (Family.FIDELITY, Family.PLAUSIBILITY) and finding.verdict is Verdict.MEASURED:
            assert finding.floor is not None, finding.test
            assert finding.ceiling is not None, finding.test


def test_titles_are_told_apart_and_use_no_forbidden_word(findings: tuple[Finding, ...]):
    names = Counter((finding.family, finding.test, finding.title, finding.subject) for finding in findings)
    assert max(names.values()) == 1
    text = " ".join(
        f"{finding.title} {finding.reason} {one.name} {one.note}"
        for finding in findings
        for one in (finding.headline, *finding.others)
    ).lower()
    assert [word for word in FORBIDDEN if word in text] == []


def test_the_same_seed_gives_the_same_findings(cohorts: tuple[Cohort, Cohort, Cohort], findings: tuple[Finding, ...]):
    assert [timeless(one) for one in evaluate(*cohorts)] == [timeless(one) for one in findings]


def test_progress_names_each_stage_and_ends(cohorts: tuple[Cohort, Cohort, Cohort]):
    seen: list[tuple[str, int, int]] = []
    small = [cohort.take(np.arange(60)) for cohort in with_schema(cohorts, {"outcomes": (), "subgroups": ()})]
    evaluate(*small, progress=lambda stage, done, total: seen.append((stage, done, total)))
    assert [done for _, done, _ in seen] == list(range(len(seen)))
    assert {total for _, _, total in seen} == {len(seen) - 1}
    assert seen[-1][0] == "done"


def test_a_schema_without_tests_outcomes_or_subgroups(cohorts: tuple[Cohort, Cohort, Cohort]):
    bare = with_schema(cohorts, {"tests": {}, "outcomes": (), "subgroups": ()})
    train, holdout, synthetic = (without_records(cohort) for cohort in bare)
    found = evaluate(train, holdout, synthetic)
    assert {"one-way", "two-way", "two-sample", "column"} <= measured(found)
    assert not {"values", "lag 1", "pairs"} & measured(found)
    reasons = {finding.reason for finding in found if finding.verdict is Verdict.NOT_MEASURABLE}
    assert {"the schema names no outcome", "the schema names no subgroup"} <= reasons


def test_synthetic_patients_without_a_record(cohorts: tuple[Cohort, Cohort, Cohort]):
    train, holdout, synthetic = (cohort.take(np.arange(150)) for cohort in cohorts)
    found = {one.test: one for one in evaluate(train, holdout, without_records(synthetic)) if not one.subject}
    for name in ("values", "lag 1", "pairs", "panels"):
        assert found[name].headline.value == pytest.approx(1), name
    assert found["orphans"].headline.value == 0


def test_nobody_has_a_record(cohorts: tuple[Cohort, Cohort, Cohort]):
    train, holdout, synthetic = (without_records(cohort.take(np.arange(150))) for cohort in cohorts)
    found = {one.test: one for one in evaluate(train, holdout, synthetic)}
    assert found["values"].verdict is Verdict.NOT_MEASURABLE
    assert found["one-way"].verdict is Verdict.MEASURED


def test_constant_and_empty_columns(cohorts: tuple[Cohort, Cohort, Cohort]):
    def flattened(cohort: Cohort) -> Cohort:
        small = cohort.take(np.arange(150))
        blank = np.full(150, np.nan)
        patients = small.patients.assign(age=50.0, height=blank, weight=blank, bmi=blank)
        return replace(small, patients=patients, records=replace(small.records, value=np.ones(len(small.records))))

    train, holdout, synthetic = (flattened(cohort) for cohort in cohorts)
    found = {(one.test, one.subject): one for one in evaluate(train, holdout, synthetic)}
    assert found["column", "age"].headline.value == 0
    assert found["column", "height"].headline.value == 0
    assert found["test", "Na"].headline.value == 0


@pytest.mark.parametrize("size", [2, 6, 25])
def test_a_handful_of_patients(cohorts: tuple[Cohort, Cohort, Cohort], size: int):
    train, holdout, synthetic = (cohort.take(np.arange(size)) for cohort in cohorts)
    found = {one.test: one for one in evaluate(train, holdout, synthetic)}
    assert found["two-sample"].verdict is Verdict.NOT_MEASURABLE
    assert found["one-way"].headline.value is not None


def test_six_patients(six_patients: Cohort):
    found = {one.test: one for one in evaluate(six_patients, six_patients, six_patients) if not one.subject}
    assert found["one-way"].headline.value == 0
    assert found["values"].headline.value == 0
    assert found["gaps"].headline.value == 0


def test_cohorts_of_two_schemas_are_refused(cohorts: tuple[Cohort, Cohort, Cohort], six_patients: Cohort):
    with pytest.raises(CheckError, match="synthetic cohort must be in the schema"):
        evaluate(cohorts[0], cohorts[1], six_patients)


def test_a_cohort_of_one_is_refused(cohorts: tuple[Cohort, Cohort, Cohort]):
    with pytest.raises(CheckError, match="holdout cohort must have at least 2 patients"):
        evaluate(cohorts[0], cohorts[1].take(np.arange(1)), cohorts[2])
