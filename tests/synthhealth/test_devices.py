"""Gradients go where they are told to, all of their tensors together; a card that is not there is refused before cost.

No card was there when these were written. Torch's `meta` device has shapes and no numbers: what goes through on it,
with no operation that mixes it with the processor, keeps to one device.
"""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Command
from tiny_project import CONFIG, lay_out
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.errors import ConfigError
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan
from privacy.randomness import public
from synthhealth.encoding.layout import Layout
from synthhealth.engines import make_engine
from synthhealth.generators.bookkeeping import Bookkeeper, backprops
from synthhealth.generators.device import require_device
from synthhealth.generators.dpsgd.encoded import Encoded
from synthhealth.generators.dpsgd.ground import Ground
from synthhealth.generators.dpsgd.learning import Lesson, patient_gradients
from synthhealth.generators.dpsgd.network import Network, device_of, gradient_of, set_weights, weights_of
from synthhealth.generators.first_looks import first_looks
from synthhealth.generators.layer_parts import part_of
from synthhealth.generators.looks import ExactLooks
from synthhealth.generators.protocol import EngineName, quiet
from synthhealth.generators.simulator import simulate

N = 60
BUDGET = Budget(epsilon=8.0, delta=1e-5)
ROWS = np.arange(24)
a_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no graphics card here")


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return simulate(N, 3, cohort_size=N)


@pytest.fixture(scope="module")
def ground(cohort: Cohort) -> Ground:
    return Ground.of(first_looks(ExactLooks(rows=cohort), Layout.of(cohort.schema)))


@pytest.fixture
def lesson(cohort: Cohort, ground: Ground) -> Lesson:
    network = Network(ground, public(1, "test"))
    weights = weights_of(network)
    set_weights(network, weights + 0.1 * public(2, "test").normal(size=len(weights)))
    return Lesson(network, ground, Encoded.of(cohort, ground), cohort.ids, b"k" * 32)


class OneDevice(TorchDispatchMode):
    """Breaks at the first operation, forward or backward, whose tensors are on more than one device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        flat = tree_leaves((args, kwargs))
        devices = {one.device.type for one in flat if isinstance(one, torch.Tensor) and one.dim() > 0}
        if len(devices) > 1:
            raise RuntimeError(f"{func} mixes {sorted(devices)}")
        return func(*args, **({} if kwargs is None else kwargs))


def losses(lesson: Lesson) -> torch.Tensor:
    told: torch.Tensor = lesson.network(*lesson.inputs(ROWS, 5))
    return told


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


# --- placement ----------------------------------------------------------------------------------------------------


def test_forward_and_backward_keep_to_the_networks_device(lesson: Lesson):
    lesson.network.to("meta")
    with OneDevice():
        total = losses(lesson)
        total.sum().backward()
    assert total.device.type == "meta"
    moved = [parameter for parameter in lesson.network.parameters() if parameter.requires_grad]
    assert {parameter.grad.device.type for parameter in moved if parameter.grad is not None} == {"meta"}
    assert all(parameter.grad is not None for parameter in moved)


def test_lengths_and_sums_of_kept_gradients_keep_to_it_too(lesson: Lesson):
    lesson.network.to("meta")
    books = Bookkeeper(lesson.network)
    with OneDevice(), books._listening() as calls:
        returned = backprops(losses(lesson), [call.output for call in calls])
    factors, lost = (torch.zeros(len(ROWS), dtype=kind, device="meta") for kind in (torch.float64, torch.bool))
    used = [(call, back) for call, back in zip(calls, returned, strict=True) if back is not None]
    assert len(used) > 5
    with OneDevice():
        for call, back in used:
            part = part_of(call.layer, call.inputs, back)
            numbers = [*part.measured(), *part.weighted(factors), *part.without(lost).weighted(factors)]
            assert {one.device.type for one in numbers} == {"meta"}


LEFT = ("encoder.tilt", "events.tilt", "events.basis", "events.value_base", "events.panel_link.mask", "row.table_0")


@pytest.mark.parametrize("name", [*LEFT, "row.base", "row.earlier.mask", "row.earlier.weight"])
def test_a_tensor_left_behind_would_be_noticed(lesson: Lesson, name: str):
    place, _, mine = name.rpartition(".")
    layer = lesson.network.get_submodule(place)
    tables = layer._parameters if mine in layer._parameters else layer._buffers
    behind = copy(tables[mine])
    lesson.network.to("meta")
    tables[mine] = behind
    with pytest.raises(RuntimeError, match="meta"), OneDevice():
        losses(lesson)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_card")
@pytest.mark.parametrize("engine", ["vae-dpsgd", "vae-nonprivate"])
def test_a_card_that_is_not_there_is_refused_before_anything_is_paid(cohort: Cohort, engine: EngineName):
    made = make_engine(engine, cohort.schema, BUDGET, cohort_size=N, seed=0, device="cuda")
    ledger = Ledger(Plan(budget=BUDGET, charges=made.charges(2.0), cohort_size=N))
    with pytest.raises(ConfigError, match=r"device 'cuda' must be a graphics card .* to fix: leave `device` out"):
        made.fit(Gate(cohort, ledger), quiet)
    assert not ledger.exposed
    assert ledger.to_json()["charges"] == Ledger(ledger.plan).to_json()["charges"]


@pytest.mark.parametrize("engine", ["vae", "marginal"])
def test_engines_of_few_gradients_have_no_use_for_a_card(cohort: Cohort, engine: EngineName):
    with pytest.raises(ConfigError, match="must be asked for with engine 'vae-dpsgd'"):
        make_engine(engine, cohort.schema, BUDGET, cohort_size=N, seed=0, device="cuda")


def test_processes_do_not_share_a_card(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    require_device("cuda")
    with pytest.raises(ConfigError, match="must be used by one process; got 2 of torchrun"):
        require_device("cuda", processes=2)
    require_device("cpu", processes=2)


@pytest.mark.usefixtures("no_card")
@pytest.mark.parametrize(("setting", "option"), [("", ["--device", "cuda"]), ('\ndevice = "cuda"', [])])
def test_the_command_line_refuses_it_and_touches_nothing(
    setting: str, option: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = lay_out(tmp_path, config=CONFIG.replace('"marginal"', '"vae-dpsgd"' + setting))
    answer = Command(monkeypatch, capsys)("fit", "--config", config, *option)
    assert answer.code == 2
    assert "must be a graphics card" in " ".join(answer.err.split())
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "ledger.jsonl").exists()


def test_the_device_is_no_part_of_what_a_fit_depends_on():
    from synthhealth.config import Config

    config = Config.parse(CONFIG)
    assert config.on(None) == config
    assert config.on("cuda").generator.device == "cuda"
    assert config.on("cuda").on("cpu") == config


# --- on a card ----------------------------------------------------------------------------------------------------


@a_card
def test_a_card_gives_the_same_gradients(lesson: Lesson):
    factors = public(3, "test").random(len(ROWS))
    told = []
    for device in ("cpu", "cuda"):
        lesson.network.to(device)
        assert device_of(lesson.network).type == device
        (block, *more) = patient_gradients(Bookkeeper(lesson.network), lesson, ROWS, 5)
        losses(lesson).sum().backward()
        told.append((block.lengths, block.weighted(factors[: len(block)]), gradient_of(lesson.network), len(more)))
        lesson.network.zero_grad()
    for here, there in zip(*told, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-9, atol=1e-12)


@a_card
@pytest.mark.parametrize("engine", ["vae-dpsgd", "vae-nonprivate"])
def test_a_model_learnt_on_a_card_is_drawn_from_on_the_processor(cohort: Cohort, engine: EngineName):
    made = make_engine(engine, cohort.schema, BUDGET, cohort_size=N, seed=0, device="cuda")
    model = made.fit(Gate(cohort, Ledger(Plan(budget=BUDGET, charges=made.charges(2.0), cohort_size=N))), quiet)
    assert all(isinstance(array, np.ndarray) for array in model.state().arrays.values())
    assert model.sample(20, 1).ids.tolist() == model.sample(20, 1).ids.tolist()
