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
from synthhealth.encoding.layout import Layout
from synthhealth.generators.codebook_state import book_arrays, book_of
from synthhealth.generators.dpsgd.dreams import imagined
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.network import Network
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
        arrays: dict[str, NDArray[np.generic]] = {"rates": self.ground.rates, **book_arrays(self.ground.book)}
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
        ground = Ground.again(book_of(Layout.of(schema), arrays), shares, rates)
        network = Network(ground, public(0, "overwritten"))
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(torch.from_numpy(np.asarray(arrays[f"network.{name}"])))
        return Autoencoder(ground=ground, network=network)
