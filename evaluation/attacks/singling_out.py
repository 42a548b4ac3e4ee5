"""WP216 singling out: descriptions taken from synthetic patients that fit exactly one real patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import norm

from evaluation.attacks.reading import Attack, NotMeasurableError, Reading
from evaluation.attacks.stage import Stage
from evaluation.finding import Estimate, Family, Interval, ThreatModel
from evaluation.intervals import wilson
from evaluation.patient_table import PatientTable

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_GUESSES = 1_000
_ATTEMPTS = 10_000
_MOST_CONDITIONS = 5
_PERMUTATIONS = 400
_LEAST_GUESSES = 20
_BLOCK = 100
SINGLING_OUT = Attack(
    test="singling-out",
    title="Descriptions from synthetic patients that fit one real patient",
    family=Family.SINGLING_OUT,
    threat=ThreatModel(
        name="no box",
        sees="the synthetic patients",
        knows="nothing about anyone",
        wants="a description that exactly one training patient fits",
    ),
    citation="Giomi et al. 2023, Anonymeter, arXiv:2211.10459; Cohen and Nissim 2020; Article 29 Working Party, WP216",
)
ATTACKS = (SINGLING_OUT,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A conjunction of conditions: features [c], borders [c], and for each a sign: 1 at least, -1 at most, 0 equal."""

    feature: NDArray[np.int64]
    border: Floats
    sign: NDArray[np.int64]


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The share of guesses that fit exactly one training patient, against the same with membership permuted.

    Train and holdout differ in size, and a description is more often unique in the smaller
    one; permuting membership among all targets keeps the sizes, so the control needs no
    model of how uniqueness depends on size.

    Raises NotMeasurableError when the synthetic patients give fewer than 20 guesses.

    Privacy: internal only.
    """
    rng = stage.rng("singling-out")
    guesses = [*_extremes(stage.synthetic.table), *_conjunctions(stage.synthetic.table, rng)][:_GUESSES]
    if len(guesses) < _LEAST_GUESSES:
        raise NotMeasurableError("too few descriptions are unique among the synthetic patients")
    fits = sparse.csr_array(_fits(guesses, stage.targets.table).astype(np.int32))
    labels = np.stack([rng.permutation(stage.member) for _ in range(_PERMUTATIONS)], axis=1)
    permuted = np.asarray((fits @ labels.astype(np.int32)) == 1).sum(axis=0)
    return (_reading(stage, fits, permuted, len(guesses)),)


def _reading(stage: Stage, fits: sparse.csr_array, permuted: NDArray[np.int64], guesses: int) -> Reading:
    alone = int(np.count_nonzero(fits @ stage.member.astype(np.int32) == 1))
    on_holdout = int(np.count_nonzero(fits @ stage.others.astype(np.int32) == 1))
    control = float(permuted.mean()) / guesses
    excess = Estimate(
        name="excess over holdout", value=alone / guesses - control, interval=_shifted(alone, guesses, control, 1.0)
    )
    left = max(1 - control, 1 / guesses)
    headline = Estimate(
        name="residual risk", value=(alone / guesses - control) / left, interval=_shifted(alone, guesses, control, left)
    )
    mirror = int(permuted[0])
    return Reading(
        attack=SINGLING_OUT,
        headline=headline,
        others=(
            Estimate(name="success on train", value=alone / guesses, interval=wilson(alone, guesses)),
            Estimate(name="success, membership permuted", value=control),
            Estimate(name="success on holdout", value=on_holdout / guesses, interval=wilson(on_holdout, guesses)),
            excess,
        ),
        baseline=Estimate(name="success, membership permuted", value=control),
        power=excess,
        p_value=_p_value(alone, permuted),
        permuted=Estimate(
            name="excess over holdout",
            value=mirror / guesses - control,
            interval=_shifted(mirror, guesses, control, 1.0),
        ),
        permuted_p=_p_value(mirror, permuted),
        n=guesses,
    )


def _shifted(successes: int, guesses: int, control: float, scale: float) -> Interval:
    rate = wilson(successes, guesses)
    return Interval(
        low=(rate.low - control) / scale, high=(rate.high - control) / scale, level=rate.level, method="Wilson, shifted"
    )


def _p_value(successes: int, permuted: NDArray[np.int64]) -> float:
    """One-sided permutation p-value; beyond the reach of the permutations, by their normal approximation."""
    as_many = (1 + np.count_nonzero(permuted >= successes)) / (1 + len(permuted))
    spread = float(permuted.std())
    if as_many > 1 / (1 + len(permuted)) or spread == 0:
        return float(as_many)
    return float(min(as_many, norm.sf((successes - 0.5 - permuted.mean()) / spread)))


def _extremes(table: PatientTable) -> list[Guess]:
    """One condition each: at or beyond the lowest and the highest value of a number, or a code, seen once."""
    guesses: list[Guess] = []
    for place, feature in enumerate(table.features):
        values, counts = np.unique(table.values[:, place][np.isfinite(table.values[:, place])], return_counts=True)
        if len(values) == 0:
            continue
        ends = (
            ((0, -1), (len(values) - 1, 1)) if feature.kind == "number" else tuple((at, 0) for at in range(len(values)))
        )
        guesses.extend(_guess([place], [values[at]], [sign]) for at, sign in ends if counts[at] == 1)
    return guesses


def _conjunctions(table: PatientTable, rng: np.random.Generator) -> list[Guess]:
    """Conjunctions of 2 to 5 conditions that a random synthetic patient meets, and no other synthetic patient."""
    known = np.isfinite(table.values)
    middle = np.array(
        [np.median(column[fine]) if fine.any() else 0.0 for column, fine in zip(table.values.T, known.T, strict=True)]
    )
    guesses: list[Guess] = []
    for _ in range(_ATTEMPTS // _BLOCK):
        block = [_conjunction(table, known, middle, rng) for _ in range(_BLOCK)]
        alone = _fits(block, table).sum(axis=1) == 1
        guesses.extend(guess for guess, fine in zip(block, alone, strict=True) if fine)
        if len(guesses) >= _GUESSES:
            break
    return guesses[:_GUESSES]


def _conjunction(table: PatientTable, known: Mask, middle: Floats, rng: np.random.Generator) -> Guess:
    row = int(rng.integers(len(table)))
    candidates = np.flatnonzero(known[row])
    size = min(len(candidates), int(rng.integers(2, _MOST_CONDITIONS + 1)))
    chosen = rng.choice(candidates, size=size, replace=False)
    border = table.values[row, chosen]
    kinds = np.array([table.features[place].kind == "code" for place in chosen], dtype=np.bool_)
    return Guess(feature=chosen, border=border, sign=np.where(kinds, 0, np.where(border > middle[chosen], 1, -1)))


def _guess(feature: list[int], border: list[float], sign: list[int]) -> Guess:
    return Guess(feature=np.array(feature), border=np.array(border, dtype=np.float64), sign=np.array(sign))


def _fits(guesses: list[Guess], table: PatientTable) -> Mask:
    """Which patients fit which guesses, [guesses, n]."""
    result = np.ones((len(guesses), len(table)), dtype=np.bool_)
    for place, guess in enumerate(guesses):
        for feature, border, sign in zip(guess.feature, guess.border, guess.sign, strict=True):
            column = table.values[:, feature]
            result[place] &= column == border if sign == 0 else column * sign >= border * sign
    return result
