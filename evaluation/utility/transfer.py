"""Train on synthetic, test on real: beside train on real, and train on shuffled real as the worst that counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.features import Features
from evaluation.fidelity.arms import some_patients
from evaluation.fidelity.histograms import Floats
from evaluation.finding import Curve, Estimate, Family, Finding, Verdict
from evaluation.resampling import BY_PATIENT, estimate, known, redrawn_weights
from evaluation.utility.learners import LEARNERS, Learner, Predictor
from evaluation.utility.scores import CLASS_SCORES, NUMBER_SCORES, Score, calibration_points
from evaluation.utility.tasks import Rows, Task, frequent_tests, rows_of, table_of, tasks_of
from privacy.cohort import Cohort
from privacy.randomness import public

MOST_PATIENTS, FEWEST_EVENTS, FEWEST_PATIENTS = 8000, 10, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Real and synthetic patients cut to one size, the holdout that judges, and the table of predictors of each."""

    train: Cohort
    synthetic: Cohort
    holdout: Cohort
    tables: tuple[Features, Features, Features]
    seed: int

    @staticmethod
    def of(train: Cohort, holdout: Cohort, synthetic: Cohort, *, seed: int = 0) -> Bench:
        """At most 8,000 patients to learn from, as many synthetic as real, all of the holdout to judge.

        Privacy: internal only.
        """
        size = min(len(train), len(synthetic), MOST_PATIENTS)
        real, other = some_patients(train, size, seed), some_patients(synthetic, size, seed)
        tests = frequent_tests(train)
        tables = (table_of(real, tests), table_of(other, tests), table_of(holdout, tests))
        return Bench(train=real, synthetic=other, holdout=holdout, tables=tables, seed=seed)

    def rows(self, task: Task) -> tuple[Rows, Rows, Rows]:
        """The rows of a task: real, synthetic, holdout."""
        cohorts = (self.train, self.synthetic, self.holdout)
        real, other, judge = (rows_of(task, c, t) for c, t in zip(cohorts, self.tables, strict=True))
        return real, other, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model and its predictions `score` [n] for the holdout patients."""

    predict: Predictor
    score: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Predictions for the holdout patients of `judge`, by what the model was trained on.

    `again` was trained on redrawn real patients, to show what another training set would change;
    `weights` [redraws, n] are how the holdout is redrawn.
    """

    task: Task
    family: str
    judge: Rows
    real: Trained
    synthetic: Trained
    again: Trained
    weights: Floats

    @property
    def truth(self) -> Floats:
        """The outcome of the holdout patients, shape [n]."""
        return self.judge.y

    @property
    def sides(self) -> tuple[Floats, Floats]:
        """Predictions of the model trained on synthetic, then on real."""
        return self.synthetic.score, self.real.score

    @property
    def scores(self) -> tuple[Score, ...]:
        """The scores that suit the task, the headline first."""
        return CLASS_SCORES if self.task.kind == "class" else NUMBER_SCORES


def transfers(bench: Bench, train: Cohort) -> tuple[Transfer, ...]:
    """Both model families on every task that the holdout can judge.

    Privacy: internal only.
    """
    judged = [(task, bench.rows(task)) for task in tasks_of(train)]
    return tuple(
        _transfer(task, name, learn, rows, bench.seed)
        for task, rows in judged
        if can_judge(task, rows[2].y)
        for name, learn in LEARNERS
    )


def can_judge(task: Task, y: Floats) -> bool:
    """Whether the holdout has fifty known outcomes, and ten of either class."""
    events = min(y.sum(), len(y) - y.sum()) if task.kind == "class" else FEWEST_EVENTS
    return len(y) >= FEWEST_PATIENTS and events >= FEWEST_EVENTS


def _transfer(task: Task, name: str, learn: Learner, rows: tuple[Rows, Rows, Rows], seed: int) -> Transfer:
    real, synthetic, judge = rows
    drawn = public(seed, "utility", "again", task.title).integers(0, len(real.y), len(real.y))

    def trained(x: Floats, y: Floats) -> Trained:
        model = learn(x, y, task.kind)
        return Trained(predict=model, score=model(judge.x.values))

    return Transfer(
        task=task,
        family=name,
        judge=judge,
        real=trained(real.x.values, real.y),
        synthetic=trained(synthetic.x.values, synthetic.y),
        again=trained(real.x.values[drawn], real.y[drawn]),
        weights=redrawn_weights(len(judge.y), public(seed, "utility", task.title)),
    )


def transfer_finding(transfer: Transfer) -> Finding:
    """The first score as headline (floor: trained on real; ceiling: knowing nothing), its difference, the others.

    The intervals are those of the holdout's patients, redrawn for both models together; how far
    another training set moves the score is what *redrawn real minus real* hints at.

    Privacy: internal only.
    """
    task, (first, *more) = transfer.task, transfer.scores
    synthetic, real = (first.measure(transfer.truth, side, transfer.weights) for side in transfer.sides)
    again = first.measure(transfer.truth, transfer.again.score, transfer.weights)
    others = [
        by_patient(f"{first.name}, synthetic minus real", synthetic - real),
        by_patient(f"{first.name}, redrawn real minus real", again - real),
    ]
    for score in more:
        for words, side in zip(("trained on synthetic", "trained on real"), transfer.sides, strict=True):
            redrawn = score.measure(transfer.truth, side, transfer.weights)
            others.append(by_patient(f"{score.name}, {words}", redrawn, low=score.low, high=score.high))
    return Finding(
        family=Family.UTILITY,
        test="train on synthetic, test on real",
        title=f"{first.name} for {task.title}, {transfer.family}",
        headline=by_patient(f"{first.name}, trained on synthetic", synthetic, low=first.low, high=first.high),
        verdict=Verdict.MEASURED,
        subject=task.outcome,
        n=len(transfer.truth),
        floor=by_patient(f"{first.name}, trained on real", real, low=first.low, high=first.high),
        ceiling=known(f"{first.name}, knowing nothing", first.chance),
        others=tuple(others),
        curves=_calibration(transfer) if task.kind == "class" else (),
        citation="Esteban, Hyland and Raetsch 2017, arXiv:1706.02633",
    )


def by_patient(name: str, redrawn: Floats, *, low: float = -np.inf, high: float = np.inf) -> Estimate:
    """An estimate from redraws of the holdout's patients."""
    return estimate(name, redrawn, low=low, high=high, method=BY_PATIENT)


def _calibration(transfer: Transfer) -> tuple[Curve, ...]:
    """Predicted against observed risk of both models."""
    names = ("calibration, trained on synthetic", "calibration, trained on real")
    points = [calibration_points(transfer.truth, side) for side in transfer.sides]
    return tuple(Curve(name=name, x=x, y=y) for name, (x, y) in zip(names, points, strict=True))
