"""Breaks of the clip: off, too wide, by record, or blind to numbers that are none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from scipy.sparse import csr_matrix
from torch import nn

from privacy import mechanisms
from synthhealth.audit import canaries
from synthhealth.generators import layer_parts, training

Floats = NDArray[np.float64]
Break = Callable[[pytest.MonkeyPatch], None]


def off(patch: pytest.MonkeyPatch) -> None:
    """Rows go into the sum as long as they are."""
    patch.setattr(training, "clip_rows", _only_finite)


def of_kept_off(patch: pytest.MonkeyPatch) -> None:
    """Gradients that are kept without rows go into the sum as long as they are."""
    patch.setattr(training, "clip_factors", lambda lengths, _norm: np.isfinite(lengths).astype(np.float64))


def of_kept_unmeasured(patch: pytest.MonkeyPatch) -> None:
    """The lengths forget what is written down: tables, and layers with many records."""
    patch.setattr(
        layer_parts.Rows, "measured", lambda self: (torch.zeros(len(self.tables[0]), dtype=torch.float64),) * 2
    )


def wider(factor: float) -> Break:
    """Rows are clipped to `factor` times the norm that noise and price are made for."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        real = training.safe_norm
        patch.setattr(training, "safe_norm", lambda norm, size, **terms: factor * real(norm, size, **terms))

    return break_it


def to_the_whole_norm(patch: pytest.MonkeyPatch) -> None:
    """Nothing of the norm is left for the rounding onto the lattice."""
    patch.setattr(training, "safe_norm", lambda norm, _size, **_: norm)


def of_sums_off(patch: pytest.MonkeyPatch) -> None:
    """Vectors are brought onto the lattice without being shortened."""
    lattice = mechanisms.LATTICE

    def on_lattice(rows: csr_matrix, max_norm: float) -> csr_matrix:
        rows = csr_matrix(rows, dtype=np.float64)
        rows.data = np.nan_to_num(rows.data, posinf=0.0, neginf=0.0).clip(-1e9, 1e9)
        return (rows * (lattice / max_norm)).astype(np.int64)

    patch.setattr(mechanisms, "on_lattice", on_lattice)


def of_moments_wider(patch: pytest.MonkeyPatch) -> None:
    """Products of scores are clipped to twice the norm."""
    real = mechanisms.safe_norm
    patch.setattr(mechanisms, "safe_norm", lambda norm, size: 2.0 * real(norm, size))


def one_cell_more(patch: pytest.MonkeyPatch) -> None:
    """A patient may stand in one cell more than was charged."""
    real = mechanisms.in_cells
    patch.setattr(mechanisms, "in_cells", lambda rows, most: real(rows, most + 1))


def not_a_number_through(patch: pytest.MonkeyPatch) -> None:
    """A row that is not finite is clipped like any other."""

    def clip_rows(rows: Floats, norm: float) -> Floats:
        with np.errstate(all="ignore"):
            length = np.linalg.norm(rows, axis=1, keepdims=True)
            return rows * np.minimum(1.0, norm / np.maximum(length, 1e-300))

    patch.setattr(training, "clip_rows", clip_rows)


def by_record(patch: pytest.MonkeyPatch) -> None:
    """Each record's gradient is clipped alone, the patient's sum no more."""
    norm = 1.0

    def per_record(layer: nn.Embedding, activations: list[torch.Tensor], backprops: torch.Tensor):  # noqa: ANN202
        clipped = backprops.clamp(-norm, norm)
        rows = torch.zeros(len(clipped), *layer.weight.shape, dtype=layer.weight.dtype)
        for place in range(clipped.shape[1]):
            rows[torch.arange(len(clipped)), activations[0][:, place]] += clipped[:, place]
        return {layer.weight: rows}

    patch.setitem(GradSampleModule.GRAD_SAMPLERS, nn.Embedding, per_record)
    patch.setattr(training, "clip_rows", _only_finite)
    patch.setattr(canaries, "STRENGTH", 1.0)


def _only_finite(rows: Floats, _norm: float) -> Floats:
    exact = np.array(rows, dtype=np.float64)
    exact[~np.isfinite(exact).all(axis=1)] = 0.0
    return exact
