from __future__ import annotations

from pathlib import Path

import pytest
from tiny_project import lay_out, quick_attack, stand_in

from evaluation.finding import Finding
from privacy.cohort import Cohort
from synthhealth import pipeline, shadow_fits
from synthhealth.config import Config
from synthhealth.job import Job
from synthhealth.shadow_fits import overfit_trainer, shadow_trainer


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    stand_in(monkeypatch)
    monkeypatch.setattr(shadow_fits, "OVERFIT_STEPS", 2)
    return Config.load(lay_out(tmp_path))


def _real(config: Config) -> Cohort:
    return Cohort.read(Job.of(config).schema, patients=config.data.patients, labs=config.data.labs)


def test_a_shadow_gives_as_many_as_the_release_and_is_on_nobodys_account(config: Config) -> None:
    trained = shadow_trainer(Job.of(config), 90)
    assert len(trained(_real(config), 1)) == 90
    assert not Path(config.budget.ledger).exists()


def test_an_overfitted_generator_gives_as_many_as_it_learnt_from(config: Config) -> None:
    few, _ = _real(config).split(0.95, key=b"few")
    assert len(overfit_trainer(Job.of(config))(few, 1)) == len(few)


@pytest.mark.parametrize("quick", [True, False])
def test_a_full_attack_is_given_both(config: Config, monkeypatch: pytest.MonkeyPatch, *, quick: bool) -> None:
    given: list[bool] = []

    def watching(train: Cohort, holdout: Cohort, synthetic: Cohort, **rest: object) -> tuple[Finding, ...]:
        given.extend(rest[name] is not None for name in ("train_shadow", "train_overfit"))
        return quick_attack(train, holdout, synthetic, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr("evaluation.attacks.suite.attack", watching)
    pipeline.fit(config)
    pipeline.sample(config)
    pipeline.attack(config, quick=quick)
    assert given == [not quick, not quick]
