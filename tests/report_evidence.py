"""Evidence made by hand for the tests of the report: a private run with every kind of attack, and variations of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import lru_cache

from evaluation.finding import Control, Curve, Estimate, Family, Finding, Interval, Scope, ThreatModel, Verdict
from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.events import DiscreteGaussian, SampledGaussian
from privacy.ledger import Ledger
from privacy.plan import Charge, Plan
from privacy.population import Run, Standing
from privacy.schema import Schema
from synthhealth.report.evidence import (
    BUILT_IN,
    Artefact,
    Audit,
    Commitment,
    EngineFacts,
    Evidence,
    Recipient,
)
from synthhealth.report.policy import PolicyFile

SCHEMA = """
name = "ward-labs"
description = "a small example"
cohort_size = 12000
time_unit = "hours"
subgroups = ["sex"]

[privacy_unit]
max_records = 60
window = [0, 720]

[columns.sex]
kind = "categorical"
codes = ["F", "M"]

[columns.age]
kind = "integer"
low = 18
high = 89
unit = "years"

[tests.sodium]
unit = "mmol/L"
low = 100
high = 180
precision = 1
"""

OUTSIDER = ThreatModel(
    name="no box", sees="the synthetic patients", knows="the full record of one person", wants="to learn membership"
)
OWNED = PolicyFile.parse(PolicyFile.default().content.replace(b'owner = ""   ', b'owner = "A. Keeper"'))


def interval(low: float, high: float) -> Interval:
    return Interval(low=low, high=high, method="bootstrap by patient")


def estimate(name: str, low: float, value: float, high: float) -> Estimate:
    return Estimate(name=name, value=value, interval=interval(low, high))


def controls() -> tuple[Control, ...]:
    return (
        Control(
            name="strangers", expected="interval holds 0.5", estimate=estimate("AUC", 0.48, 0.50, 0.52), holds=True
        ),
        Control(name="planted copies", expected="at least 0.99", estimate=estimate("AUC", 0.99, 1.0, 1.0), holds=True),
    )


def attack(family: Family, title: str, headline: Estimate, *others: Estimate, verdict: Verdict) -> Finding:
    return Finding(
        family=family,
        test=title.lower(),
        title=title,
        headline=headline,
        others=others,
        verdict=verdict,
        controls=controls(),
        threat=OUTSIDER,
        n=3417,
        detection_limit="2.1 % of patients copied",
        citation="Example 2026",
        curves=(
            Curve(name="ROC", x=(0.001, 0.01, 0.1, 1.0), y=(0.0012, 0.0102, 0.1082, 1.0)),
            Curve(name="ROC, POS-copy", x=(0.001, 0.01, 1.0), y=(0.98, 0.99, 1.0)),
        ),
        seconds=3.2,
    )


def attacks() -> tuple[Finding, ...]:
    quiet = Verdict.NO_LEAK_DETECTED
    return (
        attack(
            Family.MEMBERSHIP, "Ensemble of all membership attacks", estimate("AUC", 0.4931, 0.5078, 0.5224),
            estimate("TPR at 10 % FPR", 0.0951, 0.1082, 0.1221), estimate("TPR at 1 % FPR", 0.0071, 0.0102, 0.0148),
            estimate("TPR at 0.1 % FPR", 0.0, 0.0012, 0.0031), verdict=quiet,
        ),
        attack(
            Family.DISTANCE, "Nearest neighbour, density ratio", estimate("AUC", 0.4872, 0.5011, 0.5151),
            estimate("TPR at 10 % FPR", 0.0891, 0.1011, 0.1153), verdict=quiet,
        ),
        attack(
            Family.MEMBERSHIP, "Membership in the worst group",
            estimate("excess over holdout, worst group", 0.0031, 0.0312, 0.0671), verdict=quiet,
        ),
        attack(Family.SINGLING_OUT, "Singling out", estimate("excess", -0.012, 0.004, 0.021), verdict=quiet),
        attack(Family.LINKABILITY, "Linkability", estimate("excess", -0.009, 0.006, 0.022), verdict=quiet),
        attack(Family.INFERENCE, "Attribute inference", estimate("excess", -0.004, 0.013, 0.031), verdict=quiet),
        attack(Family.COPIES, "Copied runs of three records", estimate("excess", -0.0021, 0.0, 0.0021), verdict=quiet),
    )  # fmt: skip


def qualities() -> tuple[Finding, ...]:
    def distance(title: str, subject: str, floor: float, value: float, ceiling: float) -> Finding:
        return Finding(
            family=Family.FIDELITY,
            test=title,
            title=title,
            subject=subject,
            headline=estimate("TV distance", value - 0.01, value, value + 0.01),
            floor=Estimate(name="floor", value=floor),
            ceiling=Estimate(name="ceiling", value=ceiling),
            verdict=Verdict.MEASURED,
            n=3417,
        )

    charged = Finding(
        family=Family.UTILITY,
        test="tstr",
        title="AUROC trained on synthetic, tested on the holdout with noise",
        headline=estimate("AUROC", 0.71, 0.741, 0.77),
        verdict=Verdict.MEASURED,
        scope=Scope.DP_CHARGED,
    )
    curve = Curve(name="ROC", x=(0.0, 0.1, 1.0), y=(0.0, 0.11, 1.0))
    return (
        distance("One-way distributions", "all columns", 0.012, 0.031, 0.41),
        distance("Pairs of columns", "all pairs", 0.034, 0.081, 0.38),
        distance("Lag one of the same test", "sodium", 0.021, 0.12, 0.33),
        charged,
        replace(distance("Sodium values", "sodium", 0.01, 0.0271828, 0.3), curves=(curve,)),
    )


def plan() -> Plan:
    counts = Charge(
        name="one-way tables",
        event=DiscreteGaussian(sigma=28.0, count=22),
        reads="every column, one cell of each table a patient",
        mechanism="discrete Gaussian",
        sensitivity="one cell of each of 22 tables moves by 1",
    )
    training = Charge(
        name="training",
        event=SampledGaussian(noise_multiplier=1.15, sample_rate=0.02, steps=900),
        reads="all attributes and lab records of the sampled patients",
        mechanism="DP-SGD, noise on an integer lattice",
        sensitivity="clipped per patient to max_grad_norm 1",
    )
    return Plan(budget=Budget(epsilon=4.0, delta=1e-6), charges=(counts, training), cohort_size=12_000)


@lru_cache(maxsize=1)
def ledger_json() -> bytes:
    ledger = Ledger(plan(), run_id="0123456789abcdef")
    for charge in ledger.plan.charges:
        ledger.spend(charge.name)
    return (json.dumps(ledger.to_json(), indent=2) + "\n").encode()


def standing() -> Standing:
    before = Run(
        run_id="9f8e7d",
        state="aborted",
        events=(DiscreteGaussian(sigma=9.0, count=4),),
        reserved_at="2026-03-02T10:00:00+00:00",
    )
    now = Run(
        run_id="0123456789abcdef", state="reserved", events=plan().events, reserved_at="2026-11-22T08:00:00+00:00"
    )
    return Standing(
        population_id="ward-2019-2025",
        ceiling=Budget(epsilon=10.0, delta=1e-6),
        spent=epsilon_of((*before.events, *now.events), 1e-6),
        runs=(before, now),
        records=4,
        head="cd" * 32,
    )


def evidence(*, policy: PolicyFile = OWNED, files: tuple[Artefact, ...] = ()) -> Evidence:
    return Evidence(
        schema=Schema.parse(SCHEMA),
        ledger_json=ledger_json(),
        engine=EngineFacts(name="vae", private=True, settings=(("latent dimensions", "32"), ("clip norm", "1"))),
        practices=BUILT_IN,
        policy=policy,
        policy_recorded=policy.sha256,
        recipient=Recipient(tier="controlled", name="University registry", purpose="method development"),
        release_name="ward-labs, first release",
        created_on=date(2026, 11, 22),
        versions=(("synthhealth", "0.1.0"), ("torch", "2.13.0"), ("dp-accounting", "0.6.0")),
        files=files or (Artefact(path="patients.csv", sha256="ab" * 32, bytes=123_456),),
        findings=(*attacks(), *qualities()),
        population=standing(),
        audit=Audit(
            epsilon_lower=0.62, epsilon_ceiling=6.1, profile_falsified=False, planted_caught=True, canaries=500
        ),
        commitment=Commitment(hmac_sha256="ef" * 32, key_holder="data steward"),
        approved_by="A. Keeper",
        changes=(("2026-11-22", "first report"),),
    )  # fmt: skip
