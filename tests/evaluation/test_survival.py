"""Survival against slow readings of the definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mixtures import with_codes

from evaluation.resampling import Redraws
from evaluation.utility.survival import (
    Lives,
    concordance,
    cox,
    event_and_time,
    lives_of,
    survival,
    survival_findings,
)
from evaluation.utility.transfer import Bench
from privacy.cohort import Cohort
from privacy.schema import Schema
from synthhealth.generators.simulator import simulate


def plain(n: int) -> Redraws:
    return Redraws(group=np.arange(n), weights=np.ones((1, n)))


def slow_concordance(risk: np.ndarray, lives: Lives) -> float:
    good = known = 0.0
    for a in range(len(risk)):
        for b in range(len(risk)):
            later = lives.time[b] > lives.time[a] or (lives.time[b] == lives.time[a] and not lives.event[b])
            if lives.event[a] and later:
                known += 1
                good += (risk[a] > risk[b]) + 0.5 * (risk[a] == risk[b])
    return good / known


def test_concordance_counts_the_pairs_whose_order_is_known():
    chance = np.random.default_rng(0)
    lives = Lives(time=chance.integers(1, 8, 60).astype(float), event=chance.integers(0, 2, 60).astype(float))
    risk = chance.integers(0, 5, 60).astype(float)
    assert concordance(risk, lives, plain(60))[0] == pytest.approx(slow_concordance(risk, lives))
    assert concordance(-lives.time, replace(lives, event=np.ones(60)), plain(60))[0] == pytest.approx(1)
    assert np.isnan(concordance(risk, replace(lives, event=np.zeros(60)), plain(60))[0])


def test_a_redraw_of_groups_is_the_concordance_of_the_patients_drawn():
    chance = np.random.default_rng(1)
    lives = Lives(time=chance.permutation(30).astype(float), event=chance.integers(0, 2, 30).astype(float))
    risk = chance.normal(size=30)
    kept = np.arange(30) % 3 != 0
    weights = np.ones((1, 3))
    weights[0, 0] = 0
    drawn = Redraws(group=np.arange(30) % 3, weights=weights)
    part = Lives(time=lives.time[kept], event=lives.event[kept])
    assert concordance(risk, lives, drawn)[0] == pytest.approx(slow_concordance(risk[kept], part))


def test_kaplan_and_meier_by_hand():
    lives = Lives(time=np.array([1.0, 2.0, 2.0, 3.0, 5.0]), event=np.array([1.0, 1.0, 0.0, 1.0, 0.0]))
    curve = survival(lives, plain(5), np.array([0.0, 1.0, 2.0, 2.5, 3.0, 9.0]))[0]
    assert curve == pytest.approx([1.0, 0.8, 0.6, 0.6, 0.3, 0.3])
    nobody = Lives(time=lives.time, event=np.zeros(5))
    assert survival(nobody, plain(5), np.array([4.0])).tolist() == [[1.0]]


def test_cox_finds_hazard_ratios():
    chance = np.random.default_rng(2)
    x = chance.normal(size=(3000, 2))
    born = chance.exponential(1, 3000) / np.exp(0.8 * x[:, 0])
    ended = np.minimum(born, 1.0)
    risk = cox(x, Lives(time=np.round(ended, 2), event=(born <= 1.0).astype(float)))
    assert risk.beta[:2] / risk.scale.spread == pytest.approx([0.8, 0.0], abs=0.07)
    assert risk(np.array([[2.0, 0.0]]))[0] > risk(np.array([[-2.0, 0.0]]))[0]


def test_survival_needs_an_event_and_an_end_of_follow_up(six_patients: Cohort):
    schema: Schema = six_patients.schema
    assert event_and_time(schema) == ("died", "stay_hours")
    assert event_and_time(schema.model_copy(update={"end_of_followup": None})) is None
    assert event_and_time(schema.model_copy(update={"outcomes": ("ward",)})) is None
    lives = lives_of(six_patients, "died", "stay_hours")
    assert lives.event.tolist() == [0, 0, 1, 0, 1, 0]
    assert lives.time.tolist() == [10, 20, 47, 47, 5, 30]


def test_a_copy_ranks_as_the_real_and_follows_its_curve():
    train, holdout = simulate(500, seed=41), simulate(500, seed=42)
    ranked, curves = survival_findings(Bench.of(train, holdout, train))
    assert ranked.floor is not None
    assert ranked.headline.value == ranked.floor.value
    assert ranked.headline.value is not None
    assert ranked.headline.value > 0.7
    assert curves.headline.value == 0
    assert [curve.name for curve in curves.curves] == ["real", "synthetic", "holdout"]
    assert all(0 <= y <= 1 for curve in curves.curves for y in curve.y)
    immortal = with_codes(train, "died", np.zeros(len(train), dtype=np.int64))
    ranked, curves = survival_findings(Bench.of(train, holdout, immortal))
    assert ranked.headline.value == pytest.approx(0.5)
    assert curves.headline.value is not None
    assert curves.headline.value > 0.1
    assert survival_findings(Bench.of(train, with_codes(holdout, "died", np.zeros(500, dtype=np.int64)), train)) == ()
