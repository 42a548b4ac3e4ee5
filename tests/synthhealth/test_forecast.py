"""Forecasts: trials on made-up patients, drawn out in a line; nothing here looks at a clock."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import Command
from hypothesis import given
from hypothesis import strategies as st
from odd_worlds import ODD_SCHEMAS, odd_cohort
from tiny_project import CONFIG, lay_out

from privacy.budget import Budget
from privacy.schema import Schema
from synthhealth import forecast as module
from synthhealth.forecast import HARDER, MOST_TRIED, Task, Trial, drawn_out, forecast, made_up, tried
from synthhealth.generators.simulator import simulated_schema

TASK = Task(
    schema=simulated_schema(100_000),
    engine="marginal",
    budget=Budget(epsilon=3, delta=1e-6),
    patients=100_000,
    synthetic=100_000,
    records=60,
)
SMALL = Trial(patients=1_000, fit=10.0, sample=0.5, memory=0.6)
LARGE = Trial(patients=9_000, fit=18.0, sample=2.0, memory=0.7)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_two_trials_are_drawn_out_in_a_line() -> None:
    told = drawn_out(TASK, [SMALL, LARGE], assumed=False)
    assert told.fit_seconds == pytest.approx(HARDER * (18 + 91_000 * 8 / 8_000))
    assert told.sample_seconds == pytest.approx(2.0 * 100_000 / 9_000, abs=0.1)
    assert told.tried == (1_000, 9_000)


@given(st.integers(9_000, 10**6), st.integers(1, 500), st.floats(0, 20))
def test_more_patients_or_records_never_take_less(patients: int, records: int, first: float) -> None:
    trials = [replace(SMALL, fit=first), LARGE]  # a busy moment can make the small trial the longer one
    here = drawn_out(replace(TASK, patients=patients, synthetic=patients, records=records), trials, assumed=False)
    more = replace(TASK, patients=patients + 5_000, synthetic=patients + 5_000, records=records)
    assert drawn_out(more, trials, assumed=False).fit_seconds >= here.fit_seconds >= LARGE.fit
    assert drawn_out(more, trials, assumed=False).sample_seconds >= here.sample_seconds
    assert drawn_out(more, trials, assumed=False).memory_gb >= here.memory_gb >= LARGE.memory
    assert drawn_out(replace(more, records=2 * records), trials, assumed=False).memory_gb >= here.memory_gb


@pytest.mark.parametrize(
    ("patients", "records", "sizes"),
    [(500, 60, (500,)), (MOST_TRIED, 60, (MOST_TRIED,)), (10**6, 60, (1_125, 9_000)), (10**6, 1_000, (125, 1_000))],
)
def test_trials_are_small_and_the_whole_where_that_is_small(
    monkeypatch: pytest.MonkeyPatch, patients: int, records: int, sizes: tuple[int, ...]
) -> None:
    monkeypatch.setattr(module, "alone", lambda _task, size: replace(SMALL, patients=size))
    assert forecast(replace(TASK, patients=patients, records=records), assumed=False).tried == sizes


@pytest.mark.parametrize("name", ["simulated", *ODD_SCHEMAS])
def test_made_up_patients_have_about_so_many_records_within_the_public_bounds(name: str) -> None:
    schema: Schema = TASK.schema if name == "simulated" else odd_cohort(name, 2).schema
    cohort = made_up(schema, 200, 40)
    assert len(cohort) == 200
    if not schema.tests:
        assert len(cohort.records) == 0
        return
    assert 25 < cohort.records_per_patient().mean() < 60
    low, high = np.array([test.bounds for test in schema.tests.values()]).T
    value, test = cohort.records.value, cohort.records.test
    assert (low[test] <= value).all()
    assert (value <= high[test]).all()
    start, end = schema.privacy_unit.window
    assert ((cohort.records.time >= start) & (cohort.records.time <= end)).all()


def test_a_trial_fits_and_samples_as_the_engine_would() -> None:
    trial = tried(replace(TASK, records=6), 30)
    assert trial.patients == 30
    assert min(trial.fit, trial.sample, trial.memory) > 0


def test_the_plan_tells_time_only_when_asked(shell: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "alone", lambda _task, size: replace(SMALL, patients=size))
    path = lay_out(tmp_path, config=CONFIG)
    assert json.loads(shell("plan", "--config", path, "--json").out)["forecast"] is None
    told = json.loads(shell("plan", "--config", path, "--json", "--time", "--records", "20").out)["forecast"]
    assert (told["records"], told["assumed"], told["fit_seconds"]) == (20, False, 12.0)
    answer = shell("plan", "--config", path, "--time")
    assert "about 12 s to fit" in " ".join(answer.out.split())
    assert "--records says" in " ".join(answer.out.split())
    assert "trials" in answer.err
