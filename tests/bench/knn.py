"""The attacks' nearest neighbours beside scikit-learn's brute force."""

from __future__ import annotations

import numpy as np
from bench.timing import medians, table
from sklearn.neighbors import NearestNeighbors

from evaluation.neighbours import nearest
from privacy.randomness import public

POINTS, DIMENSIONS, NEAREST, ROUNDS = 10_000, 64, 5, 5


def section() -> str:
    """The table of times, in Markdown."""
    chance = public(0, "bench", "points")
    queries, points = (chance.normal(size=(POINTS, DIMENSIONS)).astype(np.float32) for _ in range(2))
    brute = NearestNeighbors(n_neighbors=NEAREST, algorithm="brute").fit(points)
    times = medians(
        {
            "`evaluation.neighbours.nearest`": lambda: nearest(queries, points, NEAREST),
            "scikit-learn, brute force": lambda: brute.kneighbors(queries),
        },
        ROUNDS,
    )
    slowest = times["scikit-learn, brute force"]
    rows: list[tuple[object, ...]] = [
        (what, f"{seconds:.2f}", f"{seconds / slowest:.2f}") for what, seconds in times.items()
    ]
    return (
        f"{POINTS:,} queries among {POINTS:,} points of {DIMENSIONS} dimensions, the {NEAREST} nearest, medians of "
        f"{ROUNDS} rounds. Ours measures its candidates again, so that copies are at a distance of exactly 0.\n\n"
        + table(("search", "seconds", "of scikit-learn's"), rows)
    )
