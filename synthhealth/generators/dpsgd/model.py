"""A fitted autoencoder: samples cohorts from its prior, saves as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.encoding.layout import Layout
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.codebook_state import book_arrays, book_of
from synthhealth.generators.dpsgd.dreams import draws_of, imagined
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.network import LATENT, Network
from synthhealth.generators.protocol import ModelState
from synthhealth.generators.table.decoder import Wanted

Places = NDArray[np.int64]
Floats = NDArray[np.float64]

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

    @property
    def book(self) -> Codebook:
        """What it has learnt of the public grids."""
        return self.ground.book

    @torch.no_grad()
    def attributes(
        self, n: int, rng: np.random.Generator, wanted: Mapping[int, Wanted], hints: Mapping[int, Floats]
    ) -> tuple[Places, Floats, Floats]:
        """Levels [n, k] as far as evidence goes, log weights [n] under it, and what the decoders see of the latent.

        Privacy: free; reads no real rows.
        """
        hidden = self.network.hidden(torch.from_numpy(rng.normal(size=(n, LATENT))))
        rows, _, log_weight = self.network.row.under(hidden, rng, wanted, hints=hints, columns=max(wanted) + 1)
        return rows, log_weight, hidden.numpy()

    @torch.no_grad()
    def completed(self, rows: Places, behind: Floats, places: Mapping[str, Floats], rng: np.random.Generator) -> Cohort:
        """The cohort that begins with these levels [n, k], all else drawn given them and the latent `behind` them.

        Privacy: free; reads no real rows.
        """
        hidden = torch.from_numpy(behind)
        codes, scores, _ = self.network.row.under(hidden, rng, {}, prefix=rows)
        patients = self.book.patients(codes, rng, places=places)
        draws = draws_of(self.network, self.ground, codes, patients, hidden=hidden, scores=scores, rng=rng)
        return self.book.cohort(patients, draws, rng)

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
