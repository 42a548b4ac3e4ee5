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

from privacy.blocks import blocks_of
from privacy.cohort import Cohort
from privacy.lattice import ROW_ERROR
from synthhealth.encoding.draws import Draws
from synthhealth.generators.events.chains import LEVELS, Chains
from synthhealth.generators.events.dream import Heads, context_logits, dream, surprises
from synthhealth.generators.events.panel_moments import PanelInputs
from synthhealth.generators.events.panels import USUAL
from synthhealth.generators.vae.episodes import Batch, Batches, Episodes
from synthhealth.generators.vae.wake import EventDecoder, patient_gradients

Floats = NDArray[np.float64]
BY_DRAW = [field.name for field in fields(PanelInputs) if field.name != "order"]
Places = NDArray[np.int64]
WIDTH = np.array([12, 2, 5])
EITHER = pytest.mark.parametrize("ties", [False, True])
pytestmark = pytest.mark.usefixtures("one_thread")


def night(seed: int, *, n: int = 12, latent: int = 2) -> tuple[Heads, Episodes]:
    """Dreamt patients and the weights of another night, so that no gradient is small."""
    rng = np.random.default_rng(seed)
    heads = heads_of(WIDTH, 30, rng, latent=latent)
    sketch = sketch_of(n, heads, rng)
    dreamt = dream(sketch, heads, rng)
    others = heads_of(WIDTH, 30, rng, latent=latent)
    return others, Episodes.dreamt(sketch, dreamt, others)


def only(episodes: Episodes, rows: Places) -> Episodes:
    """The patients at `rows`, in that order, as if there were no others."""
    draws, chains = episodes.draws, episodes.chains
    mine = np.concatenate([np.flatnonzero(draws.owner == row) for row in rows])
    records = np.concatenate([np.flatnonzero(draws.record_owner == row) for row in rows])
    place = np.argsort(rows)[np.searchsorted(np.sort(rows), draws.owner[mine])]
    sizes = draws.bits[mine].sum(axis=1)
    return Episodes(
        draws=Draws(
            patients=len(rows),
            owner=place,
            step=draws.step[mine],
            index=draws.index[mine],
            bits=draws.bits[mine],
            draw=np.repeat(np.arange(len(mine)), sizes),
            test=draws.test[records],
            cell=draws.cell[records],
        ),
        chains=Chains(bin=chains.bin[records], last=chains.last[records], level=chains.level[rows]),
        panels=replace(episodes.panels, **{name: getattr(episodes.panels, name)[mine] for name in BY_DRAW}),
        latent=episodes.latent[rows],
    )


def plain_gradient(heads: Heads, episodes: Episodes, patient: int, *, ties: bool) -> Floats:
    """The ascent direction of one patient's likelihood by torch alone, nothing of Opacus in it."""
    decoder = EventDecoder(heads, ties=ties)
    decoder(Batches(episodes, heads, ties=ties).of(np.array([patient]))).backward()
    taken = [one for one in decoder.parameters() if one.requires_grad]
    return -torch.cat([(torch.zeros_like(one) if one.grad is None else one.grad).ravel() for one in taken]).numpy()


def assert_close(found: Floats, wanted: Floats) -> None:
    """Each row within the error that the clipping of a sum allows for, relative to its length."""
    length = np.linalg.norm(wanted, axis=-1)
    assert (np.linalg.norm(found - wanted, axis=-1) <= ROW_ERROR * np.maximum(length, 1.0)).all()


@EITHER
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_are_the_gradients_of_plain_torch_one_patient_at_a_time(seed: int, ties: bool):  # noqa: FBT001
    heads, episodes = night(seed)
    found = patient_gradients(heads, episodes, ties=ties)
    assert_close(found, np.stack([plain_gradient(heads, episodes, patient, ties=ties) for patient in range(12)]))
    assert np.linalg.norm(found, axis=1).max() > 1


@EITHER
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_a_row_does_not_depend_on_its_batch_mates(seed: int, data: st.DataObject, ties: bool):  # noqa: FBT001
    heads, episodes = night(seed, n=8)
    lone = np.concatenate([patient_gradients(heads, only(episodes, np.array([i])), ties=ties) for i in range(8)])
    mates = np.array(
        data.draw(st.permutations(range(8)).flatmap(lambda order: st.integers(1, 8).map(lambda k: order[:k])))
    )
    assert_close(patient_gradients(heads, only(episodes, mates), ties=ties), lone[mates])


@EITHER
@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_the_size_of_a_block_does_not_show(monkeypatch: pytest.MonkeyPatch, size: int, ties: bool):  # noqa: FBT001
    heads, episodes = night(4)
    whole = patient_gradients(heads, episodes, ties=ties)
    monkeypatch.setattr("synthhealth.generators.vae.episodes.PATIENTS_A_BLOCK", size)
    assert_close(patient_gradients(heads, episodes, ties=ties), whole)


@pytest.mark.parametrize("most", [1, 20, 10**6])
def test_blocks_hold_everybody_once_and_no_more_padding_than_memory_allows(monkeypatch: pytest.MonkeyPatch, most: int):
    _, episodes = night(5, n=40)
    monkeypatch.setattr("synthhealth.generators.vae.episodes.MOST_DRAWS", most)
    monkeypatch.setattr("synthhealth.generators.vae.episodes.PATIENTS_A_BLOCK", 15)
    blocks = list(episodes.blocks())
    assert np.array_equal(np.sort(np.concatenate(blocks)), np.arange(40))
    count = episodes.draws.per_patient()
    for block in blocks:
        assert 1 <= len(block) <= 15
        assert len(block) == 1 or len(block) * count[block].max() <= most
    if most == 10**6:
        assert [len(block) for block in blocks] == [15, 15, 10]


def padded(table: torch.Tensor, more: int) -> torch.Tensor:
    """Further padding after the draws or records of every patient."""
    return torch.cat([table, torch.zeros(table.shape[0], more, *table.shape[2:], dtype=table.dtype)], dim=1)


def loss_and_slope(heads: Heads, batch: Batch) -> tuple[float, Floats]:
    decoder = EventDecoder(heads, ties=True).requires_grad_(True)  # torch's own
    loss = decoder(batch)
    loss.backward()
    return float(loss.detach()), torch.cat([one.grad.ravel() for one in decoder.parameters()]).numpy()


@pytest.mark.parametrize("more", [1, 7])
def test_padding_weighs_nothing(more: int):
    heads, episodes = night(2)
    batch = Batches(episodes, heads, ties=True).of(np.arange(12))
    values = batch.values
    assert values is not None
    depth, tests = batch.held.shape[1:]
    patient, rest = torch.div(values.at, depth * tests, rounding_mode="floor"), values.at % (depth * tests)
    wider = replace(
        batch,
        panel=(
            *(padded(part, more) for part in batch.panel[:5]),
            batch.panel[5],
            padded(batch.panel[6], more),
            batch.panel[7],
        ),
        held=padded(batch.held, more),
        counts=padded(batch.counts, more),
        values=replace(values, surprise=padded(values.surprise, more), at=patient * (depth + more) * tests + rest),
    )
    (loss, slope), (other, same) = loss_and_slope(heads, batch), loss_and_slope(heads, wider)
    assert other == pytest.approx(loss, rel=1e-12)
    assert np.allclose(same, slope, rtol=1e-10, atol=1e-10)


@EITHER
def test_the_slope_is_that_of_the_loss(ties: bool):  # noqa: FBT001
    """Against finite differences of the summed likelihood, weight by weight."""
    heads, episodes = night(3, n=5)
    slope = patient_gradients(heads, episodes, ties=ties).sum(axis=0)
    decoder = EventDecoder(heads, ties=ties)
    batch = Batches(episodes, heads, ties=ties).of(np.arange(5))
    place, step, rng = 0, 1e-5, np.random.default_rng(0)
    for one in decoder.parameters():
        if not one.requires_grad:
            continue
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
    batch = Batches(episodes, heads, ties=True).of(np.arange(12))
    decoder, values = EventDecoder(heads, ties=True), batch.values
    assert decoder.cross is not None
    assert values is not None
    with torch.no_grad():
        tilts, panels = decoder.cross(values.surprise), decoder.panel(*batch.panel).numpy()
        logits = (values.logits + tilts.flatten()[values.at][:, None] * values.tilt).numpy()
    draws, chains, table = episodes.draws, episodes.chains, context_logits(heads.values)
    surprise = surprises(draws, chains, heads.values)
    level = np.minimum(chains.level[draws.record_owner, draws.test], LEVELS - 1)
    for r, t in enumerate(draws.test.tolist()):
        bins = int(heads.values.width[t])
        push = surprise[draws.draw[r], :t] @ heads.values.cross[t, :t]
        wanted = table[t, chains.last[r], level[r], :bins] + push * heads.values.tilt[t, :bins]
        assert np.allclose(logits[r, :bins], wanted, atol=1e-9)
        assert (logits[r, bins:] < -1e8).all()  # bins that the test lacks
    head, inputs = heads.panels, episodes.panels
    usual = (USUAL[chains.level[draws.owner]] * head.again).sum(axis=-1)
    logits = inputs.shared @ head.shared.T + inputs.prev * head.prev + inputs.ever * (head.ever + usual)
    logits += (
        inputs.none * head.none
        + inputs.room * head.room
        + inputs.bits @ head.bits.T
        + episodes.latent[draws.owner] @ head.loading.T
    )
    assert np.allclose(panels[draws.owner, draws.index], logits, atol=1e-9)


def test_a_surprise_is_how_far_a_value_lies_from_what_its_past_says():
    heads, episodes = night(7)
    draws, chains = episodes.draws, episodes.chains
    table, tilt = context_logits(heads.values), heads.values.tilt
    wanted = np.zeros(draws.bits.shape)
    for r, (owner, t) in enumerate(zip(draws.record_owner.tolist(), draws.test.tolist(), strict=True)):
        logits = table[t, chains.last[r], min(int(chains.level[owner, t]), LEVELS - 1)]
        chances = np.exp(logits - logits.max())
        wanted[draws.draw[r], t] = tilt[t, chains.bin[r]] - chances @ tilt[t] / chances.sum()
    assert np.allclose(surprises(draws, chains, heads.values), wanted, atol=1e-9)


# --- real patients ------------------------------------------------------------------------------------------------


def assert_coupled(cohort: Cohort, gone: int, seed: int) -> None:
    """What the others bring to a private step is the same with and without the patient who goes."""
    rng = np.random.default_rng(seed)
    book = book_of(cohort.schema, rng)
    heads = heads_of(np.array([bins.count for bins in book.tests]), book.layout.steps, rng, latent=1)
    stay = np.delete(np.arange(len(cohort)), gone)
    whole, part = (Episodes.real(one, book, latent=1, order=heads.panels.order) for one in (cohort, cohort.take(stay)))
    mine = whole.draws.owner != gone
    for name in BY_DRAW:
        assert np.array_equal(getattr(part.panels, name), getattr(whole.panels, name)[mine]), name
    for ties in (False, True):
        everyone = patient_gradients(heads, whole, ties=ties)
        assert np.isfinite(everyone).all()
        assert_close(patient_gradients(heads, part, ties=ties), everyone[stay])
        # nor does it depend on who is read in one go
        pieces = [
            Episodes.real(block, book, latent=1, order=heads.panels.order) for block in blocks_of(cohort, stay, 2)
        ]
        assert_close(np.concatenate([patient_gradients(heads, one, ties=ties) for one in pieces]), everyone[stay])


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
    for ties in (False, True):
        assert (
            patient_gradients(heads, Episodes.real(bare, book, latent=0, order=heads.panels.order), ties=ties) == 0
        ).all()
    nobody = Episodes.real(cohort.take(np.arange(0)), book, latent=0, order=heads.panels.order)
    assert len(patient_gradients(heads, nobody, ties=False)) == 0
