from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from command import Command
from tiny_project import CONFIG, lay_out, stand_in

from evaluation.finding import Scope
from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.ledger import Ledger
from privacy.mechanisms import NoisyTable
from synthhealth.charged_quality import CHARGE, answers, compared, measured, quality_plan, reach, with_quality
from synthhealth.generators.simulator import simulate
from synthhealth.question import MOST_LEVELS, Question, questions
from synthhealth.report.signing import read_document
from synthhealth.report.verification import OPEN, verify

HERE, THERE = simulate(1500, seed=1), simulate(1500, seed=2)
ASKED = questions(HERE.schema)
BUDGET = Budget(epsilon=1.0, delta=1e-6)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "200")
    stand_in(monkeypatch)
    return Command(monkeypatch, capsys)


def exact(cohort: Cohort, sigma: float) -> NoisyTable:
    """The sums of a cohort as they would be released with noise of `sigma` that happened to be 0."""
    return NoisyTable(values=answers(cohort, ASKED).sum(axis=0), sigma=sigma)


def test_no_patient_moves_the_sums_by_more_than_the_charge_says(six_patients: Cohort):
    for cohort in (HERE, six_patients):
        asked = questions(cohort.schema)
        rows = answers(cohort.bound_records(key=b"k"), asked)
        assert rows.shape == (len(cohort), 1 + 2 * len(asked))
        assert np.linalg.norm(rows, axis=1).max() <= reach(asked) * (1 + 1e-12)
        assert rows.min() >= 0
        assert rows.max() <= 1


def test_a_patients_answers_are_its_own():
    alone = answers(HERE.take(np.array([7])), ASKED)
    assert np.array_equal(alone[0], answers(HERE, ASKED)[7])


def test_without_noise_the_differences_are_those_of_the_tables():
    found = {finding.title: finding for finding in compared(ASKED, exact(THERE, 1e-9), answers(HERE, ASKED))}
    age = found["Mean of age: synthetic minus holdout (years)"].headline
    assert age.value == pytest.approx(HERE.numbers("age").mean() - THERE.numbers("age").mean(), rel=5e-3)
    women = found["Share of sex = F: synthetic minus holdout (points of 100)"].headline
    shares = [100 * (side.codes("sex") == 0).mean() for side in (HERE, THERE)]
    assert women.value == pytest.approx(shares[0] - shares[1], rel=5e-3)
    for finding in found.values():
        assert finding.scope is Scope.DP_CHARGED
        interval = finding.headline.interval
        assert interval is not None
        assert finding.headline.value is not None
        assert interval.low <= finding.headline.value <= interval.high


def test_what_is_shifted_lies_outside_its_interval_and_the_rest_inside():
    older = replace(HERE, patients=HERE.patients.assign(age=np.minimum(HERE.numbers("age") + 15, 100)))
    found = {
        f.subject: f.headline for f in compared(ASKED, exact(THERE, 20.0), answers(older, ASKED)) if "Mean" in f.title
    }
    for name, shifted in (("age", True), ("height", False)):
        interval = found[name].interval
        assert interval is not None
        assert interval.holds(0.0) is not shifted


def test_intervals_hold_the_truth_as_often_as_they_say():
    """The noise alone, drawn sixty times for the same two cohorts, is covered 95 times in 100 or more."""
    chance, truth = np.random.default_rng(5), exact(THERE, 1e-9)
    sure = {f.title: f.headline.value for f in compared(ASKED, truth, answers(HERE, ASKED))}
    held, mine = [], answers(HERE, ASKED)
    for _ in range(60):
        noisy = NoisyTable(values=truth.values + chance.normal(0, 30.0, len(truth.values)), sigma=30.0)
        for finding in compared(ASKED, noisy, mine):
            interval = finding.headline.interval
            assert interval is not None
            held.append(interval.holds(float(sure[finding.title] or 0.0)))
    assert np.mean(held) > 0.94


def test_groups_that_drown_in_the_noise_have_no_number():
    assert compared(ASKED, exact(THERE, 1e6), answers(HERE, ASKED)) == ()


def test_codes_of_many_are_left_out_and_logarithms_speak_in_factors():
    assert all(one.level < MOST_LEVELS for one in ASKED)
    grows = Question(column="x", title="x", low=0.1, high=1000.0, log=True)
    assert grows.spoken(0.25) == pytest.approx(10.0)
    assert grows.scaled(np.array([0.01, 0.1, 10.0, 1e9])).tolist() == pytest.approx([0.0, 0.0, 0.5, 1.0])


def test_the_charge_is_paid_once_and_priced_with_those_of_the_fit():
    bought = Ledger(quality_plan(HERE.schema, BUDGET, cohort_size=1500))
    assert len(measured(THERE, HERE, bought)) > 10
    fitted = Ledger(quality_plan(HERE.schema, Budget(epsilon=2.0, delta=1e-6), cohort_size=3000))
    told = json.loads(json.dumps(dict(fitted.to_json())).replace(CHARGE, "fit"))
    both = with_quality(json.dumps(told | {"spent": ["fit"]}), bought)
    assert both["spent"] == ["fit", CHARGE]
    events = (*fitted.plan.events, *bought.plan.events)
    assert both["guarantee"]["epsilon"] == pytest.approx(epsilon_of(events, 1e-6))  # type: ignore[index]
    assert 2.0 < epsilon_of(events, 1e-6) < 3.0


def test_a_run_buys_quality_and_the_release_says_so(shell: Command, tmp_path: Path):
    path = lay_out(tmp_path, config=CONFIG.replace("ceiling = 5", "ceiling = 60") + "quality_epsilon = 40\n")
    answer = shell("run", "--config", path)
    assert answer.code == 0, answer.err
    release = tmp_path / "out" / "release"
    document = read_document(release)
    assert len(document.quality) >= 1
    assert {one.scope for one in document.quality} == {"dp_charged"}
    assert [line.name for line in document.common.ledger.lines][-1] == CHARGE
    assert document.common.population is not None
    assert len(document.common.population.runs) == 2
    promised = document.common.promise.epsilon
    assert promised is not None
    assert 30.0 < promised.value <= document.common.population.epsilon + 1e-4
    assert verify(release, today=date.fromisoformat(document.common.header.created_on)).exit_code == OPEN
    before = (release / "ledger.json").read_bytes()
    assert shell("run", "--config", path).code == 0
    assert (release / "ledger.json").read_bytes() == before


def test_an_audit_of_the_fit_stays_evidence_after_quality_was_bought(
    shell: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, seen = lay_out(tmp_path, config=CONFIG + "quality_epsilon = 1\n"), []
    monkeypatch.setattr("synthhealth.gathering.audit_of", lambda _, ledger: seen.append(json.loads(ledger)))
    assert shell("run", "--config", path).code == 0
    released = json.loads((tmp_path / "out" / "release" / "ledger.json").read_text())
    assert [charge["name"] for charge in seen[-1]["charges"]] == ["histograms"]
    assert [charge["name"] for charge in released["charges"]] == ["histograms", CHARGE]


def test_what_is_not_asked_for_or_not_covered_is_refused(shell: Command, tmp_path: Path):
    path = lay_out(tmp_path)
    for step in ("fit", "sample"):
        assert shell(step, "--config", path).code == 0
    answer = shell("quality", "--config", path)
    assert answer.code == 2
    assert "quality_epsilon in [release] must be given" in answer.err
    path.write_text(CONFIG.replace("ceiling = 5", "ceiling = 2.5") + "quality_epsilon = 2.0\n")
    (tmp_path / "ledger.jsonl").unlink()
    (tmp_path / "ledger.jsonl.head").unlink()
    answer = shell("fit", "--again", "--config", path)
    assert answer.code == 4, answer.err
    assert not (tmp_path / "ledger.jsonl").exists()
