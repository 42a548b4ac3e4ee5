"""Patients under conditions follow the model's own conditional law, and none of them breaks a condition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt_parts import book_of
from schema_texts import AGE, SEX, category, derived, number, order, schema_text
from scipy.stats import chi2, ks_2samp

from privacy.budget import Budget
from privacy.errors import ConfigError
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.artifact import Artifact
from synthhealth.conditions import Condition, meets
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.model import Autoencoder
from synthhealth.generators.dpsgd.network import Network
from synthhealth.generators.fitted import Fitted
from synthhealth.generators.given import Evidence, sample_given
from synthhealth.generators.table.decoder import Decoder
from synthhealth.generators.table.features import Scores
from synthhealth.mixes import parse_mix
from synthhealth.synthesizer import SmallCohortWarning, Synthesizer

SCHEMA = Schema.parse(
    schema_text(
        "given",
        AGE,
        SEX,
        category("ward", "A", "B", "C", "D"),
        number("height", 130, 210, missing=True),
        number("weight", 30, 200, 0.1),
        derived("bmi", "weight / (height / 100) ** 2", 0.1),
        number("first", 0, 50),
        number("second", 0, 60),
        order("first", "second"),
        size=1000,
        cap=1,
        window=(0, 1),
    )
)


@cache
def fitted(seed: int = 0, strength: float = 0.5, text: str = "") -> Fitted:
    """A model with drawn bins, shares and weights, as if it had been learnt, in SCHEMA or another."""
    rng = np.random.default_rng(seed)
    book = book_of(Schema.parse(text) if text else SCHEMA, rng)
    shares = tuple(rng.dirichlet(np.full(column.levels, 3.0)) for column in book.columns)
    scores = tuple(
        Scores.of(share, ordered=column.ordered, missing=column.missing)
        for share, column in zip(shares, book.columns, strict=True)
    )
    before = np.cumsum([0, *(score.count for score in scores)])
    weight = tuple(
        rng.normal(scale=strength / np.sqrt(max(start, 1)), size=(start, score.count))
        for start, score in zip(before[:-1], scores, strict=True)
    )
    return Fitted(book=book, decoder=Decoder(scores=scores, bias=tuple(map(np.log, shares)), weight=weight), heads=None)


MODEL = fitted()
EVERYBODY = MODEL.sample(200_000, 1)
CONDITIONS: tuple[Mapping[str, Condition], ...] = (
    {"sex": "F"},
    {"ward": ["A", "C"], "sex": "M"},
    {"age": (61.0, 67.0)},
    {"weight": (70.3, 71.9), "ward": "B"},
    {"height": 170},
    {"bmi": (20.0, 22.0), "sex": "F"},
    {"second": (10.0, 20.0)},
    {"first": (30.0, 40.0), "second": (35.0, 60.0), "age": (40.0, 60.0)},
    {"bmi": (20.0, 28.0), "weight": (60.0, 80.0), "height": (160.0, 170.0)},
)
EACH = pytest.mark.parametrize("where", CONDITIONS, ids="-".join)


@EACH
def test_nobody_breaks_a_condition_and_as_many_come_as_were_asked_for(where: Mapping[str, Condition]) -> None:
    found = sample_given(MODEL, where, n=700, seed=3)
    assert len(found.cohort) == 700
    assert meets(found.cohort, where).all()
    assert found.cohort.ids.tolist() == sorted(set(found.cohort.ids))
    assert found.share == pytest.approx(float(meets(EVERYBODY, where).mean()), rel=0.15)


@EACH
def test_the_rest_of_a_patient_follows_the_conditional_law(where: Mapping[str, Condition]) -> None:
    found = sample_given(MODEL, where, n=4_000, seed=5).cohort
    right = EVERYBODY.take(np.flatnonzero(meets(EVERYBODY, where)))
    for name in ("sex", "ward"):
        levels = len(SCHEMA.columns[name].levels) + 1  # type: ignore[union-attr]
        mine, theirs = (np.bincount(cohort.codes(name) + 1, minlength=levels) for cohort in (found, right))
        pooled = (mine + theirs) / (len(found) + len(right))
        both = np.stack([mine, theirs]) - np.outer([len(found), len(right)], pooled)
        distance = (both**2 / np.maximum(np.outer([len(found), len(right)], pooled), 1e-9)).sum()
        assert distance < chi2.ppf(1 - 1e-5, levels - 1), name
    for name in ("age", "height", "weight", "bmi", "second"):
        mine, theirs = (cohort.numbers(name)[~np.isnan(cohort.numbers(name))] for cohort in (found, right))
        assert ks_2samp(mine, theirs).pvalue > 1e-5, name


KIDNEYS = schema_text(
    "kidneys",
    number("creatinine", 0.1, 10, 0.1),
    AGE,
    SEX,
    derived("egfr", "100 / creatinine * 0.99 ** age * (1 + 0.3 * (sex == 'F'))", 1),
    derived("score", "age + 10 * (sex == 'M')"),
    size=1000,
    cap=1,
    window=(0, 1),
)


@pytest.mark.parametrize("where", [{"egfr": (20.0, 60.0)}, {"egfr": (5.0, 30.0), "score": (50.0, 70.0)}], ids="-".join)
def test_a_category_in_a_formula_is_looked_at_with_the_numbers(where: Mapping[str, Condition]) -> None:
    model = fitted(3, 0.5, KIDNEYS)
    everybody = model.sample(60_000, 1)
    right = everybody.take(np.flatnonzero(meets(everybody, where)))
    found = sample_given(model, where, n=2_000, seed=2)
    assert meets(found.cohort, where).all()
    assert found.share == pytest.approx(len(right) / len(everybody), rel=0.1)
    mine, theirs = (np.mean(cohort.patients["sex"] == "F") for cohort in (found.cohort, right))
    assert mine == pytest.approx(theirs, abs=5 * 0.5 / np.sqrt(min(len(right), 1_500)))
    for name in ("creatinine", "age"):
        assert ks_2samp(found.cohort.numbers(name), right.numbers(name)).pvalue > 1e-5, name


@cache
def autoencoder() -> Autoencoder:
    """A network with large weights on the drawn bins and shares, as if it had been trained."""
    shares = tuple(np.exp(bias) for bias in MODEL.decoder.bias)
    ground = Ground.again(MODEL.book, shares, np.zeros(0))
    network = Network(ground, public(0, "given"))
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for weight in network.row.parameters():
            weight.copy_(torch.from_numpy(rng.normal(scale=0.25, size=tuple(weight.shape))))
    return Autoencoder(ground=ground, network=network)


@pytest.mark.parametrize("where", [CONDITIONS[1], CONDITIONS[5]], ids="-".join)
def test_the_autoencoder_follows_its_own_conditional_law(where: Mapping[str, Condition]) -> None:
    everybody = autoencoder().sample(40_000, 1)
    right = everybody.take(np.flatnonzero(meets(everybody, where)))
    found = sample_given(autoencoder(), where, n=2_000, seed=2)
    assert len(found.cohort) == 2_000
    assert meets(found.cohort, where).all()
    assert found.share == pytest.approx(len(right) / len(everybody), rel=0.15)
    for name in ("age", "height", "weight", "second"):
        mine, theirs = (cohort.numbers(name)[~np.isnan(cohort.numbers(name))] for cohort in (found.cohort, right))
        assert ks_2samp(mine, theirs).pvalue > 1e-5, name
    assert ks_2samp(found.cohort.numbers("weight"), everybody.numbers("weight")).pvalue < 1e-5


def test_the_law_of_another_model_is_told_apart() -> None:
    """The comparison above has teeth: the same condition under another model does not pass."""
    found = sample_given(fitted(seed=7), {"sex": "F"}, n=4_000, seed=5).cohort
    right = EVERYBODY.take(np.flatnonzero(meets(EVERYBODY, {"sex": "F"})))
    assert ks_2samp(found.numbers("age"), right.numbers("age")).pvalue < 1e-5


def test_the_same_seed_gives_the_same_patients() -> None:
    first, again, other = (sample_given(MODEL, {"sex": "F"}, n=50, seed=seed).cohort for seed in (1, 1, 2))
    assert first.patients.equals(again.patients)
    assert not first.patients.equals(other.patients)


@settings(max_examples=4)
@given(low=st.floats(30, 199), width=st.floats(1, 100), seed=st.integers(0, 2))
def test_any_range_is_kept(low: float, width: float, seed: int) -> None:
    where: Mapping[str, Condition] = {"weight": (low, low + width)}
    assert meets(sample_given(fitted(seed), where, n=60, seed=1).cohort, where).all()


def test_what_a_bin_holds_of_a_range_is_what_it_draws() -> None:
    where: Mapping[str, Condition] = {"weight": (70.3, 71.9)}
    evidence = Evidence.of(MODEL.book, where)
    bins = MODEL.book.attributes[4]
    assert bins is not None
    assert float(evidence.allowed[4] @ bins.mass) == pytest.approx(
        float(np.mean((bins_values() >= 70.25) & (bins_values() < 71.95))), abs=2e-3
    )


def bins_values() -> np.ndarray:
    bins, slot = MODEL.book.attributes[4], MODEL.book.layout.attributes[4]
    assert bins is not None
    assert slot.grid is not None
    rng = np.random.default_rng(0)
    return bins.value(slot.grid, rng.choice(bins.count, 200_000, p=bins.mass / bins.mass.sum()), rng.random(200_000))


@pytest.mark.parametrize("where", [{"weight": (30.01, 30.05)}, {"bmi": (300.0, 400.0)}, {"second": (99.0, 100.0)}])
def test_what_nobody_can_meet_is_refused(where: Mapping[str, Condition]) -> None:
    with pytest.raises(ConfigError, match="at least one synthetic patient in 10,000"):
        sample_given(MODEL, where, n=5, seed=1)


def synthesizer(*, sigma: float, cohort_size: int = 1000, model: Fitted | Autoencoder = MODEL) -> Synthesizer:
    """A synthesizer that holds the drawn model, as if it had paid with noise of that size."""
    one = Synthesizer(SCHEMA, budget=Budget(epsilon=1, delta=1e-6), cohort_size=cohort_size, engine="marginal")
    one._model = model
    one._fitted = Artifact(
        engine="marginal",
        private=True,
        seed=0,
        schema=SCHEMA,
        ledger=json.dumps({"charges": [{"event": {"kind": "DiscreteGaussian", "sigma": sigma, "count": 1}}]}),
        state=model.state(),
    )
    return one


def test_a_group_that_the_noise_covers_comes_with_a_warning() -> None:
    behind = 1000 * sample_given(MODEL, {"age": (61.0, 67.0)}, n=2_000, seed=0).share
    with pytest.warns(SmallCohortWarning, match=r"of 1,000 patients can be expected .* on age; .* drown in it"):
        assert len(synthesizer(sigma=behind).sample(30, where={"age": (61.0, 67.0)})) == 30
    assert len(synthesizer(sigma=behind / 4).sample(30, where={"age": (61.0, 67.0)})) == 30
    with pytest.warns(SmallCohortWarning, match="drown in it"):
        synthesizer(sigma=behind * 4, model=autoencoder()).sample(30, where={"age": (61.0, 67.0)})


@given(n=st.integers(1, 40), share=st.floats(0, 1))
@settings(max_examples=10)
def test_mixes_are_kept_to_the_patient(n: int, share: float) -> None:
    cohort = synthesizer(sigma=0.01).sample(n, mix={"ward": {"B": share}}, where={"sex": "M"})
    assert len(cohort) == n
    assert abs(int((cohort.patients["ward"] == "B").sum()) - share * n) < 1
    assert set(cohort.patients["sex"]) == {"M"}
    assert len(set(cohort.ids)) == n


def test_balanced_cohorts_have_every_code_equally_often_in_no_order() -> None:
    cohort = synthesizer(sigma=0.01).sample(42, balance="ward")
    assert sorted(cohort.patients["ward"].value_counts().tolist()) == [10, 10, 11, 11]
    assert len(set(cohort.patients["ward"].head(12))) > 1
    two = synthesizer(sigma=0.01).sample(10, balance="ward", where={"ward": ["A", "D"]})
    assert two.patients["ward"].value_counts().loc[["A", "D"]].tolist() == [5, 5]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"balance": "age"}, "name a category of the schema"),
        ({"balance": "ward", "mix": {"sex": {"F": 0.5}}}, "not be asked for together"),
        ({"mix": {"sex": {"F": 0.5}, "ward": {"A": 0.5}}}, "name one column"),
        ({"mix": {"ward": {"Z": 0.5}}}, "choose among A, B, C, D"),
        ({"mix": {"ward": {"A": 0.7, "B": 0.4}}}, "add up to 1 at most; got 1.1"),
        ({"mix": {"sex": {"F": 0.5, "M": 0.4}}}, "add up to 1; got 0.9"),
    ],
)
def test_mixes_that_cannot_be_are_refused(wish: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        synthesizer(sigma=1).sample(10, **wish)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), None),
        (("died=1:0.2",), {"died": {"1": 0.2}}),
        (("ward=A:0.5,B:0.25",), {"ward": {"A": 0.5, "B": 0.25}}),
        (("ward=A:0.5", "ward=B:0.25"), {"ward": {"A": 0.5, "B": 0.25}}),
    ],
)
def test_mixes_are_read_as_they_are_typed(words: tuple[str, ...], found: object) -> None:
    assert parse_mix(words) == found


@pytest.mark.parametrize("word", ["", "died", "died=1", "died=1:x", "=1:0.2", "died=:0.2"])
def test_what_is_no_mix_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="read column=code:share"):
        parse_mix((word,))
