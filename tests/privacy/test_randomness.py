"""Chance comes from the operating system where it must, at the right scale, and from a seed only where it may."""

import hashlib
import hmac
import itertools
import math
import os
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from small_world import noise_fits

from privacy import randomness
from privacy.randomness import (
    patient_lots,
    poisson_batch,
    public,
    rate_on_grid,
    record_lots,
    secret_bytes,
    secret_gumbel,
    secret_uniform64,
    secret_whole_gaussian,
    unit_lots,
)

KEY = bytes(range(32))


def test_whole_gaussian_passes_at_its_scale_and_fails_two_percent_off():
    draws = secret_whole_gaussian(400_000, 1e5) / 1e5
    assert noise_fits(draws, 1.0)
    assert not noise_fits(draws, 0.98)
    assert not noise_fits(draws, 1.02)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_whole_gaussian_has_the_law_of_a_rounded_normal(sigma: float):
    draws = secret_whole_gaussian(200_000, sigma)
    k = np.arange(-int(4 * sigma), int(4 * sigma) + 1)
    chance = np.diff(stats.norm.cdf(np.append(k - 0.5, k[-1] + 0.5) / sigma))
    observed = np.array([(draws == value).sum() for value in k])
    expected, rest = chance * len(draws), max(1.0, (1 - chance.sum()) * len(draws))
    statistic = ((observed - expected) ** 2 / expected).sum() + (len(draws) - observed.sum() - rest) ** 2 / rest
    assert stats.chi2.sf(statistic, len(k)) > 1e-6


def test_whole_gaussian_draws_do_not_lean_on_their_neighbours():
    z = secret_whole_gaussian(200_001, 1e6)
    for lag in (1, 2, 1 << 15):  # the last is the distance of the two normals of one pair
        assert abs(np.corrcoef(z[:-lag], z[lag:])[0, 1]) < 5.5 / np.sqrt(len(z) - lag)
        assert abs(np.corrcoef(z[:-lag] ** 2, z[lag:] ** 2)[0, 1]) < 6.0 / np.sqrt(len(z) - lag)


def test_whole_gaussian_tail_has_its_share():
    beyond = int((np.abs(secret_whole_gaussian(1_000_000, 1e3)) > 4e3).sum())
    low, high = stats.binom.interval(1 - 1e-6, 1_000_000, 2 * stats.norm.sf(4.0005))
    assert low <= beyond <= high


@pytest.mark.parametrize("word", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("sigma", [0.5, 1e6])
def test_whole_gaussian_is_finite_at_both_ends_of_the_words(monkeypatch: pytest.MonkeyPatch, word: int, sigma: float):
    supply = itertools.chain([word.to_bytes(8, "little") * 2], iter(lambda: b"\x5a" * 8, b""))
    monkeypatch.setattr(os, "urandom", lambda n: next(supply) if n else b"")
    draws = secret_whole_gaussian(2, sigma)
    assert np.isfinite(draws).all()
    assert np.array_equal(draws, np.rint(draws))


def exact_normals(radial: int, angular: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """The normals in the middle of the words' cells, to 60 digits."""
    radius = mpmath.sqrt(-2 * mpmath.log((radial + mpmath.mpf(1) / 2) / mpmath.mpf(2) ** 64))
    angle = 2 * mpmath.pi * (angular + mpmath.mpf(1) / 2) / mpmath.mpf(2) ** 64
    return radius * mpmath.cos(angle), radius * mpmath.sin(angle)


def test_floats_err_by_far_less_than_the_doubt():
    edges = [2**20 + 7, 2**43 + 11, 2**53, 2**60 + 5, 2**63 - 9, 2**64 - 2**11]
    words = [*edges, *(3**k for k in range(13, 40, 3)), *(5**k for k in range(9, 27, 2))]
    for radial, angular in itertools.product(words, words):
        found, doubt = randomness._normals(np.array([radial, angular], dtype=np.uint64))
        with mpmath.workdps(60):
            off = max(abs(float(a - mpmath.mpf(b))) for a, b in zip(exact_normals(radial, angular), found, strict=True))
        assert off <= float(doubt[0]) / 3


def test_normals_at_the_ends_of_a_words_cell_are_within_the_doubt():
    for radial, angular in itertools.product([2**20, 2**30 + 1, 2**62, 2**64 - 2**12], [0, 2**30, 2**63 + 2**61]):
        found, doubt = randomness._normals(np.array([radial, angular], dtype=np.uint64))
        with mpmath.workdps(60):
            for end in (radial, radial + 1):
                radius = mpmath.sqrt(-2 * mpmath.log(end / mpmath.mpf(2) ** 64))
                angle = 2 * mpmath.pi * (angular + mpmath.mpf(1) / 2) / mpmath.mpf(2) ** 64
                off = max(
                    abs(float(turn(angle) * radius - mpmath.mpf(z)))
                    for turn, z in zip((mpmath.cos, mpmath.sin), found, strict=True)
                )
                assert off <= float(doubt[0])


def test_doubtful_draws_are_computed_with_more_bits(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(
        randomness, "exact_whole_pair", lambda radial, angular, sigma: asked.append((radial, angular)) or (7, sigma)
    )
    # sigma is chosen such that the first normal of these words stands on the border 1000.5
    words = np.array([2**62 + 12345, 2**61 + 999], dtype=np.uint64)
    with mpmath.workdps(60):
        border = float(mpmath.mpf("1000.5") / exact_normals(*map(int, words))[0])
    assert randomness._whole_pairs(words, border).tolist() == [7.0, border]
    assert asked == [tuple(map(int, words))]
    assert randomness._whole_pairs(words, border * 1.0001).tolist() != [7.0, border * 1.0001]


def test_more_bits_agree_with_sixty_digits_and_never_leave_the_cell():
    sigma = 1e5
    for radial, angular in [(2**63, 2**61 + 12345), (2**64 - 1, 2**62), (2**30, 3**40), (2**53, 1)]:
        with mpmath.workdps(60):
            middle = [float(z * sigma) for z in exact_normals(radial, angular)]
        assert randomness.exact_whole_pair(radial, angular, sigma) == pytest.approx(middle, abs=1.5)


def test_a_draw_on_a_border_goes_to_either_side_by_chance():
    # a radial word of 0 leaves everything beyond 9.4 standard deviations open, so that fresh bits must decide
    outcomes = {randomness.exact_whole_pair(0, 2**61 + 1, 50.0) for _ in range(40)}
    assert len(outcomes) > 5
    assert min(math.hypot(*pair) for pair in outcomes) > 9.4 * 50


@pytest.mark.parametrize("size", [0, 1, 2, 3, (1 << 16) - 1, (1 << 16) + 1])
def test_whole_gaussian_returns_as_many_as_were_asked_for(size: int):
    assert secret_whole_gaussian(size, 3.0).shape == (size,)


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
        return secret_whole_gaussian(8, 1e9), secret_uniform64(8), secret_bytes(8), poisson_batch(64, 0.5)

    first, second = draw(), draw()
    assert not (first[0] == second[0]).any()
    assert not (first[1] == second[1]).any()
    assert first[2] != second[2]
    assert first[3].tolist() != second[3].tolist()


def test_every_secret_draw_comes_from_the_operating_system(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "urandom", lambda n: b"\x2a" * n)
    assert len(set(secret_whole_gaussian(20, 100.0)[:10].tolist())) == 1
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
