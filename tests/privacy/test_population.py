"""A population's account adds releases up, refuses past its ceiling, and holds through rivals and kills."""

import json
import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from small_world import charge, plan_of

from privacy import chain as chain_module
from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.errors import BudgetError, CheckError, ConfigError
from privacy.events import DiscreteLaplace, Gaussian, SampledGaussian
from privacy.ledger import Ledger
from privacy.plan import Plan
from privacy.population import Population

# a child only reserves, and touches none of the parent's threads, of which newer Pythons warn
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
CEILING = Budget(epsilon=3.0, delta=1e-6)
FORK = multiprocessing.get_context("fork")
RELEASE = plan_of({"tables": Gaussian(noise_multiplier=4.0), "patients": DiscreteLaplace(scale=100.0)}, epsilon=2.0)
SMALL = plan_of({"tables": Gaussian(noise_multiplier=40.0)}, epsilon=1.0)


@pytest.fixture
def people(tmp_path: Path) -> Population:
    return Population(path=tmp_path / "ledger.jsonl", population_id="icu", ceiling=CEILING)


def test_a_population_that_was_never_used_has_spent_nothing(people: Population):
    standing = people.standing()
    assert (standing.spent, standing.remaining, standing.runs) == (0.0, 3.0, ())


def test_releases_compose_for_less_than_their_sum(people: Population):
    for run in ("one", "two", "three"):
        people.reserve(run, RELEASE)
    standing = people.standing()
    assert standing.spent == pytest.approx(epsilon_of(RELEASE.events * 3, 1e-6))
    assert standing.spent < 3 * epsilon_of(RELEASE.events, 1e-6)
    assert standing.remaining == pytest.approx(3.0 - standing.spent)


def test_the_ceiling_refuses_with_the_numbers_and_leaves_no_trace(people: Population):
    granted = next(k for k in range(1, 99) if epsilon_of(RELEASE.events * (k + 1), 1e-6) > 3.0)
    for run in range(granted):
        people.reserve(str(run), RELEASE)
    before = people.path.read_bytes()
    with pytest.raises(
        BudgetError, match=r"spent by population 'icu', .*requested 0\.\d+, remaining 0\.\d+, difference 0\."
    ):
        people.reserve("more", RELEASE)
    assert people.path.read_bytes() == before
    assert people.standing().spent <= 3.0
    people.reserve("less", SMALL)


def test_one_run_above_the_ceiling_is_refused(people: Population):
    with pytest.raises(BudgetError, match="requested"):
        people.reserve("big", plan_of({"all": Gaussian(noise_multiplier=1.0)}))
    assert people.standing().runs == ()


def test_a_ledger_reserves_the_whole_plan_before_its_first_spend(people: Population):
    ledger = Ledger(RELEASE, people, run_id="r1")
    assert [run.run_id for run in people.standing().runs] == ["r1"]
    assert people.standing().runs[0].events == RELEASE.events
    assert ledger.entries == ()


def test_runs_are_charged_whatever_becomes_of_them(people: Population):
    for run in ("kept", "broken", "lost"):
        people.reserve(run, RELEASE)
    spent = people.standing().spent
    people.finish("kept")
    people.abort("broken")
    standing = people.standing()
    assert {run.run_id: run.state for run in standing.runs} == {
        "kept": "finished",
        "broken": "aborted",
        "lost": "reserved",
    }
    assert standing.spent == spent


def test_a_run_is_named_once_and_closed_once(people: Population):
    people.reserve("r", SMALL)
    with pytest.raises(ConfigError, match="run_id 'r' must be new"):
        people.reserve("r", SMALL)
    people.finish("r")
    for close in (people.finish, people.abort):
        with pytest.raises(ConfigError, match="reserved and not yet closed"):
            close("r")
    with pytest.raises(ConfigError, match="reserved and not yet closed"):
        people.abort("never")


def test_extracting_the_data_again_does_not_reset_the_account(people: Population):
    people.reserve("r", RELEASE)
    again = Population(path=people.path, population_id="icu", ceiling=CEILING)
    assert again.standing().spent == people.standing().spent > 0
    with pytest.raises(ConfigError, match="must belong to population 'ward'; got 'icu'"):
        Population(path=people.path, population_id="ward", ceiling=CEILING).reserve("s", SMALL)


def test_another_ceiling_takes_a_written_decision(people: Population):
    people.reserve("r", RELEASE)
    higher = Budget(epsilon=9.0, delta=1e-6)
    with pytest.raises(ConfigError, match="raise_ceiling"):
        Population(path=people.path, population_id="icu", ceiling=higher).standing()
    raised = people.raise_ceiling(higher, reason="board decision 7")
    assert raised.standing().ceiling == higher
    assert "board decision 7" in people.path.read_text(encoding="ascii")
    with pytest.raises(ConfigError, match="must be the written one"):
        people.standing()
    for run in range(8):
        raised.reserve(str(run), RELEASE)
    assert 3.0 < raised.standing().spent <= 9.0


def test_subsampled_training_comes_back_from_the_file(people: Population):
    training = plan_of({"t": SampledGaussian(noise_multiplier=2.0, sample_rate=0.01, steps=50)}, epsilon=1.0)
    people.reserve("r", training)
    assert people.standing().runs[0].events == training.events


def test_a_changed_charge_shows(people: Population):
    people.reserve("r", RELEASE)
    people.reserve("s", RELEASE)
    people.path.write_text(people.path.read_text().replace('"noise_multiplier":4.0', '"noise_multiplier":9.0', 1))
    with pytest.raises(CheckError, match="to fix"):
        people.standing()
    with pytest.raises(CheckError, match="to fix"):
        people.reserve("t", SMALL)


def test_the_head_is_signed_with_the_institutions_key(tmp_path: Path):
    path = tmp_path / "ledger.jsonl"
    Population(path=path, population_id="icu", ceiling=CEILING, key=b"a" * 32).reserve("r", SMALL)
    with pytest.raises(CheckError, match="institution's key"):
        Population(path=path, population_id="icu", ceiling=CEILING, key=b"b" * 32).standing()


def test_the_account_holds_plans_and_no_rows(people: Population):
    people.reserve("r", RELEASE)
    lines = [json.loads(line) for line in people.path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["open", "reserve"]
    assert set(lines[1]["content"]) == {"run_id", "charges", "at"}
    assert set(lines[1]["content"]["charges"][0]) == set(charge("x", RELEASE.events[0]).to_json())


def _spend(people: Population, rival: int, report: Connection) -> None:
    """One of the rivals: reserves until it is refused, and reports each reservation it was granted."""
    granted = []
    for attempt in range(4):
        try:
            people.reserve(f"{rival}-{attempt}", RELEASE)
            granted.append(f"{rival}-{attempt}")
        except BudgetError:
            break
    report.send(granted)


def test_ten_processes_never_pass_the_ceiling_together(people: Population):
    people.reserve("first", RELEASE)  # so that every rival forks with the accounting warm
    rivals = []
    for rival in range(10):
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=_spend, args=(people, rival, theirs))
        process.start()
        rivals.append((process, ours))
    granted = {run for _, pipe in rivals for run in pipe.recv()}
    for process, _ in rivals:
        process.join(30)
        assert process.exitcode == 0
    standing = people.standing()
    assert {run.run_id for run in standing.runs} == {"first", *granted}
    assert standing.spent <= 3.0
    assert epsilon_of(RELEASE.events * (len(standing.runs) + 1), 1e-6) > 3.0  # nor was any of it left lying


def _until_killed(people: Population, trial: int, report: Connection) -> None:
    """Reserves and closes runs, byte by byte, and reports each reservation once it was acknowledged."""

    def slowly(descriptor: int, data: bytes) -> None:
        for place in range(0, len(data), 16):
            os.write(descriptor, data[place : place + 16])
            time.sleep(2e-5)

    chain_module._write_all = slowly
    chain_module.os.fsync = lambda descriptor: descriptor  # type: ignore[assignment]
    for number in range(10_000):
        people.reserve(f"{trial}-{number}", SMALL)
        report.send(f"{trial}-{number}")
        (people.abort if number % 2 else people.finish)(f"{trial}-{number}")


def _kill_at_random(folder: Path, trials: int) -> int:
    """Kill a spender `trials` times; the number of kills that cut a record in two."""
    plenty = Budget(epsilon=50.0, delta=1e-6)
    people = Population(path=folder / "ledger.jsonl", population_id="icu", ceiling=plenty)
    people.reserve("first", SMALL)
    rng, acknowledged, torn = np.random.default_rng(), {"first"}, 0
    for trial in range(trials):
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=_until_killed, args=(people, trial, theirs))
        process.start()
        theirs.close()
        ours.poll(10)
        time.sleep(float(rng.uniform(0.0, 0.12)))
        os.kill(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
        process.join()
        acknowledged |= _received(ours)
        torn += not people.path.read_bytes().endswith(b"\n")
        runs = {run.run_id for run in people.standing().runs}
        assert acknowledged <= runs
        assert len(runs - acknowledged) <= trial + 1  # at most one a trial was written but not yet acknowledged
    people.reserve("last", SMALL)
    assert people.standing().spent == pytest.approx(
        epsilon_of(SMALL.events * len(people.standing().runs), 1e-6), rel=1e-6
    )
    return torn


def _received(pipe: Connection) -> set[str]:
    names: set[str] = set()
    try:
        while pipe.poll():
            names.add(pipe.recv())
    except EOFError:
        pass
    return names


def test_kills_at_random_lose_no_charge_and_break_no_chain(tmp_path: Path):
    _kill_at_random(tmp_path, trials=10)


@pytest.mark.slow
def test_two_hundred_kills_at_random_lose_no_charge_and_break_no_chain(tmp_path: Path):
    assert sum(_kill_at_random(tmp_path / str(part), trials=20) for part in range(10)) > 0


def test_a_plan_too_dear_for_its_own_budget_never_reaches_the_account(people: Population):
    with pytest.raises(BudgetError):
        people.reserve("r", Plan(budget=Budget(epsilon=0.1, delta=1e-6), charges=RELEASE.charges, cohort_size=1000))
    assert people.standing().records == 0
