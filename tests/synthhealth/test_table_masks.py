"""Levels that rules close have no chance at all in the decoder, and what is open is learnt as it is."""

from __future__ import annotations

import numpy as np
import pytest
from learnt_parts import book_of
from odd_worlds import ODD_SCHEMAS

from evaluation.constraints import violations
from privacy.constraints import broken
from privacy.errors import ConfigError
from privacy.mechanisms import NoisyMoments
from privacy.schema import Schema
from synthhealth.conditions import meets
from synthhealth.generators.fitted import Fitted
from synthhealth.generators.given import sample_given
from synthhealth.generators.table.decoder import Decoder, fit_decoder
from synthhealth.generators.table.features import Scores
from synthhealth.generators.table.masks import Masks
from synthhealth.generators.table.measure import score_rows

SCHEMA = Schema.parse(ODD_SCHEMAS["codes that rule one another"].split("[tests")[0])


def model(*, masked: bool = True) -> Fitted:
    """A decoder with drawn shares and weights, which knows nothing of rules but its masks."""
    rng = np.random.default_rng(4)
    book = book_of(SCHEMA, rng)
    shares = tuple(rng.dirichlet(np.full(column.levels, 3.0)) for column in book.columns)
    scores = tuple(
        Scores.of(share, ordered=column.ordered, missing=column.missing)
        for share, column in zip(shares, book.columns, strict=True)
    )
    before = np.cumsum([0, *(score.count for score in scores)])
    weight = tuple(
        rng.normal(scale=0.3, size=(start, score.count)) for start, score in zip(before, scores, strict=False)
    )
    masks = Masks.of(SCHEMA, book.columns) if masked else Masks()
    bias = tuple(np.log(share) for share in shares)
    return Fitted(book=book, decoder=Decoder(scores=scores, bias=bias, weight=weight, masks=masks), heads=None)


def broken_rows(codes: np.ndarray, fitted: Fitted) -> int:
    """How many rows of levels break a rule, before anything is made to hold."""
    cells = {}
    for j, column in enumerate(fitted.book.columns):
        known = codes[:, j] < column.levels - column.missing
        number = fitted.book.attributes[j] is not None
        cells[column.name] = np.where(known, codes[:, j], np.nan if number else -1)
    return int(np.any([broken(SCHEMA, rule, cells) for rule in SCHEMA.constraints], axis=0).sum())


def test_what_rules_close_is_never_drawn():
    codes, log_weight = model().decoder.sample(20_000, np.random.default_rng(0))
    assert broken_rows(codes, model()) == 0
    assert not log_weight.any()
    free, _ = model(masked=False).decoder.sample(20_000, np.random.default_rng(0))
    assert broken_rows(free, model()) > 5_000


@pytest.mark.parametrize(
    "where", [{"sex": "M"}, {"pregnant": 1}, {"bed": "cot", "ward": ["b", "c"]}, {"insulin": (3, 9)}]
)
def test_conditions_and_rules_hold_together(where: dict[str, object]):
    found = sample_given(model(), where, n=400, seed=1)  # type: ignore[arg-type]
    assert meets(found.cohort, where).all()  # type: ignore[arg-type]
    assert {one.rule: one.count for one in violations(found.cohort) if one.count} == {}


def test_what_rules_forbid_cannot_be_asked_for():
    with pytest.raises(ConfigError, match="at least one synthetic patient in 10,000"):
        sample_given(model(), {"sex": "M", "pregnant": 1}, n=5, seed=1)


def test_a_decoder_fitted_under_masks_has_the_shares_of_its_rows():
    """Rows that keep the rules are learnt from their moments; the masks cost the shares nothing."""
    true = model()
    rows, _ = true.decoder.sample(60_000, np.random.default_rng(2))
    shares = tuple(np.bincount(rows[:, j], minlength=one.levels) / len(rows) for j, one in enumerate(true.book.columns))
    scores = tuple(
        Scores.of(share, ordered=column.ordered, missing=column.missing)
        for share, column in zip(shares, true.book.columns, strict=True)
    )
    x = score_rows(rows, scores)
    moments = NoisyMoments(values=x.T @ x / len(x), sigma=np.full((x.shape[1], x.shape[1]), 1e-3))
    fitted = fit_decoder(shares, scores, moments, np.random.default_rng(3), true.decoder.masks)
    drawn, _ = fitted.sample(60_000, np.random.default_rng(4))
    assert broken_rows(drawn, true) == 0
    for j, share in enumerate(shares):
        mine = np.bincount(drawn[:, j], minlength=len(share)) / len(drawn)
        assert np.abs(mine - share).sum() / 2 < 0.02, true.book.columns[j].name
