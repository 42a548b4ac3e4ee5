"""Measures the bars of the attack suite on real patients and prints a table for each; see `make bench-attacks`."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
from bench.cohorts import Bench, deal, icu_bench, nafld_bench
from bench.engines import below_the_ceiling
from bench.pace import MINUTES, pace
from bench.planted import LEAKS, LEARNT_FROM, NO_LEAK, everybody_else, flagged, on_release, overfitted

from evaluation.attacks.suite import SUITE, examine
from evaluation.exhibit import Exhibit
from evaluation.finding import Finding, Verdict

BARS = ["planted", "fresh", "engines", "pace"]
WRITTEN = (3_000, 20_000)
MOST_FALSE_ALARMS = 1 / 20


def main() -> int:
    """Every bar that was asked for, on every cohort that is there; 1 when one is not met."""
    asked = _asked()
    benches = [nafld_bench()] if "nafld" in asked.cohorts else []
    if "icu" in asked.cohorts and asked.icu is not None:
        benches.append(icu_bench(asked.icu))
    bars = {
        "planted": lambda: planted(benches, asked.only),
        "fresh": lambda: fresh_patients(benches, asked.seeds),
        "doses": lambda: overfitted_by_dose(benches, asked.steps),
        "engines": lambda: below_the_ceiling(benches, asked.engines, asked.epsilons),
        "pace": lambda: pace(asked.pace, asked.threads),
    }
    met = [bars[name]() for name in asked.bars]
    return 0 if all(met) else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bars", nargs="*", default=BARS, choices=[*BARS, "doses"])
    parser.add_argument("--icu", type=Path, help="folder with the two tables of PhysioNet 2012; left out without it")
    parser.add_argument("--cohorts", nargs="+", default=["nafld", "icu"], choices=["nafld", "icu"])
    parser.add_argument("--engines", nargs="+", default=["vae", "marginal"], choices=["vae", "marginal", "vae-dpsgd"])
    parser.add_argument("--epsilons", nargs="+", type=float, default=[1.0, 3.0, 8.0])
    parser.add_argument("--pace", nargs="+", default=list(MINUTES), choices=list(MINUTES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", nargs="+", type=int, default=[300, 1_500, 4_000])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", default="", help="planted leaks whose name holds this word")
    return parser.parse_args()


def planted(benches: list[Bench], only: str) -> bool:
    """Each planted leak: found by how many attacks, and by which with the least p-value; then attack by attack."""
    print(
        "| cohort | planted | verdict | found by | strongest | corrected p | seconds |\n|---|---|---|---|---|---|---|"
    )
    wrong, told = 0, {}
    for bench in benches:
        dealt = deal(bench, 0)
        for leak in (*LEAKS, NO_LEAK):
            if only not in leak.name:
                continue
            begin = time.monotonic()
            findings = examine(leak.plant(dealt, 0), SUITE)
            wrong += bool(flagged(findings)) == (leak is NO_LEAK)
            told[bench.name, leak.name] = findings
            print(f"| {bench.name} | {leak.name} | {_told(findings)} | {time.monotonic() - begin:.0f} |", flush=True)
    for bench in benches:
        each = {planted: findings for (name, planted), findings in told.items() if name == bench.name}
        print(f"\n{attack_by_attack(bench.name, each)}")
    print(f"\nplanted leaks that no attack found, and alarms without one: {wrong}\n")
    return wrong == 0


def attack_by_attack(name: str, told: dict[str, tuple[Finding, ...]]) -> str:
    """A table with a line for each attack and a column for each planted leak."""
    head = f"| {name} | {' | '.join(told)} |\n|---|{'---|' * len(told)}"
    every = (one for findings in told.values() for one in findings if one.test != "suite")
    tests = dict.fromkeys(one.test for one in every if one.headline.value is not None)
    lines = [f"| `{test}` | {' | '.join(_cell(findings, test) for findings in told.values())} |" for test in tests]
    return "\n".join([head, *lines])


def _cell(findings: tuple[Finding, ...], test: str) -> str:
    """One attack's headline with its verdict, where it is LEAK, NO POWER or INVALID; empty where there is none."""
    marks = {Verdict.LEAK: "*", Verdict.NO_POWER: " NO POWER", Verdict.INVALID: " INVALID"}
    found = [one for one in findings if one.test == test and one.headline.value is not None]
    return "".join(f"{round(one.headline.value or 0.0, 3) + 0.0:.3f}{marks.get(one.verdict, '')}" for one in found)


def overfitted_by_dose(benches: list[Bench], doses: list[int]) -> bool:
    """The autoencoder without privacy by steps, patients written and the attacker's sample; no bar of its own."""
    print("| cohort | steps | written | sample | LEAK | strongest, p before correction |\n|---|---|---|---|---|---|")
    for bench, steps in product(benches, doses):
        dealt = deal(bench, 0)
        few = dealt.train.take(np.arange(LEARNT_FROM))
        model = overfitted(few, 0, steps=steps)
        for sample, written in product((dealt.reference, everybody_else(dealt)), WRITTEN):
            exhibit = Exhibit(train=few, holdout=dealt.holdout, reference=sample, synthetic=model.sample(written, 0))
            findings = [one for one in on_release(exhibit, 0) if one.p_value is not None and one.test != "suite"]
            best = min(findings, key=lambda one: 1.0 if one.p_value is None else one.p_value)
            found = ", ".join(flagged(tuple(findings))) or "none"
            first = f"| {bench.name} | {steps} | {written} | {len(sample)} | {found}"
            print(f"{first} | {best.test} {best.headline.value:.3f} ({best.p_value:.1g}) |", flush=True)
    return True


def _told(findings: tuple[Finding, ...]) -> str:
    found, whole = flagged(findings), findings[-1]
    if not found:
        least = min((one for one in findings if one.p_adjusted is not None), key=lambda one: one.p_adjusted or 0.0)
        return f"{whole.verdict} | 0 | {least.test} | {least.p_adjusted:.2g}"
    best = next(one for one in findings if one.test == found[0])
    value, p = best.headline.value, best.p_adjusted
    return f"{whole.verdict} | {len(found)} | {best.test} ({best.headline.name} {value:.3f}) | {p:.2g}"


def fresh_patients(benches: list[Bench], seeds: int) -> bool:
    """Real patients in the place of the synthetic ones: how many deals set off an alarm."""
    print("| cohort | deals | with an alarm | which |\n|---|---|---|---|")
    met = True
    for bench in benches:
        heard = [flagged(on_release(NO_LEAK.plant(deal(bench, seed), seed), seed)) for seed in range(1, seeds + 1)]
        loud = [each for each in heard if each]
        met = met and len(loud) <= MOST_FALSE_ALARMS * seeds
        which = ", ".join(sorted({name for each in loud for name in each}))
        print(f"| {bench.name} | {seeds} | {len(loud)} | {which} |", flush=True)
    return met


if __name__ == "__main__":
    sys.exit(main())
