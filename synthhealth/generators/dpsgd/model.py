"""A fitted autoencoder: samples cohorts from its prior, saves as arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.encoding.bins import Bins
from synthhealth.encoding.layout import Layout
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.dpsgd.dreams import imagined
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.network import Network
from synthhealth.generators.events.chains import summary_slots
from synthhealth.generators.protocol import ModelState

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoencoder:
    """A trained network on its ground."""

    ground: Ground
    network: Network

    @torch.no_grad()
    def sample(self, n: int, seed: int) -> Cohort:
        """Exactly `n` synthetic patients with their records, the same for the same `seed`.

        Privacy: free; reads no real rows.
        """
        rng = public(seed, "autoencoder", "sample")
        _, patients, draws = imagined(self.network, self.ground, n, rng)
        return self.ground.book.cohort(patients, draws, rng)

    def state(self) -> ModelState:
        """The model as arrays and text.

        Privacy: free; reads no real rows.
        """
        book = self.ground.book
        groups = {"attributes": book.attributes, "summaries": book.summaries, "tests": book.tests}
        arrays: dict[str, NDArray[np.generic]] = {"rates": self.ground.rates}
        for name, group in groups.items():
            for j, bins in enumerate(group):
                if bins is not None:
                    arrays |= {f"{name}.{j}.edges": bins.edges, f"{name}.{j}.density": bins.density}
        arrays |= {f"shares.{j}": share for j, share in enumerate(self.ground.shares)}
        arrays |= {f"network.{name}": value.detach().numpy() for name, value in self.network.named_parameters()}
        return ModelState(arrays=arrays, meta=json.dumps({"format": FORMAT, "columns": len(self.ground.shares)}))

    @staticmethod
    def restore(schema: Schema, state: ModelState) -> Autoencoder:
        """The model that `state` was taken of.

        Privacy: free; reads no real rows.
        """
        arrays, columns = state.arrays, int(json.loads(state.meta)["columns"])
        shares = tuple(np.asarray(arrays[f"shares.{j}"], dtype=np.float64) for j in range(columns))
        rates = np.asarray(arrays["rates"], dtype=np.float64)
        ground = Ground.again(_book(Layout.of(schema), state), shares, rates)
        network = Network(ground, public(0, "overwritten"))
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(torch.from_numpy(np.asarray(arrays[f"network.{name}"])))
        return Autoencoder(ground=ground, network=network)


def _book(layout: Layout, state: ModelState) -> Codebook:
    def bins(name: str) -> Bins:
        edges, density = state.arrays[f"{name}.edges"], state.arrays[f"{name}.density"]
        return Bins(edges=np.asarray(edges, dtype=np.int64), density=np.asarray(density, dtype=np.float64))

    attributes = enumerate(layout.attributes)
    summaries = range(len(summary_slots(layout)) if layout.tests else 0)
    return Codebook(
        layout=layout,
        attributes=tuple(None if slot.grid is None else bins(f"attributes.{j}") for j, slot in attributes),
        summaries=tuple(bins(f"summaries.{j}") for j in summaries),
        tests=tuple(bins(f"tests.{j}") for j in range(len(layout.tests))),
    )
