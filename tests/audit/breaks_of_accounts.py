"""Breaks of what is charged, and of what is told: too cheap, too often, too exact."""

from __future__ import annotations

import pytest

from privacy import accounting, plan
from privacy.accounting import gaussian_size
from privacy.events import Event, Gaussian, SampledGaussian
from privacy.ledger import Ledger, Receipt
from privacy.plan import Charge, Plan
from synthhealth.generators.training import Training
from synthhealth.report import disclosure


def steps_understated(patch: pytest.MonkeyPatch) -> None:
    """The accountant is stepped once, not once a step."""
    real = accounting._loss

    def one_step(event: Event, neighbours: accounting.Neighbours, grid: float):  # noqa: ANN202
        once = (
            SampledGaussian(noise_multiplier=event.noise_multiplier, sample_rate=event.sample_rate, steps=1)
            if isinstance(event, SampledGaussian)
            else event
        )
        return real(once, neighbours, grid)

    _priced(patch, one_step)


def central_limit(patch: pytest.MonkeyPatch) -> None:
    """A training is priced by the Gaussian that its central limit is."""
    real = accounting._loss

    def limit(event: Event, neighbours: accounting.Neighbours, grid: float):  # noqa: ANN202
        return real(Gaussian(noise_multiplier=1.0 / gaussian_size((event,))), neighbours, grid)

    _priced(patch, limit)


def calibrated_without_tables(patch: pytest.MonkeyPatch) -> None:
    """The search for the noise sees the dearest charge alone, and nobody adds the others up."""
    real = plan.epsilon_of

    def dearest(events: tuple[Event, ...], delta: float, **_: object) -> float:
        return real(tuple(sorted(events, key=lambda one: gaussian_size((one,))))[-1:], delta)

    searched = plan._search

    def search(budget: plan.Budget, charges_at) -> float:  # noqa: ANN001
        def alone(scale: float) -> tuple[Charge, ...]:
            charges: tuple[Charge, ...] = charges_at(scale)
            return tuple(sorted(charges, key=lambda one: gaussian_size((one.event,))))[-1:]

        return searched(budget, alone)

    patch.setattr(plan, "epsilon_of", dearest)
    patch.setattr(plan, "_search", search)
    patch.setattr(Plan, "__post_init__", lambda _: None)


def endless_steps(patch: pytest.MonkeyPatch) -> None:
    """The room does not count its steps."""
    real = Training.step

    def step(room: Training, *given, **named):  # noqa: ANN002, ANN003, ANN202
        room._left = 1
        return real(room, *given, **named)

    patch.setattr(Training, "step", step)


def lasting_receipts(patch: pytest.MonkeyPatch) -> None:
    """A receipt opens the gate as often as it is shown."""

    def redeem(_ledger: Ledger, receipt: Receipt) -> Charge:
        return receipt.charge

    patch.setattr(Ledger, "redeem", redeem)


def exact_metric(patch: pytest.MonkeyPatch) -> None:
    """Numbers go into the release edition as they were measured."""
    for name in ("round_down", "round_up"):
        patch.setattr(disclosure, name, lambda value, _step: value)


def _priced(patch: pytest.MonkeyPatch, loss) -> None:  # noqa: ANN001
    accounting.loss_of.cache_clear()
    patch.setattr(accounting, "_loss", loss)
    patch.setattr(accounting, "loss_of", accounting.loss_of.__wrapped__)
