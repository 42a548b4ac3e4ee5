"""What each patient contributes to each release of a fit, noted patient by patient, to be compared between worlds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from kept_rows import written
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from privacy import gate as gate_module
from privacy import mechanisms
from privacy.cohort import Cohort
from synthhealth.generators import training
from synthhealth.generators.dpsgd import engine as dpsgd_engine
from synthhealth.generators.dpsgd import learning
from synthhealth.generators.table import measure

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
KEY = b"k" * 32


@dataclass(frozen=True, slots=True)
class Watch:
    """For each release, in order, each patient's row by identifier."""

    releases: list[dict[str, Floats]] = field(default_factory=list)

    def begin(self) -> dict[str, Floats]:
        self.releases.append({})
        return self.releases[-1]


def note(into: dict[str, Floats], ids: Iterable[object], rows: object) -> None:
    table = rows.toarray() if isinstance(rows, csr_matrix) else np.asarray(rows)
    into.update({str(one): np.array(row) for one, row in zip(ids, table, strict=True)})


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """While it lasts every query and gradient is noted, and keys that are secret are fixed so that worlds compare."""

    def noted(query, into: dict[str, Floats]):  # noqa: ANN001, ANN202  # a query of either kind
        def asked(block: Cohort) -> object:
            rows = query(block)
            note(into, block.ids, rows)
            return rows

        return asked

    total, moments, step = mechanisms._total, measure.noisy_second_moments, training.Training.step
    order: list[Places] = []

    def watched_step(room, gradients, size, *, max_grad_norm):  # noqa: ANN001, ANN202
        into = watch.begin()

        def asked(batch: Places) -> Iterator[Floats | training.Kept]:
            order.clear()
            blocks = []
            for block in gradients(batch):
                blocks.append(written(block))
                yield block
            rows = np.concatenate(order) if order else batch
            note(into, room.rows.ids[rows], np.concatenate(blocks))

        return step(room, asked, size, max_grad_norm=max_grad_norm)

    def watched_blocks(real):  # noqa: ANN001, ANN202
        def blocks_of(encoded, rows: Places) -> Iterator[Places]:  # noqa: ANN001
            for block in real(encoded, rows):
                order.append(block)
                yield block

        return blocks_of

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mechanisms, "_total", lambda gate, name, query, bound: total(gate, name, noted(query, watch.begin()), bound)
        )
        patch.setattr(
            measure,
            "noisy_second_moments",
            lambda gate, name, query, **terms: moments(gate, name, noted(query, watch.begin()), **terms),
        )
        patch.setattr(training.Training, "step", watched_step)
        patch.setattr(learning, "blocks_of", watched_blocks(learning.blocks_of))
        patch.setattr(gate_module, "secret_bytes", lambda n: KEY[:n])
        patch.setattr(dpsgd_engine, "secret_bytes", lambda n: KEY[:n])
        yield
