"""Patients of a batch as padded tensors with the patient as dimension 0, and the features of a draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from synthhealth.generators.dpsgd.encoded import Encoded, levels_of, measured
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS
from synthhealth.generators.events.gaps import GapHead

Places = NDArray[np.int64]
Floats = NDArray[np.float64]
POSITION_WAVES = 4
TIME_FEATURES = 6 + POSITION_WAVES
PATIENTS_A_BLOCK = 64
CELLS_A_BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """n patients, D draws of the longest, T tests, S scores; what is padded has weight 0.

    `codes` [n, C], `scores` [n, S], `level` [n, T] below LEVELS, `measured` [n, T];
    `present` [n, D], `time` [n, D, TIME_FEATURES], `bits` [n, D, T], `value` [n, D, T] 0 where
    absent, `last` [n, D, T] VALUE_BINS for none, `previous` [n, D, T];
    `gap` [n, D] the class of the gap to the next draw, `gap_base` [n, D, G], `gap_open` [n, D]
    whether it is to be learnt.
    """

    codes: torch.Tensor
    scores: torch.Tensor
    level: torch.Tensor
    measured: torch.Tensor
    present: torch.Tensor
    time: torch.Tensor
    bits: torch.Tensor
    value: torch.Tensor
    last: torch.Tensor
    previous: torch.Tensor
    gap: torch.Tensor
    gap_base: torch.Tensor
    gap_open: torch.Tensor

    @staticmethod
    def of(encoded: Encoded, rows: Places, ground: Ground) -> Batch:
        """The patients at `rows`.

        Privacy: internal only; entry i of every tensor depends on patient rows[i] alone, but for the padding.
        """
        steps = ground.book.layout.steps
        codes, count = encoded.codes[rows], encoded.draws[rows]
        place = np.arange(int(count.max(initial=0)))
        present = place < count[:, None]
        flat = np.where(present, encoded.start[rows][:, None] + place, 0)
        step = _at(encoded.step, flat, present, 0)
        value, last = (_at(table, flat, present, VALUE_BINS) for table in (encoded.value, encoded.last))
        gap = np.diff(step, axis=1, prepend=0) * (present & (place > 0))
        final = step.max(axis=1, initial=0)
        to_come = np.maximum(count[:, None] - place - 1, 0)
        left = (final[:, None] - step) * present
        following = np.concatenate([gap[:, 1:], np.zeros((len(rows), min(1, len(place))), dtype=np.int64)], axis=1)
        bits = value < VALUE_BINS
        previous = np.concatenate([np.zeros_like(bits[:, :1]), bits[:, :-1]], axis=1)
        level = levels_of(codes, ground.tests)
        return Batch(
            codes=torch.from_numpy(codes),
            scores=torch.from_numpy(ground.scored(codes)),
            level=torch.from_numpy(np.minimum(level, LEVELS - 1)),
            measured=_real(measured(codes, ground.tests)),
            present=_real(present),
            time=torch.from_numpy(time_features(step, gap, place == 0, left, to_come, steps)),
            bits=_real(bits),
            value=torch.from_numpy(np.where(bits, value, 0)),
            last=torch.from_numpy(last),
            previous=_real(previous),
            gap=torch.from_numpy(gap_class(following, steps)),
            gap_base=torch.from_numpy(ground.gap_base(left.astype(np.float64), to_come.astype(np.float64))),
            gap_open=_real(to_come > 1),
        )

    def to(self, device: torch.device) -> Batch:
        """The same patients on another device."""
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def blocks_of(encoded: Encoded, rows: Places) -> Iterator[Places]:
    """The rows of a batch in blocks of patients with about equally many draws, so that padding stays small."""
    order = rows[np.argsort(encoded.draws[rows], kind="stable")]
    start = 0
    while start < len(order):
        stop = min(start + PATIENTS_A_BLOCK, len(order))
        longest = encoded.draws[order[start:stop]] * np.arange(1, stop - start + 1)
        fit = int(np.searchsorted(longest, CELLS_A_BLOCK, side="right"))
        stop = start + max(1, fit)
        yield order[start:stop]
        start = stop


def time_features(
    step: Places, gap: Places, first: NDArray[np.bool_], left: Places, to_come: Places, steps: int
) -> Floats:
    """Where a draw stands in time, [.., TIME_FEATURES], from integers of shape [..]; scales are public.

    `gap` counts the steps since the draw before, `left` those until the last draw, `to_come` the
    draws still to come after this one, `steps` those of the window.
    """
    scale = 3.0 / np.log1p(steps)
    position = np.pi * (step + 0.5) / steps
    pace = left / np.maximum(to_come, 1)
    columns = [
        np.broadcast_to(first, step.shape),
        np.where(first, 0.0, scale * np.log1p(gap) - 1.0),
        scale * np.log1p(left) - 1.0,
        scale * np.log1p(to_come) - 1.0,
        scale * np.log1p(pace) - 1.0,
        to_come == 0,
        *(np.cos(k * position) for k in range(1, POSITION_WAVES + 1)),
    ]
    return np.stack(columns, axis=-1).astype(np.float64)


def gap_class(gap: Places, steps: int) -> Places:
    """The public class of each gap in steps."""
    edges, _ = GapHead.edges(steps)
    return np.clip(np.searchsorted(edges, gap, side="right") - 1, 0, len(edges) - 2)


def _at(column: NDArray[np.integer], flat: Places, present: NDArray[np.bool_], otherwise: int) -> Places:
    if len(column) == 0:
        return np.full((*flat.shape, *column.shape[1:]), otherwise, dtype=np.int64)
    taken = column[flat].astype(np.int64)
    mask = present.reshape(*present.shape, *([1] * (column.ndim - 1)))
    return np.where(mask, taken, otherwise)


def _real(flags: NDArray[np.bool_]) -> torch.Tensor:
    return torch.from_numpy(flags.astype(np.float64))
