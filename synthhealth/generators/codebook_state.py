"""A codebook as named arrays, and back: the part of a saved model that all engines share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from synthhealth.encoding.bins import Bins
from synthhealth.encoding.layout import Layout
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.events.chains import summary_slots
from synthhealth.generators.paid_bounds import ends_of, narrowed

Arrays = Mapping[str, NDArray[np.generic]]


def book_arrays(book: Codebook) -> Arrays:
    """Edges, densities and favourite digits of every number's bins, by group and place; the bounds that were bought."""
    groups = {"attributes": book.attributes, "summaries": book.summaries, "tests": book.tests}
    told: dict[str, NDArray[np.generic]] = {f"bounds.{j}": np.array(ends) for j, ends in ends_of(book.layout).items()}
    return told | {
        f"{name}.{j}.{part}": values
        for name, group in groups.items()
        for j, bins in enumerate(group)
        if bins is not None
        for part, values in (("edges", bins.edges), ("density", bins.density), ("inside", bins.inside))
        if values is not None
    }


def book_of(layout: Layout, arrays: Arrays) -> Codebook:
    """The codebook whose arrays these are; the layout, that of the schema, says which bins there must be.

    Privacy: free; reads no real rows.
    """

    def bins(name: str) -> Bins:
        edges, density = arrays[f"{name}.edges"], arrays[f"{name}.density"]
        inside = arrays.get(f"{name}.inside")
        return Bins(
            edges=np.asarray(edges, dtype=np.int64),
            density=np.asarray(density, dtype=np.float64),
            inside=None if inside is None else np.asarray(inside, dtype=np.float64),
        )

    paid = [j for j, slot in enumerate(layout.attributes) if slot.paid]
    layout = narrowed(layout, {j: (float(low), float(high)) for j in paid for low, high in [arrays[f"bounds.{j}"]]})
    summaries = len(summary_slots(layout)) if layout.tests else 0
    return Codebook(
        layout=layout,
        attributes=tuple(
            None if slot.grid is None else bins(f"attributes.{j}") for j, slot in enumerate(layout.attributes)
        ),
        summaries=tuple(bins(f"summaries.{j}") for j in range(summaries)),
        tests=tuple(bins(f"tests.{j}") for j in range(len(layout.tests))),
    )
