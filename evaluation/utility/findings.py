"""All measures of utility for the outcomes that the schema names."""

from __future__ import annotations

from evaluation.fidelity.comparison import not_measurable
from evaluation.finding import Family, Finding
from evaluation.utility.coefficients import coefficient_finding
from evaluation.utility.hybrid import hybrid_finding
from evaluation.utility.importance import importance_finding
from evaluation.utility.survival import survival_findings
from evaluation.utility.tasks import tasks_of
from evaluation.utility.transfer import Bench, Transfer, can_judge, transfer_finding
from privacy.cohort import Cohort

TEST = "train on synthetic, test on real"
TREES, DEEPER = "boosted trees", 4


def utility_findings(
    bench: Bench, done: tuple[Transfer, ...], cohorts: tuple[Cohort, Cohort, Cohort]
) -> tuple[Finding, ...]:
    """Transfer by both families for all tasks; importances, hybrid training, regressions for the first four; survival.

    `cohorts` are train, holdout and synthetic, whole.

    Privacy: internal only.
    """
    train, holdout, synthetic = cohorts
    trees = [transfer for transfer in done if transfer.family == TREES][:DEEPER]
    return (
        *(transfer_finding(transfer) for transfer in done),
        *(importance_finding(transfer, seed=bench.seed) for transfer in trees),
        *(hybrid_finding(bench, transfer) for transfer in trees if transfer.task.kind == "class"),
        *(coefficient_finding(one.task, train, holdout, synthetic, seed=bench.seed) for one in trees),
        *survival_findings(bench),
        *_unjudged(bench, train),
    )


def _unjudged(bench: Bench, train: Cohort) -> tuple[Finding, ...]:
    """A line for each outcome that the holdout is too small for, and one where no outcome is named."""
    tasks = tasks_of(train)
    if not tasks:
        reason = "the schema names no outcome"
        return (not_measurable(test=TEST, title="Utility", reason=reason, family=Family.UTILITY),)
    reason = "too few to judge: fewer than 50 known outcomes in the holdout, or fewer than 10 of a class"
    titles = [f"Utility for {task.title}" for task in tasks if not can_judge(task, bench.rows(task)[2].y)]
    return tuple(not_measurable(test=TEST, title=title, reason=reason, family=Family.UTILITY) for title in titles)
