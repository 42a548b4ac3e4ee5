"""Quality that may leave: means and shares of held-out patients under noise, paid for, beside the synthetic ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from evaluation.finding import Estimate, Family, Finding, Interval, Scope, Verdict
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.events import Gaussian, event_from_json
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.mechanisms import NoisyTable, noisy_sums
from privacy.plan import Charge, Plan, calibrate
from privacy.schema import Schema
from synthhealth.job import Job
from synthhealth.question import Question, questions
from synthhealth.spending import budget_of

CHARGE = "quality on the holdout"
NORMAL = 1.959963984540054  # two-sided 95 %
_FEWEST_SIGMAS = 5.0  # a group smaller than so many standard deviations of the noise has no number
Floats = NDArray[np.float64]


def planned_quality(job: Job) -> Plan | None:
    """The plan of the quality numbers that the config asks for; None where it asks for none, or nothing is promised.

    Privacy: free; reads no rows.
    """
    asked = job.config.release.quality_epsilon
    if asked is None or not job.output.private:
        return None
    budget = Budget(epsilon=asked, delta=budget_of(job.config, job.schema).delta)
    size = max(1, round(job.schema.cohort_size * job.config.data.holdout))
    return quality_plan(job.schema, budget, cohort_size=size)


def quality_plan(schema: Schema, budget: Budget, *, cohort_size: int) -> Plan:
    """One Gaussian release of all sums at once, with the least noise that `budget` buys.

    Raises BudgetError where delta is too large for `cohort_size`, an approximate public number of held-out patients.

    Privacy: free; reads no rows.
    """
    asked = questions(schema)

    def charges(scale: float) -> tuple[Charge, ...]:
        return (
            Charge(
                name=CHARGE,
                event=Gaussian(noise_multiplier=scale),
                reads="every column and each patient's mean of each test, of the held-out patients",
                mechanism="Gaussian noise on an integer lattice",
                sensitivity=f"one vector of {len(asked)} questions a patient, of L2 norm at most {reach(asked):.4g}",
            ),
        )

    return calibrate(budget, charges, cohort_size=cohort_size)


def reach(asked: tuple[Question, ...]) -> float:
    """The largest L2 norm of one patient's answers: 1 for being there, 1 for each share's column, 2 for each mean."""
    shares = {one.column for one in asked if one.level >= 0}
    means = sum(1 for one in asked if one.level < 0)
    return math.sqrt(1.0 + len(shares) + 2.0 * means)


def measured(holdout: Cohort, synthetic: Cohort, ledger: Ledger) -> tuple[Finding, ...]:
    """Synthetic minus held-out patients, question by question, with intervals for noise and sampling together.

    Privacy: spends the charge of `quality_plan`; what it returns may leave.
    """
    asked = questions(holdout.schema)
    table = noisy_sums(
        Gate(holdout, ledger), CHARGE, lambda rows: csr_matrix(answers(rows, asked)), max_norm=reach(asked)
    )
    return compared(asked, table, answers(synthetic.bound_records(key=b"public"), asked))


def answers(cohort: Cohort, asked: tuple[Question, ...]) -> Floats:
    """One row a patient [n, 1 + 2 k]: being there, then for each question whether it applies and the answer in [0, 1].

    A code's question applies where the patient has the code, so that its second number stands empty.

    Privacy: internal only.
    """
    columns = [np.ones(len(cohort))]
    for one in asked:
        columns.extend(one.answers(cohort))
    return np.column_stack(columns)


def compared(asked: tuple[Question, ...], noisy: NoisyTable, synthetic: Floats) -> tuple[Finding, ...]:
    """What noisy sums of the held-out patients say beside the synthetic patients' own answers.

    Privacy: free; post-processing.
    """
    there = float(noisy.values[0])
    found = []
    for place, one in enumerate(asked):
        group, total = (float(noisy.values[1 + 2 * place + part]) for part in (0, 1))
        mine = synthetic[:, 1 + 2 * place : 3 + 2 * place]
        read = _share if one.level >= 0 else _mean
        result = read(group, there if one.level >= 0 else total, noisy.sigma, mine)
        if result is not None:
            found.append(_finding(one, *result))
    return tuple(found)


def _share(group: float, there: float, sigma: float, mine: Floats) -> tuple[float, float] | None:
    """Difference of shares and its standard error."""
    if there < _FEWEST_SIGMAS * sigma:
        return None
    real, made = min(max(group / there, 0.0), 1.0), float(mine[:, 0].mean())
    noise = sigma / there * math.sqrt(1.0 + real**2)
    chance = real * (1.0 - real) / there + made * (1.0 - made) / len(mine)
    return made - real, math.sqrt(noise**2 + chance)


def _mean(group: float, total: float, sigma: float, mine: Floats) -> tuple[float, float] | None:
    """Difference of means on the scale [0, 1] and its standard error; spread is taken from the synthetic patients."""
    known = mine[mine[:, 0] > 0, 1]
    if group < _FEWEST_SIGMAS * sigma or len(known) == 0:
        return None
    real = min(max(total / group, 0.0), 1.0)
    noise = sigma / group * math.sqrt(1.0 + real**2)
    chance = float(known.var()) * (1.0 / group + 1.0 / len(known))
    return float(known.mean()) - real, math.sqrt(noise**2 + chance)


def _finding(one: Question, difference: float, error: float) -> Finding:
    # three digits: the noise leaves no more to be said
    low, value, high = (float(f"{one.spoken(difference + side * NORMAL * error):.3g}") for side in (-1, 0, 1))
    interval = Interval(low=low, high=high, method="noise and sampling together, normal")
    return Finding(
        family=Family.FIDELITY,
        test="charged quality",
        title=one.title,
        subject=one.column,
        headline=Estimate(name=one.title, value=value, interval=interval),
        verdict=Verdict.MEASURED,
        scope=Scope.DP_CHARGED,
    )


def with_quality(fit_ledger: str, spent: Ledger) -> Mapping[str, object]:
    """The content of ledger.json with the quality's charge after those of the fit, and the price of both together.

    Privacy: free; reads plans, no rows.
    """
    told = json.loads(fit_ledger)
    fitted = tuple(
        Charge(
            name=charge["name"],
            event=event_from_json(charge["event"]),
            reads=charge["reads"],
            mechanism=charge["mechanism"],
            sensitivity=charge["sensitivity"],
        )
        for charge in told["charges"]
    )
    both = Plan(
        budget=Budget(epsilon=told["budget"]["epsilon"] + spent.plan.budget.epsilon, delta=told["budget"]["delta"]),
        charges=(*fitted, *spent.plan.charges),
        cohort_size=told["cohort_size"],
    )
    return {
        **both.to_json(),
        "run_id": told["run_id"],
        "spent": [*told["spent"], *(entry.charge.name for entry in spent.entries)],
        "guarantee": dict(both.guarantee().to_json()),
    }
