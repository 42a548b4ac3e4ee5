"""Column shapes and column pair trends by sdmetrics, and scipy's distances, on two tables of a folder, as JSON."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pandas as pd
from scipy.stats import ks_2samp, wasserstein_distance
from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
from sdmetrics.single_column import KSComplement, TVComplement


def main(folder: Path) -> None:
    """Print {"shapes": {column: score}, "ks": ..., "wasserstein": ..., "trends": {"a and b": score}}."""
    asked = json.loads((folder / "asked.json").read_text())
    real, made = (pd.read_csv(folder / f"{side}.csv") for side in ("real", "made"))
    codes, numbers = asked["codes"], asked["numbers"]
    for table in (real, made):
        table[codes] = table[codes].astype(str)
    told = {
        "shapes": {
            **{name: TVComplement.compute(real[name], made[name]) for name in codes},
            **{name: KSComplement.compute(real[name], made[name]) for name in numbers},
        },
        "ks": {name: ks_2samp(real[name].dropna(), made[name].dropna()).statistic for name in numbers},
        "wasserstein": {name: wasserstein_distance(real[name].dropna(), made[name].dropna()) for name in numbers},
        "trends": {f"{a} and {b}": trend for a, b, trend in trends(real, made, codes, numbers)},
    }
    json.dump(json.loads(json.dumps(told, default=float)), sys.stdout)


def trends(
    real: pd.DataFrame, made: pd.DataFrame, codes: list[str], numbers: list[str]
) -> Iterator[tuple[str, str, float]]:
    """The similarity of each pair of codes and of each pair of numbers."""
    for a, b in combinations(codes, 2):
        yield a, b, ContingencySimilarity.compute(real[[a, b]], made[[a, b]])
    for a, b in combinations(numbers, 2):
        whole = [table[[a, b]].dropna() for table in (real, made)]
        yield a, b, CorrelationSimilarity.compute(*whole, coefficient="Spearman")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
