"""The public settings of a training by gradient steps."""

from __future__ import annotations

from dataclasses import dataclass

from synthhealth.generators.device import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a training needs besides noise; all of it public and fixed before a row is read.

    `rate` is Adam's, `max_grad_norm` the bound on one patient's gradient, `expected_batch` the
    public divisor of the sums; weights are averaged over the last `tail` part of the steps. `device` is
    where gradients are computed.
    """

    steps: int
    rate: float
    max_grad_norm: float
    expected_batch: float
    tail: float = 0.3
    device: Device = "cpu"
