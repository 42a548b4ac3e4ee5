"""The suite's strongest hit rate on what each private engine releases, beside the ceiling that its ledger sets."""

from __future__ import annotations

import time

from bench.cohorts import Bench, deal
from bench.planted import flagged, on_release

from evaluation.exhibit import Exhibit
from evaluation.finding import Estimate, Finding, Verdict
from privacy.accounting import tpr_ceiling
from privacy.budget import Budget
from synthhealth.generators.protocol import EngineName
from synthhealth.synthesizer import Synthesizer

DELTA = 1e-6
RATES = (0.1, 0.01)


def below_the_ceiling(benches: list[Bench], engines: list[EngineName], epsilons: list[float]) -> bool:
    """A line for each release; whether every attack's rates lie below the ceiling."""
    print("| cohort | engine | epsilon | LEAK | FPR | strongest TPR (95 %) | attack | ceiling | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    met = True
    for bench in benches:
        for engine in engines:
            for epsilon in epsilons:
                met = _released(bench, engine, epsilon) and met
    return met


def _released(bench: Bench, engine: EngineName, epsilon: float) -> bool:
    dealt, began = deal(bench, 0), time.monotonic()
    synthesizer = Synthesizer(
        bench.cohort.schema,
        budget=Budget(epsilon=epsilon, delta=DELTA),
        cohort_size=len(dealt.train),
        engine=engine,
    )
    ledger = synthesizer.fit(dealt.train)
    made = synthesizer.sample(len(dealt.train))
    exhibit = Exhibit(train=dealt.train, holdout=dealt.holdout, reference=dealt.reference, synthetic=made)
    findings = on_release(exhibit, 0)
    found = ", ".join(flagged(findings)) or "none"
    seconds, met = time.monotonic() - began, True
    for rate in RATES:
        ceiling = tpr_ceiling(ledger.plan.events, rate)
        best = strongest(findings, rate)
        if best is None:
            continue
        name, told = best
        below = told.value is not None and told.value < ceiling
        met = met and below
        limit = f"{ceiling:.1%}" if below else f"{ceiling:.1%}, NOT BELOW"
        first = f"| {bench.name} | {engine} | {epsilon:g} | {found} | {rate:.0%} | {_percents(told)}"
        print(f"{first} | {name} | {limit} | {seconds:.0f} |", flush=True)
    return met


def strongest(findings: tuple[Finding, ...], rate: float) -> tuple[str, Estimate] | None:
    """The attack with the largest true positive rate at a false positive rate, controls not failing."""
    name = f"TPR at {rate * 100:g} % FPR"
    measured = [
        (finding.test, one)
        for finding in findings
        for one in finding.others
        if one.name == name and one.value is not None and finding.verdict is not Verdict.INVALID
    ]
    return max(measured, key=lambda pair: -1.0 if pair[1].value is None else pair[1].value, default=None)


def _percents(told: Estimate) -> str:
    if told.value is None or told.interval is None:
        return ""
    return f"{told.value:.1%} ({told.interval.low:.1%} to {told.interval.high:.1%})"
