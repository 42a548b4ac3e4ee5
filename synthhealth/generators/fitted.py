"""A fitted generator: codebook, decoder of the patient table, event heads; it samples cohorts and saves as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.cohort import Cohort
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.encoding.layout import Layout
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.codebook_state import book_arrays, book_of
from synthhealth.generators.events.dream import Heads, dream
from synthhealth.generators.events.gaps import GapHead
from synthhealth.generators.events.panels import PanelHead
from synthhealth.generators.events.values import ValueHead
from synthhealth.generators.protocol import ModelState
from synthhealth.generators.table.decoder import Decoder, Wanted
from synthhealth.generators.table.features import Scores
from synthhealth.generators.table.masks import Masks


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model of patients and labs; `heads` is None for a schema without tests."""

    book: Codebook
    decoder: Decoder
    heads: Heads | None

    def sample(self, n: int, seed: int) -> Cohort:
        """Exactly `n` synthetic patients with their records, the same for the same `seed`.

        Privacy: free; reads no real rows.
        """
        rng = public(seed, "sample")
        codes, _ = self.decoder.sample(n, rng)
        return self.with_records(codes, self.book.patients(codes, rng), rng)

    def with_records(self, codes: NDArray[np.int64], patients: pd.DataFrame, rng: np.random.Generator) -> Cohort:
        """The cohort of these rows of levels [n, columns] and their `patients`, with records dreamt for each.

        Privacy: free; reads no real rows.
        """
        if self.heads is None:
            return self.book.cohort(patients, None, rng)
        latent = rng.normal(size=(len(codes), self.heads.panels.loading.shape[1]))
        sketch = self.book.sketch(codes, latent, self.book.last_step(patients), rng)
        return self.book.cohort(patients, dream(sketch, self.heads, rng), rng)

    def attributes(
        self, n: int, rng: np.random.Generator, wanted: Mapping[int, Wanted], hints: Mapping[int, NDArray[np.float64]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Levels [n, k] as far as evidence goes, and log weights [n] under it; nothing stands behind them, [n, 0].

        Privacy: free; reads no real rows.
        """
        rows, log_weight = self.decoder.head(max(wanted) + 1).sample(n, rng, allowed=wanted, hints=hints)
        return rows, log_weight, np.zeros((n, 0))

    def completed(
        self,
        rows: NDArray[np.int64],
        behind: NDArray[np.float64],
        places: Mapping[str, NDArray[np.float64]],
        rng: np.random.Generator,
    ) -> Cohort:
        """The cohort that begins with these levels [n, k], all else drawn given them.

        Privacy: free; reads no real rows.
        """
        _ = behind
        codes, _ = self.decoder.sample(len(rows), rng, prefix=rows)
        return self.with_records(codes, self.book.patients(codes, rng, places=places), rng)

    def state(self) -> ModelState:
        """The model as arrays and text.

        Privacy: free; reads no real rows.
        """
        arrays: dict[str, NDArray[np.generic]] = dict(book_arrays(self.book))
        for j, score in enumerate(self.decoder.scores):
            arrays[f"table.{j}.scores"], arrays[f"table.{j}.sort"] = score.table, score.sort
            arrays[f"table.{j}.bias"], arrays[f"table.{j}.weight"] = self.decoder.bias[j], self.decoder.weight[j]
        if self.heads is not None:
            heads = self.heads
            for name, head in (("gaps", heads.gaps), ("panels", heads.panels), ("values", heads.values)):  # noqa: PD011  # a head, no frame
                for field in fields(head):
                    arrays[f"{name}.{field.name}"] = getattr(head, field.name)
        return ModelState(arrays=arrays, meta=json.dumps({"format": 1, "columns": len(self.decoder.scores)}))

    @staticmethod
    def restore(schema: Schema, state: ModelState) -> Fitted:
        """The model that `state` was taken of.

        Privacy: free; reads no real rows.
        """
        layout, arrays = Layout.of(schema), state.arrays
        columns = int(json.loads(state.meta)["columns"])

        book = book_of(layout, arrays)

        def column(j: int, name: str) -> NDArray[np.float64]:
            return np.asarray(arrays[f"table.{j}.{name}"], dtype=np.float64)

        decoder = Decoder(
            scores=tuple(
                Scores(table=column(j, "scores"), sort=np.asarray(arrays[f"table.{j}.sort"])) for j in range(columns)
            ),
            bias=tuple(column(j, "bias") for j in range(columns)),
            weight=tuple(column(j, "weight") for j in range(columns)),
            masks=Masks.of(schema, book.columns),
        )
        return Fitted(book=book, decoder=decoder, heads=_heads(layout, state) if layout.tests else None)


def _heads(layout: Layout, state: ModelState) -> Heads:
    def field(name: str) -> NDArray[np.float64]:
        return np.asarray(state.arrays[name])

    gaps = GapHead(
        chances=field("gaps.chances"),
        gap_edges=np.asarray(state.arrays["gaps.gap_edges"]),
        pace_edges=field("gaps.pace_edges"),
    )
    panels = PanelHead(
        shared=field("panels.shared"),
        prev=field("panels.prev"),
        ever=field("panels.ever"),
        none=field("panels.none"),
        room=field("panels.room"),
        again=field("panels.again"),
        bits=field("panels.bits"),
        loading=field("panels.loading"),
        order=np.asarray(state.arrays["panels.order"]),
    )
    values = ValueHead(**{name.name: np.asarray(state.arrays[f"values.{name.name}"]) for name in fields(ValueHead)})
    return Heads(gaps=gaps, panels=panels, values=values, steps=layout.steps)
