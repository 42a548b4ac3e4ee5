"""Holds our singling out, linkability and inference against anonymeter's, on one table of attributes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from bench.cohorts import nafld_bench

from evaluation.attacks import inference, linkability, singling_out
from evaluation.attacks.calls import Call, outcomes_of
from evaluation.attacks.ground import ground_of
from evaluation.attacks.planted import jittered, joined, renamed
from evaluation.attacks.reading import Reading
from evaluation.attacks.secrets import right, secrets
from evaluation.attacks.stage import Stage
from evaluation.exhibit import Exhibit
from privacy.cohort import Cohort, Records
from privacy.schema import Number

PATIENTS, REACH = 1_500, 0.1
CALLS = tuple(Call(attacks=module.ATTACKS, measure=module.measure) for module in (singling_out, linkability, inference))
Told = dict[str, list[float]]


def main() -> int:
    """Print both sides' risks in each world; 1 when one differs by more than 0.1 and its intervals are apart."""
    everybody = table_alone(nafld_bench().cohort)
    order = np.random.default_rng(3).permutation(len(everybody))
    train, holdout, reference, fresh = (everybody.take(np.sort(part)) for part in np.split(order[: 4 * PATIENTS], 4))
    few = round(0.1 * PATIENTS)
    worlds = {
        "copy": renamed(train),
        "10 % copies": joined(fresh.take(np.arange(PATIENTS - few)), train.take(np.arange(few))),
        "noise 0.3 sd": jittered(train, 0.3, np.random.default_rng(0)),
        "fresh": renamed(fresh),
    }
    exhibit = Exhibit(train=train, holdout=holdout, reference=reference, synthetic=fresh)
    ground = ground_of(exhibit, quick=True, seed=0)
    stages = {name: ground.stage(name, made) for name, made in worlds.items()}
    ours = {name: risks(stage) for name, stage in stages.items()}
    theirs = anonymeter(train, holdout, worlds, stages["fresh"])
    apart = shown(ours, theirs)
    return max(apart, negative_guesses(train, holdout, fresh))


def table_alone(cohort: Cohort) -> Cohort:
    """The patients without labs, since the oracle knows one table; and without those whose cells are missing."""
    schema = cohort.schema.model_copy(update={"tests": {}})
    whole = cohort.take(np.flatnonzero(cohort.patients[list(schema.free_columns)].notna().all(axis=1)))
    none = np.empty(0)
    records = Records.sorted(owner=none.astype(np.int64), time=none, test=none.astype(np.int64), value=none)
    return Cohort(schema=schema, patients=whole.patients, records=records)


def risks(stage: Stage) -> Told:
    """Our residual risks with their intervals."""
    told = {}
    for name, outcome in outcomes_of(stage, CALLS).items():
        if not isinstance(outcome, Reading) or outcome.headline.value is None or outcome.headline.interval is None:
            raise RuntimeError(f"{name} gave no reading")
        told[name] = [outcome.headline.value, outcome.headline.interval.low, outcome.headline.interval.high]
    return told


def anonymeter(train: Cohort, holdout: Cohort, worlds: dict[str, Cohort], stage: Stage) -> dict[str, Told]:
    """Anonymeter's risks, from its own environment; inference averaged over the secrets that we take."""
    features = stage.targets.table.features
    taken = [features[place].name for place in secrets(stage)]
    parts = [[features[place].name for place in half] for half in linkability.halves(stage)]
    told = oracle(train, holdout, worlds, taken, parts)
    for each in told.values():
        each["inference"] = np.mean([each[f"inference {name}"] for name in taken], axis=0).tolist()
    return told


def oracle(
    train: Cohort, holdout: Cohort, worlds: dict[str, Cohort], taken: list[str], parts: list[list[str]]
) -> dict[str, Told]:
    """What `side_anonymeter.py` prints for these cohorts."""
    columns = train.schema.free_columns
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, cohort in {"train": train, "holdout": holdout, **worlds}.items():
            cohort.patients[list(columns)].to_csv(folder / f"{name}.csv", index=False)
        numbers = {name: isinstance(columns[name], Number) for name in taken}
        asked = {"worlds": list(worlds), "secrets": numbers, "halves": parts}
        (folder / "asked.json").write_text(json.dumps(asked))
        script = Path(__file__).with_name("side_anonymeter.py")
        run = subprocess.run(
            [os.environ["ORACLE"], str(script), place], capture_output=True, text=True, check=False, env={"PATH": ""}
        )
    if run.returncode != 0:
        raise RuntimeError(run.stderr[-2000:])
    answer: dict[str, Told] = json.loads(run.stdout)
    return answer


def shown(ours: dict[str, Told], theirs: dict[str, Told]) -> int:
    """The table of both; whether they are apart anywhere."""
    print("| world | risk | here | anonymeter | agree |\n|---|---|---|---|---|")
    apart = 0
    for world, risk in product(ours, ours["copy"]):
        mine, other = ours[world][risk], theirs[world][risk]
        # anonymeter cuts negative risks at 0
        near = abs(max(0.0, mine[0]) - other[0]) <= REACH or max(mine[1], other[1]) <= min(mine[2], other[2])
        apart += not near
        print(f"| {world} | {risk} | {_number(mine)} | {_number(other)} | {'yes' if near else 'NO'} |")
    return int(apart > 0)


def negative_guesses(train: Cohort, holdout: Cohort, made: Cohort) -> int:
    """The known defect: with a secret that is always negative, every guess of anonymeter's counts as right."""
    name = "weight"
    below = [replace(side, patients=side.patients.assign(**{name: -side.numbers(name)})) for side in (train, holdout)]
    other = replace(made, patients=made.patients.assign(**{name: -made.numbers(name)}))
    theirs = oracle(below[0], below[1], {"negative": other}, [name], [])["negative"][f"success on holdout {name}"][0]
    ground = ground_of(Exhibit(train=train, holdout=holdout, reference=holdout, synthetic=made), quick=True, seed=0)
    stage = ground.stage("negative", made)
    place = next(at for at, one in enumerate(stage.targets.table.features) if one.name == name)
    guess = stage.synthetic.table.values[inference.most_similar(stage, place), place][stage.others]
    truth = stage.targets.table.values[stage.others, place]
    mine = float(right(-guess, -truth, stage.targets.table.features[place]).mean())
    print(f"\nnegative secret, guessed from patients nobody has learnt from: right {mine:.2f} here, {theirs:.2f} there")
    return int(mine > 0.5)


def _number(risk: list[float]) -> str:
    return f"{risk[0]:.3f} ({risk[1]:.3f} to {risk[2]:.3f})"


if __name__ == "__main__":
    sys.exit(main())
