"""Which tests a draw holds: one logistic decision a test, rare tests first, on what came before; none is empty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthhealth.generators.events.chains import LEVELS
from synthhealth.generators.events.values import waves

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
POSITION_WAVES = 4
SHARED = 4 + POSITION_WAVES
AGAIN = 2
LEAST_ROOM = 0.03
NEVER = -1000.0
# a level that is as common as any other gives each wave variance 1; a test never measured gives none
USUAL = np.vstack([waves(LEVELS, AGAIN) * np.sqrt(LEVELS), np.zeros(AGAIN)])


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelHead:
    """Logits that a draw holds test t, T tests, L latent dimensions.

    shared features . shared [T, SHARED] + prev [T] if the draw before held t + ever [T] if any
    earlier draw did, and then + again [T, AGAIN] . waves of the patient's level of t + none [T] if
    tests were decided on in this draw and none of them is in + room [T] times how much room is left
    for it + the tests already in this draw . bits [T, T] + latent . loading [T, L].

    Tests are decided on in `order` [T]; a test whose `ever` is NEVER is had once. `bits` is 0 where the
    second test does not come before the first.
    """

    shared: Floats
    prev: Floats
    ever: Floats
    none: Floats
    room: Floats
    again: Floats
    bits: Floats
    loading: Floats
    order: Ints

    @staticmethod
    def blank(order: Ints, latent: int) -> PanelHead:
        """A head that gives every test an even chance."""
        tests = len(order)
        return PanelHead(
            shared=np.zeros((tests, SHARED)),
            prev=np.zeros(tests),
            ever=np.zeros(tests),
            none=np.zeros(tests),
            room=np.zeros(tests),
            again=np.zeros((tests, AGAIN)),
            bits=np.zeros((tests, tests)),
            loading=np.zeros((tests, latent)),
            order=order,
        )

    @property
    def once(self) -> Flags:
        """Which tests nobody has twice, [T]."""
        return np.asarray(self.ever < NEVER / 2)

    def drive(self, level: Ints | NDArray[np.int8]) -> Floats:
        """What the patients' levels [n, T] add for a test they had before, [n, T]."""
        return np.asarray(np.einsum("ntk,tk->nt", USUAL[level], self.again))

    @property
    def earlier(self) -> Flags:
        """Whether test s is decided on before test t, at [t, s]."""
        rank = np.argsort(self.order)
        return np.asarray(rank[None, :] < rank[:, None])


def shared_features(
    *,
    step: NDArray[np.int64],
    gap: NDArray[np.int64],
    first: NDArray[np.bool_],
    previous_size: NDArray[np.int64],
    steps: int,
    tests: int,
) -> Floats:
    """What all tests of a draw share, all of shape [d] in, [d, SHARED] out.

    `gap` is the number of steps since the patient's draw before, `previous_size` the size of the draw
    before. Scales come from the public window and number of tests.
    """
    position = np.pi * (step + 0.5) / steps
    return np.column_stack(
        [
            np.ones(len(step)),
            first,
            np.where(first, 0.0, 3.9 * np.log1p(gap) / np.log1p(steps) - 1.2),
            np.where(first, 0.0, previous_size / np.sqrt(tests) - 1.0),
            *(np.cos(k * position) for k in range(1, POSITION_WAVES + 1)),
        ]
    )


def room_left(still_due: Floats, held: Floats | Ints, to_come: Floats | Ints) -> Floats:
    """How much room a draw has for the next test, all of one shape: 0 where the next is as likely in as not.

    `still_due` is the mean number of records that this and the patient's later draws must hold for
    the total to come out, `held` of this draw's are placed, and `to_come` tests may still come, this
    one too. Were what is due spread evenly over these, each would be in with a chance whose log odds
    this is, halved.
    """
    chance = np.clip((still_due - held) / np.maximum(to_come, 1.0), LEAST_ROOM, 1 - LEAST_ROOM)
    return np.asarray(0.5 * np.log(chance / (1 - chance)))


def yet_to_come(has: Flags, order: Ints) -> Ints:
    """How many tests a patient has of each test in `order` and those after it, [n, T] along `order`."""
    return np.cumsum(has[:, order[::-1]], axis=1, dtype=np.int64)[:, ::-1]


def earlier_than(t: int, order: Ints) -> Ints:
    """The tests that are decided on before test t."""
    return np.sort(order[: int(np.flatnonzero(order == t)[0])])


def none_before(bits: Flags, order: Ints) -> Flags:
    """Whether none of the tests before it is in, by draw and test, [d, T]."""
    none = np.zeros_like(bits)
    held: Ints = np.cumsum(bits[:, order], axis=1) - bits[:, order]
    none[:, order] = held == 0
    return none


def last_of(has: Flags, order: Ints) -> Flags:
    """Whether no test after it is one the patient has, by row and test, [n, T]."""
    last = np.zeros_like(has)
    backwards = has[:, order[::-1]]
    last[:, order[::-1]] = (np.cumsum(backwards, axis=1) - backwards) == 0
    return last
