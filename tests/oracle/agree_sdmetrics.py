"""Holds our distances of columns and of pairs of columns against sdmetrics' and scipy's, on the same two tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluation.attacks.planted import jittered
from evaluation.fidelity.arms import Arms
from evaluation.fidelity.by_name import each_column
from evaluation.fidelity.joint import correlations, two_way
from evaluation.finding import Finding
from privacy.cohort import Cohort, Records
from privacy.schema import Category, Derived
from synthhealth.generators.simulator import simulate

PATIENTS = 3_000
Told = dict[str, dict[str, float]]


class Row(NamedTuple):
    """One measure on both sides, and how near they must be."""

    name: str
    ours: float
    theirs: float
    reach: float


def main() -> int:
    """Print both sides' numbers; 1 where two are further apart than they may be."""
    real, holdout = (table_alone(simulate(PATIENTS, seed=seed, cohort_size=PATIENTS)) for seed in (1, 2))
    made = spoilt(table_alone(simulate(PATIENTS, seed=3, cohort_size=PATIENTS)))
    codes = [name for name, kind in real.schema.columns.items() if isinstance(kind, Category)]
    numbers = [name for name, kind in real.schema.columns.items() if not isinstance(kind, Category | Derived)]
    told = oracle(real, made, codes, numbers)
    rows = (*alone(real, holdout, made, codes, told), *pairs(real, holdout, made, codes, numbers, told))
    print("| measure | here | sdmetrics, scipy | apart |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.name} | {row.ours:.4f} | {row.theirs:.4f} | {abs(row.ours - row.theirs):.1e} |")
    far = [row.name for row in rows if not abs(row.ours - row.theirs) <= row.reach]
    print(f"\n{len(rows)} measures, further apart than they may be: {', '.join(far) if far else 'none'}")
    return int(len(far) > 0)


def table_alone(cohort: Cohort) -> Cohort:
    """The patients without labs: the oracle knows one table."""
    none = np.empty(0)
    records = Records.sorted(owner=none.astype(np.int64), time=none, test=none.astype(np.int64), value=none)
    schema = cohort.schema.model_copy(update={"tests": {}})
    return Cohort(schema=schema, patients=cohort.patients, records=records)


def spoilt(cohort: Cohort) -> Cohort:
    """Noise on every number and each second code drawn anew, so that there is something to see."""
    chance = np.random.default_rng(0)
    noisy = jittered(cohort, 0.5, chance)
    drawn = {
        name: np.where(chance.random(len(noisy)) < 0.5, noisy.patients[name], chance.permutation(noisy.patients[name]))
        for name, kind in noisy.schema.columns.items()
        if isinstance(kind, Category)
    }
    return replace(noisy, patients=noisy.patients.assign(**drawn).astype(noisy.patients.dtypes))


def alone(real: Cohort, holdout: Cohort, made: Cohort, codes: list[str], told: Told) -> tuple[Row, ...]:
    """Each column by itself: total variation of codes; Kolmogorov-Smirnov and Wasserstein distance of numbers."""
    rows: list[Row] = []
    found = {finding.subject: finding for finding in each_column(Arms.of(real, holdout, made))}
    for name, score in told["shapes"].items():
        if name in codes:
            rows.append(Row(f"{name}: total variation", value(found[name]), 1 - score, 1e-9))
            continue
        known = real.numbers(name)
        spread = float(known[np.isfinite(known)].std())
        steepest, earth = (beside(found[name], word) for word in ("Kolmogorov-Smirnov", "Wasserstein"))
        rows.append(Row(f"{name}: Kolmogorov-Smirnov", steepest, 1 - score, 1e-9))
        rows.append(Row(f"{name}: Kolmogorov-Smirnov (scipy)", steepest, told["ks"][name], 1e-9))
        rows.append(Row(f"{name}: Wasserstein (scipy)", earth * spread, told["wasserstein"][name], 1e-6))
    return tuple(rows)


def pairs(
    real: Cohort, holdout: Cohort, made: Cohort, codes: list[str], numbers: list[str], told: Told
) -> tuple[Row, ...]:
    """Pairs of codes and pairs of numbers, each as the mean over all pairs.

    Ranks are taken here among the training data for both sides, by sdmetrics in each table alone.
    """
    both = two_way(Arms.of(*(only(side, codes) for side in (real, holdout, made))))
    rank = correlations(Arms.of(*(only(side, numbers) for side in (real, holdout, made))))
    trends = told["trends"]
    coded = [1 - score for name, score in trends.items() if name.split(" and ")[0] in codes]
    ranked = [2 * (1 - score) for name, score in trends.items() if name.split(" and ")[0] in numbers]
    return (
        Row("pairs of codes: total variation, mean", value(both), float(np.mean(coded)), 1e-9),
        Row("pairs of numbers: difference of Spearman's correlation, mean", value(rank), float(np.mean(ranked)), 0.01),
    )


def only(cohort: Cohort, names: list[str]) -> Cohort:
    """The cohort with these columns alone."""
    columns = {name: kind for name, kind in cohort.schema.columns.items() if name in names}
    schema = cohort.schema.model_copy(update={"columns": columns, "outcomes": (), "subgroups": (), "constraints": ()})
    return Cohort(schema=schema, patients=cohort.patients[["patient_id", *columns]], records=cohort.records)


def value(finding: Finding) -> float:
    """The headline."""
    if finding.headline.value is None:
        raise RuntimeError(f"{finding.title} has no number")
    return finding.headline.value


def beside(finding: Finding, word: str) -> float:
    """The number beside the headline whose name begins with `word`."""
    found = next(one.value for one in finding.others if one.name.startswith(word))
    if found is None:
        raise RuntimeError(f"{finding.title} has no {word}")
    return found


def oracle(real: Cohort, made: Cohort, codes: list[str], numbers: list[str]) -> Told:
    """What `side_sdmetrics.py` prints for these tables."""
    with tempfile.TemporaryDirectory() as place:
        for name, cohort in {"real": real, "made": made}.items():
            cohort.patients[[*codes, *numbers]].to_csv(Path(place) / f"{name}.csv", index=False)
        (Path(place) / "asked.json").write_text(json.dumps({"codes": codes, "numbers": numbers}))
        script = Path(__file__).with_name("side_sdmetrics.py")
        run = subprocess.run(
            [os.environ["ORACLE"], str(script), place], capture_output=True, text=True, check=False, env={"PATH": ""}
        )
    if run.returncode != 0:
        raise RuntimeError(run.stderr[-2000:])
    answer: Told = json.loads(run.stdout)
    return answer


if __name__ == "__main__":
    sys.exit(main())
