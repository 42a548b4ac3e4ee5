"""Anonymeter's three risks on the tables in a folder, as JSON; runs in the oracles' own environment."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator

GUESSES, NEIGHBOURS, CONDITIONS = 500, 5, 3
# It divides by the guesses that were asked for, also where it finds fewer: with 20,000 attempts 457 of 500 on a copy.
ATTEMPTS = 200_000


def main(folder: Path) -> None:
    """Print {world: {attack: [value, low, high]}}."""
    asked = json.loads((folder / "asked.json").read_text())
    train, control = (pd.read_csv(folder / f"{side}.csv") for side in ("train", "holdout"))
    worlds = {name: pd.read_csv(folder / f"{name}.csv") for name in asked["worlds"]}
    json.dump({name: risks(train, made, control, asked) for name, made in worlds.items()}, sys.stdout)


def risks(train: pd.DataFrame, made: pd.DataFrame, control: pd.DataFrame, asked: dict) -> dict:
    """Singling out, linkability and the inference of each secret."""
    told = {}
    if asked["halves"]:
        single = SinglingOutEvaluator(
            train, made, n_attacks=GUESSES, n_cols=CONDITIONS, control=control, max_attempts=ATTEMPTS, seed=0
        )
        told["singling-out"] = told_by(single.evaluate(mode="multivariate"))
        link = LinkabilityEvaluator(
            train, made, aux_cols=asked["halves"], n_attacks=GUESSES, n_neighbors=NEIGHBOURS, control=control
        )
        told["linkability"] = told_by(link.evaluate(n_jobs=1))
    for secret, number in asked["secrets"].items():
        known = [name for name in train.columns if name != secret]
        infer = InferenceEvaluator(
            train, made, aux_cols=known, secret=secret, regression=number, n_attacks=GUESSES, control=control
        ).evaluate(n_jobs=1)
        told[f"inference {secret}"] = told_by(infer)
        told[f"success on holdout {secret}"] = [infer.results().control_rate.value] * 3
    return told


def told_by(evaluator: SinglingOutEvaluator | LinkabilityEvaluator | InferenceEvaluator) -> list[float]:
    """A risk with its interval."""
    risk = evaluator.risk()
    return [risk.value, *risk.ci]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
