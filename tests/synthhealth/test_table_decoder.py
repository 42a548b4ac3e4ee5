"""The decoder of the patient table: it meets what was measured, forgets noise, and samples under evidence exactly."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2

from privacy.mechanisms import NoisyMoments
from synthhealth.generators.table.decoder import Decoder, fit_decoder
from synthhealth.generators.table.features import Scores

Floats = NDArray[np.float64]
LEVELS = (2, 4, 3)


def scores_of(shares: tuple[Floats, ...]) -> tuple[Scores, ...]:
    return tuple(Scores.of(share, ordered=j != 2, missing=False) for j, share in enumerate(shares))


def drawn_decoder(seed: int, *, strength: float = 0.8) -> Decoder:
    rng = np.random.default_rng(seed)
    shares = tuple(rng.dirichlet(np.full(levels, 4.0)) for levels in LEVELS)
    scores = scores_of(shares)
    before = np.cumsum([0, *(score.count for score in scores)])
    return Decoder(
        scores=scores,
        bias=tuple(np.log(share) for share in shares),
        weight=tuple(
            rng.normal(scale=strength, size=(start, score.count))
            for start, score in zip(before[:-1], scores, strict=True)
        ),
    )


def chances(decoder: Decoder, row: tuple[int, ...]) -> list[Floats]:
    """The conditional chances of each column given those before it in `row`."""
    told: list[Floats] = []
    context = np.zeros(0)
    for j, score in enumerate(decoder.scores):
        logits = decoder.bias[j] + score.table @ (context @ decoder.weight[j])
        odds = np.exp(logits - logits.max())
        told.append(odds / odds.sum())
        context = np.append(context, score.table[row[j]])
    return told


def law(decoder: Decoder) -> dict[tuple[int, ...], float]:
    """The exact chance of every row."""
    rows = product(*(range(len(score.table)) for score in decoder.scores))

    def chance(row: tuple[int, ...]) -> float:
        return float(np.prod([told[at] for told, at in zip(chances(decoder, row), row, strict=True)]))

    return {row: chance(row) for row in rows}


@st.composite
def evidence(draw: st.DrawFn) -> dict[int, NDArray[np.bool_]]:
    """The levels that some of the columns may take, at least one each."""
    allowed = {}
    for j, levels in enumerate(LEVELS):
        if draw(st.booleans()):
            kept = draw(st.sets(st.integers(0, levels - 1), min_size=1))
            allowed[j] = np.isin(np.arange(levels), list(kept))
    return allowed


@settings(max_examples=25)
@given(evidence(), st.integers(0, 5))
def test_a_row_drawn_under_evidence_has_the_weight_that_makes_its_law_exact(
    allowed: dict[int, NDArray[np.bool_]], seed: int
):
    decoder = drawn_decoder(seed)
    rows, log_weight = decoder.sample(200, np.random.default_rng(seed), allowed=allowed)
    for j, mask in allowed.items():
        assert mask[rows[:, j]].all()
    for row, told in zip(map(tuple, rows.tolist()), log_weight.tolist(), strict=True):
        # what evidence was worth along the way: the chance of the allowed levels, column by column
        parts = chances(decoder, row)
        mass = [float(parts[j][mask].sum()) for j, mask in allowed.items()]
        assert told == pytest.approx(float(np.log(mass).sum()), abs=1e-9)


@settings(max_examples=6)
@given(evidence(), st.integers(0, 5))
def test_weighted_rows_follow_the_conditional_law(allowed: dict[int, NDArray[np.bool_]], seed: int):
    decoder, n = drawn_decoder(seed), 8_000
    rows, log_weight = decoder.sample(n, np.random.default_rng(seed + 100), allowed=allowed)
    weight = np.exp(log_weight)
    exact = {row: p for row, p in law(decoder).items() if all(mask[row[j]] for j, mask in allowed.items())}
    total = sum(exact.values())
    assert weight.mean() == pytest.approx(total, abs=6 * float(weight.std()) / np.sqrt(n) + 1e-9)
    for row, p in exact.items():
        hit = (rows == np.array(row)).all(axis=1) * weight
        assert hit.mean() == pytest.approx(p, abs=6 * float(hit.std()) / np.sqrt(n) + 3e-4)


def test_without_evidence_rows_follow_the_law_and_weigh_nothing():
    decoder, n = drawn_decoder(3), 20_000
    rows, log_weight = decoder.sample(n, np.random.default_rng(0))
    assert (log_weight == 0).all()
    exact = law(decoder)
    observed = np.array([(rows == np.array(row)).all(axis=1).sum() for row in exact])
    expected = n * np.array(list(exact.values()))
    statistic = ((observed - expected) ** 2 / expected)[expected > 5].sum()
    assert chi2.sf(statistic, int((expected > 5).sum())) > 1e-6


def test_evidence_of_no_chance_gives_rows_that_weigh_nothing():
    decoder = drawn_decoder(1)
    bias = (np.array([0.0, -800.0]), *decoder.bias[1:])
    sure = Decoder(scores=decoder.scores, bias=bias, weight=decoder.weight)
    rows, log_weight = sure.sample(50, np.random.default_rng(0), allowed={0: np.array([False, True])})
    assert (rows[:, 0] == 1).all()
    assert (log_weight < -500).all()


def test_the_same_stream_gives_the_same_rows():
    decoder = drawn_decoder(2)
    first, second, other = (decoder.sample(100, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert decoder.sample(0, np.random.default_rng(0))[0].shape == (0, 3)


# --- fitting ------------------------------------------------------------------------------------------------------


def truth(seed: int) -> tuple[tuple[Floats, ...], tuple[Scores, ...], Floats]:
    """One-way shares, their scores and the exact second moments of a drawn decoder's law."""
    exact = law(drawn_decoder(seed, strength=0.5))
    rows, p = np.array(list(exact)), np.array(list(exact.values()))
    shares = tuple(np.bincount(rows[:, j], weights=p, minlength=levels) for j, levels in enumerate(LEVELS))
    scores = scores_of(shares)
    table = np.concatenate([score.table[rows[:, j]] for j, score in enumerate(scores)], axis=1)
    return shares, scores, table.T @ (p[:, None] * table)


def measured(scores: tuple[Scores, ...], moments: Floats, sigma: float) -> NoisyMoments:
    """The moments as the mechanism returns them: nothing of pairs within a column."""
    owner = np.repeat(np.arange(len(scores)), [score.count for score in scores])
    apart = owner[:, None] != owner
    return NoisyMoments(values=np.where(apart, moments, 0.0), sigma=np.where(apart, sigma, np.inf))


def sampled(decoder: Decoder, n: int = 40_000) -> tuple[list[Floats], Floats]:
    rows, _ = decoder.sample(n, np.random.default_rng(9))
    shares = [np.bincount(rows[:, j], minlength=levels) / n for j, levels in enumerate(LEVELS)]
    table = np.concatenate([score.table[rows[:, j]] for j, score in enumerate(decoder.scores)], axis=1)
    return shares, table.T @ table / n


@pytest.mark.parametrize("seed", [0, 1])
def test_what_was_measured_without_noise_is_met(seed: int):
    shares, scores, moments = truth(seed)
    noisy = measured(scores, moments, 1e-6)
    decoder = fit_decoder(shares, scores, noisy, np.random.default_rng(0))
    told, drawn = sampled(decoder)
    for one, wanted in zip(told, shares, strict=True):
        assert np.allclose(one, wanted, atol=0.02)
    apart = np.isfinite(noisy.sigma)
    assert np.abs(moments[apart]).max() > 0.2
    # three standard errors of the dreams that the decoder was fitted on
    assert np.allclose(drawn[apart], moments[apart], atol=0.05)


def test_what_is_noise_is_forgotten():
    shares, scores, moments = truth(0)
    rng = np.random.default_rng(4)
    noise = rng.normal(scale=5.0, size=moments.shape)
    noisy = measured(scores, moments + (noise + noise.T) / 2, 5.0)
    decoder = fit_decoder(shares, scores, noisy, np.random.default_rng(0))
    told, drawn = sampled(decoder)
    for one, wanted in zip(told, shares, strict=True):
        assert np.allclose(one, wanted, atol=0.02)
    apart = np.isfinite(noisy.sigma)
    assert np.abs(drawn[apart]).max() < 0.1 < np.abs(noisy.values[apart]).max()


def test_more_noise_pulls_nearer_to_independence():
    shares, scores, moments = truth(1)
    drawn = []
    for sigma in (1e-4, 0.15, 1.0):
        decoder = fit_decoder(shares, scores, measured(scores, moments, sigma), np.random.default_rng(0))
        drawn.append(float(np.abs(np.concatenate([weight.ravel() for weight in decoder.weight])).sum()))
    assert drawn[0] > drawn[1] > drawn[2]


def test_columns_without_scores_keep_their_shares():
    shares = (np.array([1.0]), np.array([0.2, 0.5, 0.3]), np.array([1.0]))
    scores = tuple(Scores.of(share, ordered=True, missing=False) for share in shares)
    size = sum(score.count for score in scores)
    nothing = NoisyMoments(values=np.zeros((size, size)), sigma=np.full((size, size), np.inf))
    decoder = fit_decoder(shares, scores, nothing, np.random.default_rng(0))
    rows, _ = decoder.sample(5_000, np.random.default_rng(1))
    assert set(rows[:, 0]) == set(rows[:, 2]) == {0}
    assert np.allclose(np.bincount(rows[:, 1]) / 5_000, shares[1], atol=0.03)


def test_pairs_that_were_not_measured_stay_independent():
    shares, scores, moments = truth(0)
    noisy = measured(scores, moments, 1e-4)
    sigma, values = noisy.sigma.copy(), noisy.values.copy()
    sigma[0, :], sigma[:, 0], values[0, :], values[:, 0] = np.inf, np.inf, 0.0, 0.0
    decoder = fit_decoder(shares, scores, NoisyMoments(values=values, sigma=sigma), np.random.default_rng(0))
    _, drawn = sampled(decoder)
    assert np.abs(drawn[0, 1:]).max() < 0.03
    apart = np.isfinite(sigma)
    assert np.allclose(drawn[apart], moments[apart], atol=0.05)
