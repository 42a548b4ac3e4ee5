"""The autoencoder's loss and gradients belong to one patient each, and are what plain autograd says they are."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from kept_rows import written
from numpy.typing import NDArray
from opacus import GradSampleModule
from opacus.validators import ModuleValidator
from torch import nn

from privacy.cohort import Cohort
from privacy.lattice import ROW_ERROR
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.encoding.draws import Draws
from synthhealth.encoding.layout import Layout
from synthhealth.generators.bookkeeping import Bookkeeper
from synthhealth.generators.dpsgd.batch import CELLS_A_BLOCK, PATIENTS_A_BLOCK, Batch, blocks_of
from synthhealth.generators.dpsgd.chance import latent_chance
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.learning import Lesson, patient_gradients
from synthhealth.generators.dpsgd.masked import MaskedLinear
from synthhealth.generators.dpsgd.network import LATENT, Network, gradient_of, learnt, set_weights, weights_of
from synthhealth.generators.events.chains import LEVELS, VALUE_BINS
from synthhealth.generators.first_looks import first_looks
from synthhealth.generators.looks import ExactLooks
from synthhealth.generators.simulator import simulate

KEY = b"k" * 32
Floats = NDArray[np.float64]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Sixty simulated patients, and two of them without a record."""
    whole = simulate(60, 3, cohort_size=60)
    mine = whole.records.keep(~np.isin(whole.records.owner, [0, 17]))
    return Cohort(schema=whole.schema, patients=whole.patients, records=mine)


@pytest.fixture(scope="module")
def ground(cohort: Cohort) -> Ground:
    return Ground.of(first_looks(ExactLooks(rows=cohort), Layout.of(cohort.schema)))


def network_of(ground: Ground) -> Network:
    """A network away from its start, so that no gradient vanishes."""
    network = Network(ground, public(1, "test"))
    weights = weights_of(network)
    set_weights(network, weights + 0.1 * public(2, "test").normal(size=len(weights)))
    return network


def lesson_of(network: Network, ground: Ground, cohort: Cohort) -> Lesson:
    return Lesson(network, ground, Encoded.of(cohort, ground), cohort.ids, KEY)


def rows_of(network: Network, ground: Ground, cohort: Cohort, rows: NDArray[np.int64]) -> Floats:
    """Per-patient gradients in the order of `rows`."""
    lesson = lesson_of(network, ground, cohort)
    order = np.concatenate(list(blocks_of(lesson.encoded, rows)))
    table = np.concatenate([written(block) for block in patient_gradients(Bookkeeper(network), lesson, rows, 5)])
    return table[np.argsort(order)][np.argsort(np.argsort(rows))]


# --- what a patient is in numbers ---------------------------------------------------------------------------------


def test_a_patient_is_encoded_alone(cohort: Cohort, ground: Ground):
    """Coupling: every number of the others is the same with and without a patient."""
    whole = Encoded.of(cohort, ground)
    for gone in (0, 5, 59):
        stay = np.delete(np.arange(60), gone)
        less = Encoded.of(cohort.take(stay), ground)
        draws = np.concatenate([np.arange(whole.start[i], whole.start[i + 1]) for i in stay])
        assert np.array_equal(less.codes, whole.codes[stay])
        for name in ("step", "value", "last"):
            assert np.array_equal(getattr(less, name), getattr(whole, name)[draws])


def test_draws_hold_every_record_and_the_value_before(cohort: Cohort, ground: Ground):
    encoded = Encoded.of(cohort, ground)
    draws = Draws.of(cohort, ground.book.layout)
    assert encoded.draws.tolist() == np.bincount(draws.owner, minlength=60).tolist()
    assert encoded.draws[0] == encoded.draws[17] == 0
    assert (encoded.value < VALUE_BINS).sum() == len(draws.draw)
    for patient in range(60):
        known = np.full(ground.tests, VALUE_BINS)
        for place in range(encoded.start[patient], encoded.start[patient + 1]):
            assert np.array_equal(encoded.last[place], known)
            known = np.where(encoded.value[place] < VALUE_BINS, encoded.value[place], known)


def test_levels_agree_with_what_was_measured(cohort: Cohort, ground: Ground):
    batch = Batch.of(Encoded.of(cohort, ground), np.arange(60), ground)
    ever = batch.bits.sum(dim=1) > 0
    assert torch.equal(ever, batch.measured > 0)
    assert int(batch.level.max()) < LEVELS


def test_a_batch_is_its_patients_and_padding(cohort: Cohort, ground: Ground):
    encoded = Encoded.of(cohort, ground)
    rows = np.array([4, 17, 33, 2])
    together = Batch.of(encoded, rows, ground)
    for place, row in enumerate(rows):
        alone = Batch.of(encoded, rows[place : place + 1], ground)
        depth = int(encoded.draws[row])
        assert together.present[place].sum() == depth
        for field in fields(Batch):
            mine, own = getattr(together, field.name)[place], getattr(alone, field.name)[0]
            if mine.shape != own.shape or field.name in ("present", "gap", "time", "gap_base"):
                mine, own = mine[:depth], own[:depth]
            assert torch.equal(mine, own), field.name


def test_blocks_hold_each_patient_once_and_stay_small(cohort: Cohort, ground: Ground):
    encoded = Encoded.of(cohort, ground)
    rows = np.array([9, 3, 17, 58, 20, 21])
    blocks = list(blocks_of(encoded, rows))
    assert sorted(np.concatenate(blocks).tolist()) == sorted(rows.tolist())
    everybody = list(blocks_of(encoded, np.arange(60)))
    assert all(len(b) <= PATIENTS_A_BLOCK and len(b) * encoded.draws[b].max() <= CELLS_A_BLOCK for b in everybody)
    assert list(blocks_of(encoded, np.zeros(0, dtype=np.int64))) == []


def test_a_patient_with_a_longer_stay_than_a_block_is_a_block(ground: Ground):
    long = Encoded(
        codes=np.zeros((3, len(ground.shares)), dtype=np.int64),
        start=np.array([0, 5000, 5001, 11000]),
        step=np.zeros(11000, dtype=np.int64),
        value=np.zeros((11000, ground.tests), dtype=np.int8),
        last=np.zeros((11000, ground.tests), dtype=np.int8),
    )
    assert [block.tolist() for block in blocks_of(long, np.arange(3))] == [[1], [0], [2]]


# --- the chance behind the latent ----------------------------------------------------------------------------------


def test_chance_is_a_patients_own():
    ids = np.array([f"p{i}" for i in range(50)], dtype=object)
    whole = latent_chance(KEY, ids, step=3, size=LATENT)
    assert torch.equal(latent_chance(KEY, ids[[7, 2]], step=3, size=LATENT), whole[[7, 2]])
    assert not torch.equal(latent_chance(KEY, ids, step=4, size=LATENT), whole)
    assert not torch.equal(latent_chance(b"x" * 32, ids, step=3, size=LATENT), whole)


def test_chance_is_standard_normal():
    ids = np.array([f"p{i}" for i in range(4000)], dtype=object)
    drawn = torch.cat([latent_chance(KEY, ids, step=step, size=LATENT) for step in (0, 1)]).numpy()
    assert abs(drawn.mean()) < 0.015
    assert abs(drawn.std() - 1) < 0.015
    assert abs(np.corrcoef(drawn.T) - np.eye(LATENT)).max() < 0.06
    assert abs(np.corrcoef(drawn[:4000].ravel(), drawn[4000:].ravel())[0, 1]) < 0.03


# --- gradients --------------------------------------------------------------------------------------------------


def test_only_layers_that_never_mix_patients(ground: Ground):
    network = network_of(ground)
    assert ModuleValidator.validate(network) == []
    kinds = {type(module) for module in network.modules() if not list(module.children())}
    assert kinds <= {nn.Linear, nn.Embedding, MaskedLinear}
    assert all(parameter.dtype == torch.float64 for parameter in network.parameters())


def test_size_of_the_network(ground: Ground):
    assert 20_000 < len(weights_of(network_of(ground))) < 60_000


def test_gradients_equal_plain_autograd_patient_by_patient(cohort: Cohort, ground: Ground):
    network, rows = network_of(ground), np.array([0, 3, 8, 17, 30, 59])
    got = rows_of(network, ground, cohort, rows)
    lesson = lesson_of(network, ground, cohort)
    for place, row in enumerate(rows):
        network.zero_grad()
        network(*lesson.inputs(rows[place : place + 1], 5)).sum().backward()
        wanted = gradient_of(network)
        scale = np.linalg.norm(wanted)
        assert scale > 0.1, row
        assert np.linalg.norm(got[place] - wanted) < 1e-12 * scale


def test_a_patients_gradient_does_not_depend_on_batch_mates(cohort: Cohort, ground: Ground):
    """The distance that remains is rounding, far below what the lattice allows for."""
    network = network_of(ground)
    together = rows_of(network, ground, cohort, np.arange(60))
    for mates in ([4], [4, 33], [4, 0, 17], list(range(4, 60, 5))):
        rows = np.array(mates)
        apart = rows_of(network, ground, cohort, rows) - together[rows]
        assert (np.linalg.norm(apart, axis=1) < 0.05 * ROW_ERROR * np.linalg.norm(together[rows], axis=1)).all()


def test_every_learnt_weight_has_a_gradient(cohort: Cohort, ground: Ground):
    network = network_of(ground)
    total = np.abs(rows_of(network, ground, cohort, np.arange(60))).sum(axis=0)
    cuts = np.cumsum([parameter.numel() for parameter in learnt(network)])[:-1]
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    for name, piece in zip(names, np.split(total, cuts), strict=True):
        assert piece.max() > 0, name


def test_masked_weights_have_neither_effect_nor_gradient():
    mask = torch.ones(3, 3, dtype=torch.float64).tril(-1)
    layer = MaskedLinear(mask)
    layer.weight.data.fill_(7.0)
    x = torch.ones(4, 2, 3, dtype=torch.float64, requires_grad=True)
    wrapped = GradSampleModule(layer, loss_reduction="sum", strict=False)  # a mask is a buffer
    out = wrapped(x)
    assert torch.equal(out[..., 0], torch.zeros(4, 2, dtype=torch.float64))
    (out * torch.arange(4.0)[:, None, None]).sum().backward()
    rows = layer.weight.grad_sample
    assert torch.equal(rows, 2 * torch.arange(4.0, dtype=torch.float64)[:, None, None] * mask)
    assert torch.equal(rows.sum(dim=0), layer.weight.grad)


# --- the model -----------------------------------------------------------------------------------------------------


def test_losses_are_finite_also_for_extreme_weights(cohort: Cohort, ground: Ground):
    network = network_of(ground)
    lesson = lesson_of(network, ground, cohort)
    set_weights(network, weights_of(network) * 50)
    losses = network(*lesson.inputs(np.arange(60), 0))
    assert losses.shape == (60,)
    assert torch.isfinite(losses).all()


def test_at_the_start_rows_have_the_base_rates(cohort: Cohort, ground: Ground):
    network = Network(ground, public(0, "start"))
    codes, _ = network.row.sample(torch.zeros(4000, 48, dtype=torch.float64), public(0, "rows"))
    for j, share in enumerate(ground.shares):
        seen = np.bincount(codes[:, j].numpy(), minlength=len(share)) / 4000
        assert 0.5 * np.abs(seen - share).sum() < 0.06
    del cohort


def test_the_row_decoder_looks_back_only(ground: Ground, cohort: Cohort):
    """Changing column j moves the logits of no column up to j."""
    network = network_of(ground)
    encoded = Encoded.of(cohort, ground)
    scores = ground.scored(encoded.codes)
    hidden = torch.zeros(60, 48, dtype=torch.float64)
    before = network.row.latent(hidden) + network.row.earlier(torch.from_numpy(scores))
    cuts = ground.score_cuts
    for j in (0, 4, len(ground.shares) - 1):
        changed = scores.copy()
        changed[:, cuts[j] : cuts[j + 1]] += 1.0
        after = network.row.latent(hidden) + network.row.earlier(torch.from_numpy(changed))
        moved = (before != after).any(dim=0).numpy()
        assert not moved[: cuts[j + 1]].any()
        assert j == len(ground.shares) - 1 or moved[cuts[j + 1] :].all()


def test_the_latent_reaches_rows_and_draws(cohort: Cohort, ground: Ground):
    network = network_of(ground)
    batch, chance = lesson_of(network, ground, cohort).inputs(np.arange(1, 9), 0)
    assert network.events is not None
    one, two = (network.hidden(chance + shift) for shift in (0.0, 1.0))
    assert (network.row(one, batch) != network.row(two, batch)).all()
    assert (network.events(one, batch) != network.events(two, batch)).all()


def test_starting_weights_follow_the_seed(ground: Ground):
    state = torch.random.get_rng_state()
    same = [weights_of(Network(ground, public(seed, "x"))) for seed in (1, 1, 2)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(same[0], same[2])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_schema_without_tests_has_a_network(cohort: Cohort):
    bare = Schema.model_validate(cohort.schema.model_dump() | {"tests": {}, "end_of_followup": None})
    rows = Cohort(
        schema=bare, patients=cohort.patients, records=cohort.records.keep(np.zeros(len(cohort.records), dtype=bool))
    )
    ground = Ground.of(first_looks(ExactLooks(rows=rows), Layout.of(bare)))
    network = network_of(ground)
    assert network.events is None
    table = rows_of(network, ground, rows, np.arange(10))
    assert np.isfinite(table).all()
    assert (np.linalg.norm(table, axis=1) > 0).all()
