"""Per-patient gradients of the event decoder: exact, each its own patient's alone, and blind to padding."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt_parts import book_of, heads_of, sketch_of
from numpy.typing import NDArray
from odd_worlds import ODD_SCHEMAS, odd_cohort
from strategies import cohorts, schemas

from privacy.cohort import Cohort
from privacy.lattice import ROW_ERROR
from synthhealth.encoding.draws import Draws
from synthhealth.generators.codebook import Codebook
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS, Chains
from synthhealth.generators.events.dream import Heads, context_logits, dream
from synthhealth.generators.vae.episodes import Batch, Episodes
from synthhealth.generators.vae.wake import EventDecoder, gradient_blocks

Floats = NDArray[np.float64]
BOTH = {"panels": True, "values": True}
PARTS = [BOTH, {"panels": True, "values": False}, {"panels": False, "values": True}]
WIDTH = np.array([12, 2, 5])


pytestmark = pytest.mark.usefixtures("one_thread")


def night(seed: int, *, n: int = 12, latent: int = 2) -> tuple[Heads, Episodes]:
    """Dreamt patients and the weights of another night, so that no gradient is small."""
    rng = np.random.default_rng(seed)
    heads = heads_of(WIDTH, 30, rng, latent=latent)
    sketch = sketch_of(n, heads, rng)
    dreamt = dream(sketch, heads, rng)
    others = heads_of(WIDTH, 30, rng, latent=latent)
    return others, Episodes.dreamt(sketch, dreamt, others)


def rows_of(heads: Heads, episodes: Episodes, rows: NDArray[np.int64], parts: dict[str, bool]) -> Floats:
    return np.concatenate(list(gradient_blocks(heads, episodes, rows, **parts)))


def plain_gradient(heads: Heads, episodes: Episodes, patient: int, parts: dict[str, bool]) -> Floats:
    """The ascent direction of one patient's likelihood by torch alone, nothing of Opacus in it."""
    decoder = EventDecoder(heads, **parts)
    decoder(Batch.of(episodes, np.array([patient]), heads.values)).backward()
    grads = [one.grad if one.grad is not None else torch.zeros_like(one) for one in decoder.parameters()]
    return -torch.cat([one.ravel() for one in grads]).numpy()


def assert_close(found: Floats, wanted: Floats) -> None:
    """Each row within the error that the clipping of a sum allows for, relative to its length."""
    length = np.linalg.norm(wanted, axis=-1)
    assert (np.linalg.norm(found - wanted, axis=-1) <= ROW_ERROR * np.maximum(length, 1.0)).all()


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_are_the_gradients_of_plain_torch_one_patient_at_a_time(seed: int, parts: dict[str, bool]):
    heads, episodes = night(seed)
    found = rows_of(heads, episodes, np.arange(12), parts)
    assert_close(found, np.stack([plain_gradient(heads, episodes, patient, parts) for patient in range(12)]))
    assert np.linalg.norm(found, axis=1).max() > 1


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.data())
def test_a_row_does_not_depend_on_its_batch_mates(seed: int, data: st.DataObject):
    heads, episodes = night(seed, n=8)
    alone = np.concatenate([rows_of(heads, episodes, np.array([patient]), BOTH) for patient in range(8)])
    mates = data.draw(st.permutations(range(8)).flatmap(lambda order: st.integers(1, 8).map(lambda k: order[:k])))
    together = rows_of(heads, episodes, np.array(mates), BOTH)
    assert_close(together, alone[mates])


@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_the_size_of_a_block_does_not_show(monkeypatch: pytest.MonkeyPatch, size: int):
    heads, episodes = night(4)
    whole = rows_of(heads, episodes, np.arange(12), BOTH)
    monkeypatch.setattr("synthhealth.generators.vae.wake.PATIENTS_A_BLOCK", size)
    assert_close(rows_of(heads, episodes, np.arange(12), BOTH), whole)


@pytest.mark.parametrize("most", [1, 20, 10**6])
def test_blocks_hold_everybody_in_order_and_no_more_padding_than_memory_allows(
    monkeypatch: pytest.MonkeyPatch, most: int
):
    _, episodes = night(5, n=40)
    monkeypatch.setattr("synthhealth.generators.vae.episodes.MOST_CELLS", most)
    rows = np.random.default_rng(0).permutation(40)[:33]
    blocks = list(episodes.blocks(rows, 10))
    assert np.array_equal(np.concatenate(blocks), rows)
    long = np.bincount(episodes.draws.record_owner, minlength=40)
    for block in blocks:
        assert 1 <= len(block) <= 10
        assert len(block) == 1 or len(block) * long[block].max() <= most
    if most == 10**6:
        assert [len(block) for block in blocks] == [10, 10, 10, 3]


def padded(table: torch.Tensor, more: int) -> torch.Tensor:
    """Further padding after the draws or records of every patient."""
    return torch.cat([table, torch.zeros(table.shape[0], more, *table.shape[2:], dtype=table.dtype)], dim=1)


def loss_and_slope(heads: Heads, batch: Batch) -> tuple[float, Floats]:
    decoder = EventDecoder(heads, **BOTH)
    loss = decoder(batch)
    loss.backward()
    return float(loss.detach()), torch.cat([one.grad.ravel() for one in decoder.parameters()]).numpy()


@pytest.mark.parametrize("more", [1, 7])
def test_padding_weighs_nothing(more: int):
    heads, episodes = night(2)
    batch = Batch.of(episodes, np.arange(12), heads.values)
    wider = replace(
        batch,
        panel=(*(padded(part, more) for part in batch.panel[:-1]), batch.panel[-1]),
        held=padded(batch.held, more),
        counts=padded(batch.counts, more),
        value=tuple(padded(part, more) for part in batch.value),
        bin=padded(batch.bin, more),
        real=padded(batch.real, more),
        missing=padded(batch.missing, more),
    )
    (loss, slope), (other, same) = loss_and_slope(heads, batch), loss_and_slope(heads, wider)
    assert other == pytest.approx(loss, rel=1e-12)
    assert np.allclose(same, slope, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("parts", PARTS)
def test_the_slope_is_that_of_the_loss(parts: dict[str, bool]):
    """Against finite differences of the summed likelihood, weight by weight."""
    heads, episodes = night(3, n=5)
    everyone = np.arange(5)
    slope = rows_of(heads, episodes, everyone, parts).sum(axis=0)
    decoder = EventDecoder(heads, **parts)
    batch = Batch.of(episodes, everyone, heads.values)
    place, step, rng = 0, 1e-5, np.random.default_rng(0)
    for one in decoder.parameters():
        flat = one.data.view(-1)
        for i in rng.choice(one.numel(), min(4, one.numel()), replace=False):
            with torch.no_grad():
                flat[i] += step
                up = float(decoder(batch))
                flat[i] -= 2 * step
                down = float(decoder(batch))
                flat[i] += step
            assert -(up - down) / (2 * step) == pytest.approx(slope[place + i], abs=1e-4)
        place += one.numel()
    assert place == len(slope)


def test_the_layers_logits_are_those_that_dreams_are_drawn_with():
    heads, episodes = night(6)
    batch = Batch.of(episodes, np.arange(12), heads.values)
    decoder = EventDecoder(heads, **BOTH)
    assert decoder.value is not None
    assert decoder.panel is not None
    with torch.no_grad():
        values, panels = decoder.value(*batch.value).numpy(), decoder.panel(*batch.panel).numpy()
    draws, chains = episodes.draws, episodes.chains
    table = context_logits(heads.values)
    level = np.minimum(chains.level[draws.record_owner, draws.test], LEVELS - 1)
    place = np.zeros(12, dtype=np.int64)
    for r, (owner, t) in enumerate(zip(draws.record_owner.tolist(), draws.test.tolist(), strict=True)):
        bins = int(heads.values.width[t])
        push = episodes.surprise[draws.draw[r], :t] @ heads.values.cross[t, :t]
        wanted = table[t, chains.last[r], level[r], :bins] + push * heads.values.tilt[t, :bins]
        assert np.allclose(values[owner, place[owner], :bins], wanted, atol=1e-9)
        place[owner] += 1
    head, inputs = heads.panels, episodes.panels
    logits = inputs.shared @ head.shared.T + inputs.prev * head.prev + inputs.ever * head.ever
    logits += inputs.bits @ head.bits.T + episodes.latent[draws.owner] @ head.loading.T
    assert np.allclose(panels[draws.owner, draws.index], logits, atol=1e-9)


def test_a_surprise_is_how_far_a_value_lies_from_what_its_past_says():
    heads, episodes = night(7)
    draws, chains = episodes.draws, episodes.chains
    table, tilt = context_logits(heads.values), heads.values.tilt
    wanted = np.zeros_like(episodes.surprise)
    for r, (owner, t) in enumerate(zip(draws.record_owner.tolist(), draws.test.tolist(), strict=True)):
        logits = table[t, chains.last[r], min(int(chains.level[owner, t]), LEVELS - 1)]
        chances = np.exp(logits - logits.max())
        wanted[draws.draw[r], t] = tilt[t, chains.bin[r]] - chances @ tilt[t] / chances.sum()
    assert np.allclose(episodes.surprise, wanted, atol=1e-9)


# --- real patients ------------------------------------------------------------------------------------------------


def real_episodes(cohort: Cohort, book: Codebook, heads: Heads) -> Episodes:
    draws = Draws.of(cohort, book.layout)
    size = np.bincount(draws.record_owner, minlength=len(cohort)) / np.maximum(draws.per_patient(), 1)
    latent = np.zeros((len(cohort), heads.panels.loading.shape[1]))
    return Episodes.of(
        draws, Chains.of(draws, book.tests), heads.values, panel_size=size, latent=latent, steps=heads.steps
    )


def assert_coupled(cohort: Cohort, gone: int, seed: int) -> None:
    """What the others bring to a private step is the same with and without the patient who goes."""
    rng = np.random.default_rng(seed)
    book = book_of(cohort.schema, rng)
    heads = heads_of(np.array([bins.count for bins in book.tests]), book.layout.steps, rng, latent=1)
    stay = np.delete(np.arange(len(cohort)), gone)
    whole, part = real_episodes(cohort, book, heads), real_episodes(cohort.take(stay), book, heads)
    mine = whole.draws.owner != gone
    for field in fields(whole.panels):
        assert np.array_equal(getattr(part.panels, field.name), getattr(whole.panels, field.name)[mine]), field.name
    assert np.array_equal(part.surprise, whole.surprise[mine])
    everyone = rows_of(heads, whole, np.arange(len(cohort)), BOTH)
    assert np.isfinite(everyone).all()
    assert_close(rows_of(heads, part, np.arange(len(stay)), BOTH), everyone[stay])


@settings(max_examples=15)
@given(st.data())
def test_what_others_bring_does_not_depend_on_a_patient(data: st.DataObject):
    schema = data.draw(schemas().filter(lambda one: len(one.tests) > 0))
    cohort = data.draw(cohorts(schema, min_patients=2, max_records=30))
    assert_coupled(cohort, data.draw(st.integers(0, len(cohort) - 1)), data.draw(st.integers(0, 2**32 - 1)))


@pytest.mark.parametrize("name", [name for name in ODD_SCHEMAS if "[tests." in ODD_SCHEMAS[name]])
def test_nor_in_strange_schemas(name: str):
    cohort = odd_cohort(name, 9, seed=3, records=10)
    assert_coupled(cohort, int(cohort.records_per_patient().argmax()), 0)


def test_patients_without_records_bring_nothing():
    cohort = odd_cohort("one test", 6)
    bare = replace(cohort, records=cohort.records.keep(np.zeros(len(cohort.records), dtype=bool)))
    rng = np.random.default_rng(0)
    book = book_of(cohort.schema, rng)
    heads = heads_of(np.array([bins.count for bins in book.tests]), book.layout.steps, rng)
    assert (rows_of(heads, real_episodes(bare, book, heads), np.arange(6), BOTH) == 0).all()
    assert list(gradient_blocks(heads, real_episodes(bare, book, heads), np.arange(0), **BOTH)) == []


def test_bins_that_a_test_lacks_learn_nothing():
    heads, episodes = night(9)
    found = rows_of(heads, episodes, np.arange(12), {"panels": False, "values": True})
    bias = np.concatenate([np.ravel(np.arange(VALUE_BINS) >= heads.values.width[:, None])])
    assert np.abs(found[:, : bias.size][:, bias]).max() < 1e-9
