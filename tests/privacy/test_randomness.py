"""Chance comes from the operating system where it must, at the right scale, and from a seed only where it may."""

import hashlib
import hmac
import itertools
import os
import time
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from small_world import noise_fits

from privacy.randomness import (
    patient_lots,
    poisson_batch,
    public,
    rate_on_grid,
    record_lots,
    secret_bytes,
    secret_gaussian,
    secret_gumbel,
    secret_uniform64,
    unit_lots,
)

KEY = bytes(range(32))


def test_gaussian_passes_at_its_scale_and_fails_two_percent_off():
    draws = secret_gaussian(400_000)
    assert noise_fits(draws, 1.0)
    assert not noise_fits(draws, 0.98)
    assert not noise_fits(draws, 1.02)


def test_gaussian_draws_do_not_lean_on_their_neighbours():
    z = secret_gaussian(200_001)
    for lag in (1, 2, 1 << 15):  # the last is the distance of the two normals of one pair
        assert abs(np.corrcoef(z[:-lag], z[lag:])[0, 1]) < 5.5 / np.sqrt(len(z) - lag)
        assert abs(np.corrcoef(z[:-lag] ** 2, z[lag:] ** 2)[0, 1]) < 6.0 / np.sqrt(len(z) - lag)


def test_gaussian_tail_has_its_share():
    beyond = int((np.abs(secret_gaussian(1_000_000)) > 4.0).sum())
    low, high = stats.binom.interval(1 - 1e-6, 1_000_000, 2 * stats.norm.sf(4.0))
    assert low <= beyond <= high


@pytest.mark.parametrize(("word", "radius"), [(0, 13.3728), (2**64 - 1, 0.0)])
def test_gaussian_is_finite_at_both_ends_of_the_words(monkeypatch: pytest.MonkeyPatch, word: int, radius: float):
    monkeypatch.setattr(os, "urandom", lambda n: word.to_bytes(8, "little") * (n // 8))
    draws = secret_gaussian(2)
    assert np.isfinite(draws).all()
    assert np.hypot(*draws) == pytest.approx(radius, abs=1e-3)


def test_gaussian_draws_are_near_the_exact_ones(monkeypatch: pytest.MonkeyPatch):
    words = [
        0,
        1,
        2**20 + 7,
        2**43 + 11,
        2**44 + 3,
        2**60 + 5,
        2**63 - 9,
        2**64 - 2**11,
        2**64 - 1,
        *(3**k for k in range(5, 40, 4)),
    ]
    for radial, angular in itertools.product(words, words[3:]):
        stream = [radial.to_bytes(8, "little") + angular.to_bytes(8, "little"), angular.to_bytes(8, "little")]
        monkeypatch.setattr(os, "urandom", lambda n, left=stream: left.pop(0) if n else b"")
        with mpmath.workdps(60):
            fraction = mpmath.mpf(2 * angular + 1) / 2**65 if radial < 2**53 else mpmath.mpf(1) / 2
            radius = mpmath.sqrt(-2 * mpmath.log((radial + fraction) / mpmath.mpf(2) ** 64))
            angle = 2 * mpmath.pi * angular / mpmath.mpf(2) ** 64
            exact = [float(radius * mpmath.cos(angle)), float(radius * mpmath.sin(angle))]
        # near radius 0 the uniform is near 1, where float64 has a spacing of 2^-53
        allowed = 4e-15 * (1 + float(radius)) + min(3e-8, 2.0**-52 / max(float(radius), 1e-12))
        assert np.abs(secret_gaussian(2) - exact).max() <= allowed


@pytest.mark.parametrize("size", [0, 1, 2, 3, (1 << 16) - 1, (1 << 16) + 1])
def test_gaussian_returns_as_many_as_were_asked_for(size: int):
    assert secret_gaussian(size).shape == (size,)


def test_gumbel_has_its_law():
    draws = secret_gumbel(600_000)
    assert stats.kstest(draws, "gumbel_r").pvalue > 1e-6
    assert stats.kstest(draws * 1.03, "gumbel_r").pvalue < 1e-6
    assert stats.kstest(draws * 0.97, "gumbel_r").pvalue < 1e-6


@pytest.mark.parametrize("word", [0, 2**63 - 1, 2**63, 2**64 - 1])
def test_gumbel_is_finite_at_both_ends_of_the_words(monkeypatch: pytest.MonkeyPatch, word: int):
    monkeypatch.setattr(os, "urandom", lambda n: word.to_bytes(8, "little") * (n // 8))
    assert np.isfinite(secret_gumbel(3)).all()


def test_gumbel_tails_mirror_each_other_in_the_uniform(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "urandom", lambda n: (0).to_bytes(8, "little") * (n // 8))
    assert secret_gumbel(1)[0] == pytest.approx(65 * np.log(2))
    monkeypatch.setattr(os, "urandom", lambda n: (2**64 - 1).to_bytes(8, "little") * (n // 8))
    assert secret_gumbel(1)[0] == pytest.approx(-np.log(65 * np.log(2)))


def test_seeds_of_other_generators_do_not_reach_the_secret_draws():
    def draw() -> tuple[np.ndarray, np.ndarray, bytes, np.ndarray]:
        np.random.seed(7)  # noqa: NPY002  # a user may well do this
        return secret_gaussian(8), secret_uniform64(8), secret_bytes(8), poisson_batch(64, 0.5)

    first, second = draw(), draw()
    assert not (first[0] == second[0]).any()
    assert not (first[1] == second[1]).any()
    assert first[2] != second[2]
    assert first[3].tolist() != second[3].tolist()


def test_every_secret_draw_comes_from_the_operating_system(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "urandom", lambda n: b"\x2a" * n)
    assert len(set(secret_gaussian(20)[:10].tolist())) == 1
    assert set(secret_uniform64(5).tolist()) == {0x2A2A2A2A2A2A2A2A}
    assert poisson_batch(10, 0.5).tolist() == list(range(10))
    assert poisson_batch(10, 0.1).tolist() == []


def test_poisson_includes_each_row_at_its_rate_and_the_size_varies_as_it_must():
    n, rate, rounds = 400, 0.3, 2_000
    batches = [poisson_batch(n, rate) for _ in range(rounds)]
    sizes = np.array([len(batch) for batch in batches])
    included = np.bincount(np.concatenate(batches), minlength=n)
    z = stats.norm.isf(1e-6 / (2 * n))
    assert np.abs(included - rounds * rate).max() < z * np.sqrt(rounds * rate * (1 - rate)) + 1
    dispersion = sizes.var(ddof=1) / (n * rate * (1 - rate))
    low, high = (stats.chi2.ppf(p, rounds - 1) / (rounds - 1) for p in (5e-7, 1 - 5e-7))
    assert low < dispersion < high


def test_the_variance_of_the_size_would_tell_a_shuffled_batch():
    # a batch of fixed size, as shuffling gives, has no variance: the bound above rejects it
    assert stats.chi2.ppf(5e-7, 1_999) / 1_999 > 0.8


def test_poisson_rows_come_and_go_in_pairs_as_if_alone():
    rounds = 4_000
    member = np.zeros((rounds, 6))
    for i in range(rounds):
        member[i, poisson_batch(6, 0.5)] = 1
    together = np.corrcoef(member.T)[np.triu_indices(6, 1)]
    steps = np.corrcoef(member[:-1, 0], member[1:, 0])[0, 1]
    assert np.abs(np.append(together, steps)).max() < 5.5 / np.sqrt(rounds)


@pytest.mark.parametrize(("rate", "expected"), [(0.0, []), (1.0, [0, 1, 2])])
def test_poisson_at_the_ends(rate: float, expected: list[int]):
    assert poisson_batch(3, rate).tolist() == expected
    assert poisson_batch(0, rate).tolist() == []


@given(st.floats(0.0, 1.0))
def test_rate_is_never_rounded_up(rate: float):
    grid = rate_on_grid(rate)
    assert 0 <= Fraction(rate) - grid < Fraction(1, 2**64)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_and_1_is_refused(rate: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        poisson_batch(3, rate)


def test_patient_lots_are_the_hmac_of_the_identifier():
    expected = int.from_bytes(hmac.digest(KEY, b"17", hashlib.sha256)[:8], "little")
    assert patient_lots(KEY, [17]).tolist() == patient_lots(KEY, ["17"]).tolist() == [expected]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=8), st.data())
def test_a_lot_depends_on_its_own_patient_alone(ids: list[str], data: st.DataObject):
    row = data.draw(st.integers(0, len(ids) - 1))
    rest = ids[:row] + ids[row + 1 :]
    assert np.delete(patient_lots(KEY, ids), row).tolist() == patient_lots(KEY, rest).tolist()


def test_unit_lots_are_uniform_and_change_with_the_key():
    lots = unit_lots(KEY, range(20_000))
    assert stats.kstest(lots, "uniform").pvalue > 1e-6
    assert lots.min() >= 0
    assert lots.max() < 1
    assert not (lots == unit_lots(b"another key", range(20_000))).any()


def test_record_lots_depend_on_patient_and_place_alone():
    owner, place = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 0, 0, 1, 2])
    lots = record_lots(KEY, ["a", "b", "c"], owner, place)
    assert (
        lots[owner != 1].tolist() == record_lots(KEY, ["a", "c"], np.array([0, 0, 1, 1, 1]), place[owner != 1]).tolist()
    )
    assert len(set(lots.tolist())) == 6


def test_record_lots_are_uniform():
    owner, place = np.repeat(np.arange(200), 100), np.tile(np.arange(100), 200)
    lots = record_lots(KEY, range(200), owner, place) / 2.0**64
    assert stats.kstest(lots, "uniform").pvalue > 1e-6


def test_public_streams_repeat_and_differ_by_name():
    assert public(1, "a").integers(2**62) == public(1, "a").integers(2**62)
    draws = {
        int(stream.integers(2**62))
        for stream in (public(1, "a"), public(2, "a"), public(1, "b"), public(1, "a", "b"), public(1, "ab"), public(-1))
    }
    assert len(draws) == 6


def test_a_public_stream_is_no_global_generator():
    np.random.seed(3)  # noqa: NPY002  # a user may well do this
    first = public(1, "a").normal()
    np.random.seed(4)  # noqa: NPY002
    assert public(1, "a").normal() == first


def test_noise_is_cheap():
    secret_gaussian(1000)
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        secret_gaussian(500_000)
        best = min(best, time.process_time() - start)
    assert best / 500_000 < 300e-9
