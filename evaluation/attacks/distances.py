"""The nearest-neighbour family: how close synthetic patients lie to real ones; a smoke alarm and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.membership import membership_reading, with_a_sample
from evaluation.attacks.reading import Attack, Reading
from evaluation.attacks.stage import NEAREST, Stage
from evaluation.finding import Curve, Estimate, Family, Interval, ThreatModel
from evaluation.neighbours import nearest

Floats = NDArray[np.float64]

DENSITY_K = (1, 5, 20)
_BINS = 40
_TINY = 1e-9
_ALONE = ThreatModel(
    name="no box",
    sees="the synthetic patients",
    knows="one real patient in full",
    wants="to learn whether that patient was among those the generator learnt from",
)
_WITH_SAMPLE = with_a_sample("the synthetic patients")


def _attack(test: str, title: str, threat: ThreatModel, citation: str, *, copy_auc: float = 0.0) -> Attack:
    return Attack(test=test, title=title, family=Family.DISTANCE, threat=threat, citation=citation, copy_auc=copy_auc)


DCR = _attack(
    "dcr", "Distance to the closest synthetic patient", _ALONE, "Park et al. 2018, arXiv:1806.03384", copy_auc=0.99
)
DCR_REFERENCE = _attack(
    "dcr-reference",
    "Closer to the synthetic than to the reference patients",
    _WITH_SAMPLE,
    "Ward et al. 2025, Synth-MIA, arXiv:2509.18014 (DCR-Diff)",
    copy_auc=0.8,
)
NNDR = _attack(
    "nndr", "Nearest against second nearest synthetic patient", _ALONE, "Zhao et al. 2021, CTAB-GAN, arXiv:2102.08369"
)
DPI = _attack(
    "dpi-20",
    "Synthetic share among the 20 nearest",
    _WITH_SAMPLE,
    "Ward et al. 2024, Data Plagiarism Index, arXiv:2406.13012",
)
DENSITY = tuple(
    _attack(
        f"knn-density-{k}",
        f"Density of synthetic against reference patients, {k} nearest",
        _WITH_SAMPLE,
        "van Breugel et al. 2023, DOMIAS, arXiv:2302.12580, with nearest-neighbour densities",
        copy_auc=0.99 if k == 1 else 0.0,
    )
    for k in DENSITY_K
)


ATTACKS = (DCR, DCR_REFERENCE, NNDR, DPI, *DENSITY)


def measure(stage: Stage) -> tuple[Reading, ...]:
    """The whole family, from the 20 nearest synthetic and the 20 nearest reference patients of each target.

    DCR: minus the distance to the closest synthetic patient. DCR against reference: the
    distance to the closest reference patient minus that. NNDR: minus the ratio of nearest to
    second nearest. Density ratio: with p ~ k / (n d_k^dim), log p_synthetic - log p_reference
    is, up to constants, the log ratio of the k-th distances.

    Privacy: internal only.
    """
    near, known = stage.near, stage.near_reference
    return (
        _with_share(membership_reading(DCR, -near.nearest, stage, curves=distance_curves(stage)), stage),
        membership_reading(DCR_REFERENCE, known.nearest - near.nearest, stage),
        membership_reading(NNDR, -(near.nearest + _TINY) / (near.kth(2) + _TINY), stage),
        membership_reading(DPI, plagiarism_index(stage), stage),
        *(
            membership_reading(attack, np.log(known.kth(k) + _TINY) - np.log(near.kth(k) + _TINY), stage)
            for attack, k in zip(DENSITY, DENSITY_K, strict=True)
        ),
    )


def _with_share(reading: Reading, stage: Stage) -> Reading:
    return replace(reading, others=(*reading.others, share_closer_to_train(stage)))


def share_closer_to_train(stage: Stage) -> Estimate:
    """Share of synthetic patients that lie closer to train than to as many holdout patients; 0.5 when nothing leaks.

    The usual "DCR share" (Platzer and Reutterer 2021, arXiv:2104.00635), shown because it is
    asked for: a generator that copies 2 % of its patients passes it. Its interval is by real
    patient, each with as many synthetic patients as it is the closest to (ratio estimator).

    Privacy: internal only.
    """
    rng = stage.rng("dcr-share")
    inside, outside = np.flatnonzero(stage.member), np.flatnonzero(~stage.member)
    size = min(len(inside), len(outside))
    rows = np.concatenate([rng.permutation(inside)[:size], rng.permutation(outside)[:size]])
    points = stage.targets.embedding.points[rows]
    closest = nearest(stage.synthetic.embedding.points, points, 1).index[:, 0]
    drawn = np.bincount(closest, minlength=len(rows))
    share = float(drawn[:size].sum() / drawn.sum())
    ours = np.arange(len(rows)) < size
    half = 1.96 * float(np.sqrt((drawn**2 * (ours - share) ** 2).sum()) / drawn.sum())
    interval = Interval(low=max(0.0, share - half), high=min(1.0, share + half), method="by real patient")
    return Estimate(name="share of synthetic patients closer to train", value=share, interval=interval)


def plagiarism_index(stage: Stage) -> Floats:
    """The synthetic share among the 20 nearest of synthetic and reference together, [targets].

    Both samples count as if of one size: a synthetic patient weighs 1 / (number of synthetic
    patients). Nearer neighbours weigh a little more, which only breaks ties of the 21 possible shares.

    Privacy: internal only.
    """
    distance = np.concatenate([stage.near.distance, stage.near_reference.distance], axis=1)
    ours = np.arange(distance.shape[1]) < stage.near.distance.shape[1]
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :NEAREST]
    weight = 1 + 1e-3 * (1 - np.arange(nearest.shape[1]) / NEAREST)
    synthetic = (ours[nearest] * weight).sum(axis=1) / len(stage.synthetic)
    reference = (~ours[nearest] * weight).sum(axis=1) / len(stage.reference)
    return np.asarray(synthetic / (synthetic + reference), dtype=np.float64)


def distance_curves(stage: Stage) -> tuple[Curve, ...]:
    """Densities of the distance to the closest synthetic patient, for members and for non-members (the floor)."""
    nearest = stage.near.nearest
    edges = np.linspace(0, float(np.quantile(nearest, 0.99)) + _TINY, _BINS + 1)
    middle = tuple(((edges[1:] + edges[:-1]) / 2).tolist())
    return tuple(
        Curve(name=name, x=middle, y=tuple(np.histogram(nearest[mask], bins=edges, density=True)[0].tolist()))
        for name, mask in (("distance, train", stage.member), ("distance, holdout (floor)", stage.others))
    )
